# cmake --install: headers, both libraries, pkg-config files and a CMake package.
include(CMakePackageConfigHelpers)

set(kioto_parts kioto)
foreach(part kioto-http kioto-tls)
  if(TARGET ${part}-static)
    list(APPEND kioto_parts ${part})
  endif()
endforeach()

install(DIRECTORY include/ DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.h")

# From the folder of a .pc file up to the prefix, so that an installed tree can be moved.
file(RELATIVE_PATH PC_UP /prefix/${CMAKE_INSTALL_LIBDIR}/pkgconfig /prefix)

foreach(part ${kioto_parts})
  # kioto::kioto is the shared library, kioto::kioto-static the other.
  set_target_properties(${part}-shared PROPERTIES EXPORT_NAME ${part})
  install(TARGETS ${part}-static ${part}-shared EXPORT kioto-targets
    ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})

  set(PC_NAME ${part})
  set(PC_REQUIRES "")
  set(PC_REQUIRES_PRIVATE "")
  set(PC_LIBS_PRIVATE "-pthread")
  if(NOT part STREQUAL kioto)
    set(PC_REQUIRES "kioto = ${PROJECT_VERSION}")
  endif()
  if(part STREQUAL kioto-http)
    set(PC_REQUIRES_PRIVATE libcurl)
  elseif(part STREQUAL kioto-tls)
    set(PC_REQUIRES_PRIVATE openssl)
  endif()
  configure_file(cmake/kioto.pc.in ${CMAKE_BINARY_DIR}/${part}.pc @ONLY)
  install(FILES ${CMAKE_BINARY_DIR}/${part}.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
endforeach()

install(EXPORT kioto-targets NAMESPACE kioto:: DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/kioto)
configure_package_config_file(cmake/kiotoConfig.cmake.in ${CMAKE_BINARY_DIR}/kiotoConfig.cmake
  INSTALL_DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/kioto)
write_basic_package_version_file(${CMAKE_BINARY_DIR}/kiotoConfigVersion.cmake
  COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_BINARY_DIR}/kiotoConfig.cmake ${CMAKE_BINARY_DIR}/kiotoConfigVersion.cmake
  DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/kioto)
