# Every tests/<area>/<subject>.c is a program and a test; so is every examples/*.c that has a
# golden file, every tests/misuse/*.c (must abort) and tests/compile_fail/*.c (must not compile).
pkg_check_modules(CMOCKA REQUIRED IMPORTED_TARGET cmocka)
find_program(VALGRIND valgrind)
find_package(Python3 COMPONENTS Interpreter REQUIRED)
# What is found may be a version manager's script, which takes half a second each time: the interpreter itself.
execute_process(COMMAND ${Python3_EXECUTABLE} -c "import sys; print(sys.executable)"
  OUTPUT_VARIABLE python OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
set(python ${python} -S) # of the standard library alone

set(valgrind_command ${VALGRIND} -q --leak-check=full --show-leak-kinds=definite,possible
  --errors-for-leak-kinds=definite --error-exitcode=99 --fair-sched=yes
  --suppressions=${CMAKE_SOURCE_DIR}/tests/valgrind.supp)
set(with_valgrind FALSE)
if(KIOTO_VALGRIND_TESTS AND VALGRIND AND NOT KIOTO_SANITIZE)
  set(with_valgrind TRUE)
endif()

function(kioto_program target file)
  add_executable(${target} ${file})
  target_link_libraries(${target} PRIVATE kioto-flags kioto-static Threads::Threads)
  # The guards in the public macros are compiled into the user's code: they stay on here.
  target_compile_options(${target} PRIVATE -UNDEBUG)
  if(KIOTO_LTO AND CMAKE_C_COMPILER_ID STREQUAL GNU)
    target_link_options(${target} PRIVATE -fno-lto) # some seconds each, and only benches are timed
  endif()
  file(STRINGS ${file} needs_http REGEX "#include <kioto/http.h>")
  if(needs_http AND TARGET kioto-http-static)
    target_link_libraries(${target} PRIVATE kioto-http-static)
  endif()
  file(STRINGS ${file} needs_server REGEX "http_server.h")
  if(needs_server)
    target_link_libraries(${target} PRIVATE examples-http-server)
  endif()
  file(STRINGS ${file} needs_tls REGEX "#include <kioto/tls.h>")
  if(needs_tls AND TARGET kioto-tls-static)
    target_link_libraries(${target} PRIVATE kioto-tls-static)
  endif()
endfunction()

set(limit 600) # seconds: ends what hangs. No test takes a tenth of it, but machines are slow at times

function(kioto_test name target)
  add_test(NAME ${name} COMMAND ${target})
  set_tests_properties(${name} PROPERTIES TIMEOUT ${limit} LABELS test)
endfunction()

file(GLOB areas RELATIVE ${CMAKE_SOURCE_DIR}/tests CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/*)
list(REMOVE_ITEM areas golden misuse compile_fail valgrind_finds support install stress model)
file(GLOB support CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/support/*.c)
if(support)
  add_library(kioto-test-support STATIC ${support})
  target_include_directories(kioto-test-support PUBLIC ${CMAKE_SOURCE_DIR}/src ${CMAKE_SOURCE_DIR}/tests)
  target_link_libraries(kioto-test-support PUBLIC kioto-flags kioto-static PkgConfig::CMOCKA)
  target_compile_options(kioto-test-support PRIVATE -UNDEBUG)
endif()

# Calls that the tests of tests/fault let fail: see tests/support/faults.h.
set(fault_options)
foreach(file ${support})
  file(STRINGS ${file} wraps REGEX "^WRAP")
  foreach(wrap ${wraps})
    string(REGEX REPLACE "^[A-Z_]*\\([^,]*, ([a-z0-9_]+),.*" "\\1" call "${wrap}")
    list(APPEND fault_options "-Wl,--wrap=${call}")
  endforeach()
endforeach()

foreach(area ${areas})
  file(GLOB files CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/${area}/*.c)
  foreach(file ${files})
    get_filename_component(subject ${file} NAME_WE)
    set(target test-${area}-${subject})
    kioto_program(${target} ${file})
    target_include_directories(${target} PRIVATE ${CMAKE_SOURCE_DIR}/src ${CMAKE_SOURCE_DIR}/tests)
    target_link_libraries(${target} PRIVATE kioto-test-support PkgConfig::CMOCKA)
    if(area STREQUAL fault)
      target_link_options(${target} PRIVATE ${fault_options})
    endif()
    kioto_test(${area}/${subject} ${target})
    # fork: a child leaves its parent's memory where it is, which are leaks to valgrind.
    if(with_valgrind AND area MATCHES "^(future|time|task|sync|rt|debug)$"
       AND NOT subject MATCHES "threads|stress|stuck|fork")
      add_test(NAME valgrind/${area}/${subject} COMMAND ${valgrind_command} $<TARGET_FILE:${target}>)
      set_tests_properties(valgrind/${area}/${subject} PROPERTIES TIMEOUT ${limit} LABELS valgrind
        ENVIRONMENT "KIOTO_TEST_QUICK=1")
    endif()
  endforeach()
endforeach()

# What the libraries call outside of themselves fails in tests/fault, or cannot.
if(NOT KIOTO_SANITIZE)
  set(libraries $<TARGET_FILE:kioto-static>)
  if(TARGET kioto-http-static)
    list(APPEND libraries $<TARGET_FILE:kioto-http-static>)
  endif()
  add_test(NAME fault/covered COMMAND ${python}
    ${CMAKE_SOURCE_DIR}/tests/fault/covered.py ${CMAKE_SOURCE_DIR} ${libraries})
  set_tests_properties(fault/covered PROPERTIES TIMEOUT ${limit} LABELS test)
endif()

# kioto-stress: minutes of it by scripts/stress, some seconds of each kind here.
file(GLOB stress CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/stress/*.c)
add_executable(kioto-stress ${stress})
target_include_directories(kioto-stress PRIVATE ${CMAKE_SOURCE_DIR}/src ${CMAKE_SOURCE_DIR}/tests/stress)
target_link_libraries(kioto-stress PRIVATE kioto-flags kioto-static Threads::Threads)
target_compile_options(kioto-stress PRIVATE -UNDEBUG)
foreach(kind "ct" "det" "mt --workers 1" "mt --workers 2" "mt --workers 16")
  string(REPLACE " --workers " "" short ${kind})
  separate_arguments(kind)
  add_test(NAME stress/${short} COMMAND kioto-stress --flavor ${kind} --seconds 2)
  set_tests_properties(stress/${short} PROPERTIES TIMEOUT ${limit} LABELS test)
endforeach()

# The same seed, everything at once: which task does what when, in the same order.
add_test(NAME stress/det-repeats COMMAND sh -c "\
  one=$($<TARGET_FILE:kioto-stress> --flavor det --rounds 3 --seed 14) || exit 1; \
  two=$($<TARGET_FILE:kioto-stress> --flavor det --rounds 3 --seed 14) || exit 1; \
  echo \"$one\"; test \"$one\" = \"$two\"")
set_tests_properties(stress/det-repeats PROPERTIES TIMEOUT ${limit} LABELS test)

# The interleaving checker: tests/model/<part>.c says in its first comment which sources it is made of, and
# with which sizes. Compiled for a thread sanitizer whose library is the checker (docs/design/model.md); its
# calls are gcc's.
if(CMAKE_C_COMPILER_ID STREQUAL GNU AND NOT KIOTO_SANITIZE)
  file(GLOB checker ${CMAKE_SOURCE_DIR}/tests/model/checker/mc.c ${CMAKE_SOURCE_DIR}/tests/model/checker/memory.c
    ${CMAKE_SOURCE_DIR}/tests/model/checker/hooks.c)
  add_library(model-checker OBJECT ${checker})
  target_link_libraries(model-checker PRIVATE kioto-flags)
  target_include_directories(model-checker PRIVATE ${CMAKE_SOURCE_DIR}/include)
  target_compile_options(model-checker PRIVATE -O2)
  file(GLOB models CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/model/*.c)
  foreach(file ${models})
    get_filename_component(name ${file} NAME_WE)
    set(sources)
    set(defines)
    file(STRINGS ${file} lines REGEX "^ \\* (Sources|Defines): ")
    foreach(line ${lines})
      string(REGEX REPLACE "^ \\* [A-Za-z]+: *" "" words "${line}")
      separate_arguments(words)
      if(line MATCHES "Sources")
        list(TRANSFORM words PREPEND ${CMAKE_SOURCE_DIR}/)
        list(APPEND sources ${words})
      else()
        list(APPEND defines ${words})
      endif()
    endforeach()
    add_executable(model-${name} ${file} ${sources} $<TARGET_OBJECTS:model-checker>)
    target_link_libraries(model-${name} PRIVATE kioto-flags)
    target_include_directories(model-${name} PRIVATE ${CMAKE_SOURCE_DIR}/src ${CMAKE_SOURCE_DIR}/include
      ${CMAKE_SOURCE_DIR}/tests/model)
    target_compile_options(model-${name} PRIVATE -UNDEBUG -O1 -fsanitize=thread
      --param tsan-instrument-func-entry-exit=0 -fno-builtin -fno-lto -Wno-missing-field-initializers
      -Wno-type-limits -DKI_NEVER_ALONE -include ${CMAKE_SOURCE_DIR}/tests/model/checker/standin.h ${defines})
    target_link_options(model-${name} PRIVATE -no-pie)
    add_test(NAME model/${name} COMMAND model-${name})
    set_tests_properties(model/${name} PROPERTIES TIMEOUT ${limit} LABELS model)
  endforeach()
  add_test(NAME model/reduction COMMAND model-litmus --random-programs 100)
  set_tests_properties(model/reduction PROPERTIES TIMEOUT ${limit} LABELS model)
endif()

# Fuzz targets, fuzz/<name>.c with what lies in fuzz/<name>/: with libFuzzer by scripts/fuzz; here each
# is fed what it once found worth keeping.
foreach(name api)
  file(GLOB parts CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/fuzz/${name}/*.c)
  add_executable(fuzz-${name} ${CMAKE_SOURCE_DIR}/fuzz/${name}.c ${parts})
  target_include_directories(fuzz-${name} PRIVATE ${CMAKE_SOURCE_DIR}/src)
  target_link_libraries(fuzz-${name} PRIVATE kioto-flags kioto-static Threads::Threads)
  target_compile_options(fuzz-${name} PRIVATE -UNDEBUG)
  if(KIOTO_FUZZ)
    target_link_options(fuzz-${name} PRIVATE -fsanitize=fuzzer)
  else()
    target_sources(fuzz-${name} PRIVATE ${CMAKE_SOURCE_DIR}/fuzz/replay.c)
    add_test(NAME fuzz/${name} COMMAND fuzz-${name} ${CMAKE_SOURCE_DIR}/fuzz/corpus/${name})
    # Every guard of the library fails in the target or in a program of tests/misuse.
    add_test(NAME fuzz/${name}-guards COMMAND ${python}
      ${CMAKE_SOURCE_DIR}/fuzz/covered.py ${CMAKE_SOURCE_DIR} $<TARGET_FILE:fuzz-${name}>)
    set_tests_properties(fuzz/${name} fuzz/${name}-guards PROPERTIES TIMEOUT ${limit} LABELS test)
  endif()
endforeach()

# llhttp comes as C sources; the examples' HTTP server parses with it.
find_path(LLHTTP_INCLUDE llhttp/llhttp.h PATHS /usr/share/include)
find_path(LLHTTP_SOURCE llhttp.c PATHS /usr/share/llhttp)
if(LLHTTP_INCLUDE AND LLHTTP_SOURCE)
  add_library(llhttp STATIC ${LLHTTP_SOURCE}/llhttp.c ${LLHTTP_SOURCE}/api.c ${LLHTTP_SOURCE}/http.c)
  target_include_directories(llhttp SYSTEM PUBLIC ${LLHTTP_INCLUDE} PRIVATE ${LLHTTP_INCLUDE}/llhttp)
  target_compile_options(llhttp PRIVATE -w)
  add_library(examples-http-server STATIC ${CMAKE_SOURCE_DIR}/examples/support/http_server.c)
  target_include_directories(examples-http-server PUBLIC ${CMAKE_SOURCE_DIR}/examples/support)
  target_link_libraries(examples-http-server PUBLIC kioto-flags kioto-static llhttp)
  if(KIOTO_LTO AND CMAKE_C_COMPILER_ID STREQUAL GNU) # for kioto-bench; fat: as the library
    target_compile_options(llhttp PRIVATE -flto=auto -ffat-lto-objects)
    target_compile_options(examples-http-server PRIVATE -flto=auto -ffat-lto-objects)
  endif()
endif()

# Examples, and what they print.
file(GLOB examples CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/examples/*.c)
foreach(file ${examples})
  get_filename_component(name ${file} NAME_WE)
  file(STRINGS ${file} needs_http REGEX "#include <kioto/http.h>")
  if(needs_http AND NOT TARGET kioto-http-static)
    continue()
  endif()
  kioto_program(${name} ${file})
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/examples)
  set(golden ${CMAKE_SOURCE_DIR}/tests/golden/${name}.txt)
  if(EXISTS ${golden})
    add_test(NAME golden/${name} COMMAND ${python}
      ${CMAKE_SOURCE_DIR}/tests/golden/compare.py ${golden} $<TARGET_FILE:${name}>)
    set_tests_properties(golden/${name} PROPERTIES TIMEOUT ${limit} LABELS golden)
    if(with_valgrind)
      add_test(NAME valgrind/${name} COMMAND ${python}
        ${CMAKE_SOURCE_DIR}/tests/golden/compare.py --valgrind ${golden}
        ${valgrind_command} $<TARGET_FILE:${name}>)
      set_tests_properties(valgrind/${name} PROPERTIES TIMEOUT ${limit} LABELS valgrind)
    endif()
  endif()
endforeach()

if(TARGET echo_server)
  add_test(NAME net/echo_foreign COMMAND ${python}
    ${CMAKE_SOURCE_DIR}/tests/net/echo_foreign.py $<TARGET_FILE:echo_server>)
  set_tests_properties(net/echo_foreign PROPERTIES TIMEOUT ${limit} LABELS test)
endif()

# Programs that must abort with a message.
file(GLOB misuses CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/misuse/*.c)
foreach(file ${misuses})
  get_filename_component(name ${file} NAME_WE)
  kioto_program(misuse-${name} ${file})
  add_test(NAME misuse/${name} COMMAND ${python}
    ${CMAKE_SOURCE_DIR}/tests/misuse/expect_abort.py ${file} $<TARGET_FILE:misuse-${name}>)
  set_tests_properties(misuse/${name} PROPERTIES TIMEOUT ${limit} LABELS misuse)
endforeach()

# A mistake that neither compiler sees, and valgrind finds.
if(with_valgrind)
  kioto_program(local_array ${CMAKE_SOURCE_DIR}/tests/valgrind_finds/local_array.c)
  add_test(NAME valgrind/finds_local_array COMMAND ${valgrind_command} $<TARGET_FILE:local_array>)
  set_tests_properties(valgrind/finds_local_array PROPERTIES WILL_FAIL TRUE TIMEOUT ${limit} LABELS valgrind)
endif()

# Programs that must not compile, and what the compiler says.
file(GLOB wrongs CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/compile_fail/*.c)
foreach(file ${wrongs})
  get_filename_component(name ${file} NAME_WE)
  add_test(NAME compile_fail/${name} COMMAND ${python}
    ${CMAKE_SOURCE_DIR}/tests/compile_fail/expect_error.py ${file}
    ${CMAKE_C_COMPILER} -I${CMAKE_SOURCE_DIR}/include)
  set_tests_properties(compile_fail/${name} PROPERTIES TIMEOUT ${limit} LABELS compile_fail)
endforeach()

if(NOT KIOTO_SANITIZE AND EXISTS ${CMAKE_SOURCE_DIR}/tests/install/run.sh)
  add_test(NAME install COMMAND ${CMAKE_SOURCE_DIR}/tests/install/run.sh ${CMAKE_BINARY_DIR} ${CMAKE_C_COMPILER})
  set_tests_properties(install PROPERTIES TIMEOUT ${limit} LABELS install)
endif()

file(GLOB benches CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/bench/*.c)
if(benches AND TARGET examples-http-server)
  add_executable(kioto-bench ${benches})
  target_link_libraries(kioto-bench PRIVATE kioto-flags kioto-static examples-http-server)
  if(KIOTO_LTO AND CMAKE_C_COMPILER_ID STREQUAL GNU) # as the peers are built
    target_compile_options(kioto-bench PRIVATE -flto=auto)
    target_link_options(kioto-bench PRIVATE -flto=auto -O2)
  endif()
endif()

# The longest start first, so that none is left alone at the end.
foreach(name valgrind/seeded_test valgrind/rt/watchdog fault/runtime fault/tasks fault/queues fault/net
        http/client golden/seeded_test test/net rt/watchdog future/threads)
  if(TEST ${name})
    set_tests_properties(${name} PROPERTIES COST 100)
  endif()
endforeach()
