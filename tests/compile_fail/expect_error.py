#!/usr/bin/env python3
"""expect_error.py source compiler...: compiling must fail, and the compiler's message match each
`/* expect: regex */` of the source."""
import re
import subprocess
import sys

source, compiler = sys.argv[1], sys.argv[2:]
wanted = re.findall(r"/\* expect: (.*?) \*/", open(source).read())
run = subprocess.run(compiler + ["-std=gnu11", "-Wall", "-Wextra", "-Werror", "-O1", "-c", "-o", "/dev/null", source],
                     text=True, capture_output=True, timeout=50)
if run.returncode == 0:
    sys.exit("it compiles")
for regex in wanted:
    if not re.search(regex, run.stderr):
        sys.exit(f"the message does not match: {regex}\n{run.stderr}")
