#!/usr/bin/env python3
"""expect_abort.py source program: the program must abort, and its stderr must match each
`/* expect: regex */` line of its source."""
import re
import resource
import signal
import subprocess
import sys

source, program = sys.argv[1:3]
wanted = re.findall(r"/\* expect: (.*?) \*/", open(source).read())
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # nobody will read it
run = subprocess.run([program], text=True, capture_output=True, timeout=50)
if not wanted:
    sys.exit("no expect line in " + source)
if run.returncode != -signal.SIGABRT:
    sys.exit(f"it should abort, and ended with {run.returncode}\n{run.stderr}")
for regex in wanted:
    if not re.search(regex, run.stderr):
        sys.exit(f"the message does not match: {regex}\n{run.stderr}")
