# kioto_library(name SOURCES folder...): name-static and name-shared from src/<folder>/*.c.
function(kioto_library name)
  cmake_parse_arguments(LIB "" "" "SOURCES" ${ARGN})
  set(files)
  foreach(folder ${LIB_SOURCES})
    file(GLOB found CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/${folder}/*.c)
    list(APPEND files ${found})
  endforeach()

  # Once, for both libraries. initial-exec: thread-local words are read on every wake and spawn.
  add_library(${name}-objects OBJECT ${files})
  set_target_properties(${name}-objects PROPERTIES
    POSITION_INDEPENDENT_CODE ON C_VISIBILITY_PRESET hidden)
  target_include_directories(${name}-objects PRIVATE ${CMAKE_SOURCE_DIR}/include)
  target_compile_options(${name}-objects PRIVATE -ftls-model=initial-exec)
  target_link_libraries(${name}-objects PRIVATE kioto-flags Threads::Threads)
  if(KIOTO_LTO AND CMAKE_C_COMPILER_ID STREQUAL GNU)
    # Fat: they work without link-time optimisation too.
    target_compile_options(${name}-objects PRIVATE -flto=auto -ffat-lto-objects)
  endif()
  if(name STREQUAL kioto-http)
    target_link_libraries(${name}-objects PRIVATE CURL::libcurl)
  elseif(name STREQUAL kioto-tls)
    target_link_libraries(${name}-objects PRIVATE OpenSSL::SSL)
  endif()

  foreach(kind STATIC SHARED)
    string(TOLOWER ${kind} suffix)
    add_library(${name}-${suffix} ${kind} $<TARGET_OBJECTS:${name}-objects>)
    set_target_properties(${name}-${suffix} PROPERTIES LINKER_LANGUAGE C)
    target_include_directories(${name}-${suffix} PUBLIC
      $<BUILD_INTERFACE:${CMAKE_SOURCE_DIR}/include> $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
    set_target_properties(${name}-${suffix} PROPERTIES
      OUTPUT_NAME ${name} VERSION ${PROJECT_VERSION} SOVERSION ${PROJECT_VERSION_MAJOR})
  endforeach()
  target_link_options(${name}-shared PRIVATE -Wl,--version-script=${CMAKE_SOURCE_DIR}/kioto.map)
  set_target_properties(${name}-shared PROPERTIES LINK_DEPENDS ${CMAKE_SOURCE_DIR}/kioto.map)
endfunction()
