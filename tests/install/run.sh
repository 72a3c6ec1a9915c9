#!/bin/sh
# Installs into a fresh prefix and builds a program against it: with pkg-config, and with
# find_package, shared and static.   run.sh build-folder compiler
set -eu
build=$1
cc=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cmake --install "$build" --prefix "$work/prefix" >"$work/log"

cat >"$work/main.c" <<'C'
#include <kioto.h>
#include <stdio.h>

struct answer {
    async_fn(int);
    struct kio_sleep nap;
};

async(answer)
{
    async_begin;
    await(kio_sleep(&self->nap, KIO_MS));
    async_return(42);
}

int main(void)
{
    printf("%d\n", kio_block_on(answer));
    return 0;
}
C

libdir=$(dirname "$(find "$work/prefix" -name kioto.pc)")
export PKG_CONFIG_PATH="$libdir"
"$cc" -std=gnu11 -Wall -Wextra -Werror $(pkg-config --cflags kioto) "$work/main.c" \
    $(pkg-config --libs kioto) -Wl,-rpath,"$(dirname "$libdir")" -o "$work/by-pkg-config"
test "$("$work/by-pkg-config")" = 42
echo "pkg-config: works"

mkdir "$work/cmake"
cat >"$work/cmake/CMakeLists.txt" <<'CM'
cmake_minimum_required(VERSION 3.20)
project(user C)
set(CMAKE_C_STANDARD 11)
find_package(kioto REQUIRED)
add_executable(shared ../main.c)
target_link_libraries(shared PRIVATE kioto::kioto)
add_executable(static ../main.c)
target_link_libraries(static PRIVATE kioto::kioto-static)
if(TARGET kioto::kioto-http)
  file(WRITE ${CMAKE_BINARY_DIR}/http.c "#include <kioto.h>\n#include <kioto/http.h>\nint main(void) { struct kio_http_get g = {0}; kio_drop(kio_http_get(&g, \"http://x/\")); return 0; }\n")
  add_executable(http ${CMAKE_BINARY_DIR}/http.c)
  target_link_libraries(http PRIVATE kioto::kioto-http)
endif()
CM
cmake -S "$work/cmake" -B "$work/cmake/build" -DCMAKE_C_COMPILER="$cc" -DCMAKE_PREFIX_PATH="$work/prefix" >"$work/log" 2>&1 ||
    { cat "$work/log"; exit 1; }
cmake --build "$work/cmake/build" >"$work/log" 2>&1 || { cat "$work/log"; exit 1; }
test "$("$work/cmake/build/shared")" = 42
test "$("$work/cmake/build/static")" = 42
test ! -e "$work/cmake/build/http" || "$work/cmake/build/http"
echo "find_package: works"
