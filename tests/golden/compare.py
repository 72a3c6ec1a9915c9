#!/usr/bin/env python3
"""Runs an example and compares what it prints with a golden file.

compare.py [--valgrind] golden command...

In a golden file {{regex}} stands for what differs from run to run, and a line {{...}} for any number
of lines. First lines may say '# unordered' (the lines come in any order), '# args: ...', and
'# any: line' (such lines may come anywhere, at least once).
--valgrind: only the exit status counts, since a program under valgrind is too slow for its times.
"""
import re
import subprocess
import sys

args = sys.argv[1:]
only_status = args[0] == "--valgrind"
if only_status:
    args = args[1:]
golden, command = args[0], args[1:]
lines = open(golden).read().splitlines()
unordered = False
anywhere = []
while lines and lines[0].startswith("# "):
    head = lines.pop(0)[2:]
    unordered |= head == "unordered"
    if head.startswith("args:"):
        command += head[5:].split()
    if head.startswith("any:"):
        anywhere.append(head[4:].strip())

run = subprocess.run(command, text=True, capture_output=True, timeout=500)
got = run.stdout.splitlines()


def pattern(line):
    parts = re.split(r"\{\{(.*?)\}\}", line)
    return "".join(f"(?:{p})" if i % 2 else re.escape(p) for i, p in enumerate(parts))


def matches(line, text):
    return re.fullmatch(pattern(line), text) is not None


def ordered(want, have):
    if not want:
        return not have
    if want[0] == "{{...}}":
        return any(ordered(want[1:], have[i:]) for i in range(len(have) + 1))
    return bool(have) and matches(want[0], have[0]) and ordered(want[1:], have[1:])


def any_order(want, have):
    have = list(have)
    for line in sorted(want, key=lambda l: "{{" in l):
        found = next((h for h in have if matches(line, h)), None)
        if found is None:
            return False
        have.remove(found)
    return not have


if run.returncode != 0:
    print(f"exit status {run.returncode}\n{run.stderr}")
    sys.exit(1)
sys.setrecursionlimit(100000)
if only_status:
    sys.exit(0)
seen = all(any(matches(line, text) for text in got) for line in anywhere)
rest = [text for text in got if not any(matches(line, text) for line in anywhere)]
if seen and (any_order if unordered else ordered)(lines, rest):
    sys.exit(0)
print("--- expected\n" + "\n".join(lines) + "\n--- printed\n" + "\n".join(got))
sys.exit(1)
