#!/usr/bin/env python3
"""Every function outside that the libraries call either fails in tests/fault or cannot fail.

    covered.py SOURCE_DIR LIBRARY...

A call that is new to the libraries is in neither list, and this test fails: it gets a wrapper in
tests/support/fault_calls*.c with the errors of its manual page, or a line below with the reason."""
import re
import subprocess
import sys
from pathlib import Path

CANNOT_FAIL = {
    # text and memory that is there: no resource is taken
    "memcpy memmove memset memchr memcmp strlen strnlen strchr strrchr strstr strcmp strncmp strcpy strncpy "
    "strcspn strspn strcasecmp strncasecmp strtol strtoul strtoull strerror strsignal qsort qsort_r getenv "
    "snprintf vsnprintf __errno_location bcmp stpcpy sprintf __isoc99_sscanf": "works on memory that is there",
    "free freeaddrinfo curl_slist_free_all curl_easy_cleanup": "releases",
    "abort exit _exit": "does not return",
    # the file is the caller's; that writing to it failed is asked for with ferror, once, at the end
    "fprintf vfprintf fputc fputs fwrite putc ferror flockfile funlockfile stderr": "ferror tells, at the end",
    "fflush": "a dump's errors are those of its stream: tests/fault/debug.c writes to a full one",
    "fclose": "of a stream in memory that is there",
    # the kernel
    "clock_gettime": "CLOCK_MONOTONIC is always there",
    "timerfd_settime": "fails for another fd or another time alone",
    "getpid getuid sched_yield alarm __libc_single_threaded": "has no errors",
    "nanosleep": "ends early by a signal, and those who call it look again",
    "pthread_atfork": "without memory forks are not watched, which a child that makes a runtime finds out",
    "pthread_key_create pthread_setspecific": "without memory a thread keeps no blocks (base/block.c): it frees them",
    "sigemptyset sigfillset sigaddset sigdelset sigismember": "fails for a number that is no signal",
    "backtrace": "gives fewer frames",
    "curl_easy_strerror curl_easy_getinfo curl_multi_info_read": "reads",
    # threads: glibc and musl take no memory for these
    "pthread_mutex_init pthread_mutex_destroy pthread_mutex_lock pthread_mutex_unlock pthread_mutex_trylock "
    "pthread_mutexattr_init pthread_mutexattr_destroy pthread_mutexattr_settype pthread_cond_init "
    "pthread_cond_destroy pthread_cond_wait pthread_cond_signal pthread_cond_broadcast "
    "pthread_condattr_init pthread_condattr_destroy pthread_condattr_setclock pthread_once "
    "pthread_self": "needs no memory and cannot be interrupted",
    "pthread_sigmask pthread_attr_destroy sem_init sem_post": "fails for wrong arguments alone",
    "pthread_join pthread_detach": "each thread is joined or detached once",
    "inet_pton inet_ntop": "fails for a text that is no address, which is -EINVAL: tests/net",
    "__sched_cpucount": "counts bits",
    # curl
    "curl_multi_cleanup curl_multi_remove_handle": "releases",
    "curl_multi_assign": "fails for a socket that curl does not know alone",
    "curl_multi_socket_action": "fails when a callback of ours does, and none does; transfers tell their own",
    "curl_easy_pause": "its errors end the transfer, which tells",
    "_GLOBAL_OFFSET_TABLE_ __stack_chk_fail __tls_get_addr": "the compiler's",
}


def called(library):
    """Symbols that are undefined in the archive's objects and not its own."""
    text = subprocess.run(["readelf", "-sW", library], capture_output=True, text=True, check=True).stdout
    names = {m[1] for m in re.finditer(r" UND (\w+)", text)}
    return {n for n in names if not n.startswith(("ki_", "kio_"))}


def main():
    source = Path(sys.argv[1])
    wrapped = set()
    for path in sorted((source / "tests/support").glob("fault_calls*.c")):
        wrapped |= set(re.findall(r"^WRAP\w*\([^,]*, (\w+),", path.read_text(), re.M))
    harmless = {name for names in CANNOT_FAIL for name in names.split()}
    calls = set().union(*(called(library) for library in sys.argv[2:]))
    unknown = sorted(calls - wrapped - harmless)
    gone = sorted(wrapped - calls)
    for name in unknown:
        print(f"{name} is called and neither fails in tests/fault nor is known not to fail: see {__file__}")
    if len(sys.argv) > 3:  # the HTTP client's library is among them
        for name in gone:
            print(f"{name} has a wrapper in tests/support and is called no more")
    print(f"{len(calls)} functions are called, {len(calls & wrapped)} of them fail in tests/fault")
    return bool(unknown or (gone and len(sys.argv) > 3))


sys.exit(main())
