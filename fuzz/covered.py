#!/usr/bin/env python3
"""covered.py source-folder fuzz-api: every guard in the sources (ki_guard_fail) fails in the fuzz
target's table of wrong calls, or in a program of tests/misuse, with its message and its fix."""
import pathlib
import re
import subprocess
import sys

root, program = pathlib.Path(sys.argv[1]), sys.argv[2]
LITERAL = re.compile(r'"((?:[^"\\]|\\.)*)"')


def arguments(text):
    """The arguments of a call whose text begins behind its opening parenthesis."""
    depth, start, found, at = 0, 0, [], 0
    while at < len(text):
        c = text[at]
        if c == '"':
            at = LITERAL.match(text, at).end()
            continue
        if c in "([{":
            depth += 1
        elif c in ")]}":
            if depth == 0:
                return found + [text[start:at]]
            depth -= 1
        elif c == "," and depth == 0:
            found.append(text[start:at])
            start = at + 1
        at += 1
    return []


def literal(argument):
    return "".join(LITERAL.findall(argument)).replace('\\"', '"')


def pattern(form):
    """A printf format as a regular expression."""
    return ".*".join(re.escape(part) for part in re.split(r"%[a-z]+", form))


said = subprocess.run([program, "--tour"], text=True, capture_output=True, timeout=100)
if said.returncode:
    sys.exit(said.stderr)
wanted = []
for source in (root / "tests/misuse").glob("*.c"):
    wanted += [re.sub(r"\\(.)", r"\1", e) for e in re.findall(r"/\* expect: (.*?) \*/", source.read_text())]

sites = missing = in_table = 0
for source in sorted((root / "src").rglob("*.c")):
    text = source.read_text()
    for call in re.finditer(r"ki_guard_fail\(", text):
        given = arguments(text[call.end():])
        if len(given) < 3 or "struct kio_place at" in given[0]:
            continue  # its definition
        sites += 1
        fix, what = literal(given[1]), literal(given[2])
        line = text.count("\n", 0, call.start()) + 1
        if re.search(pattern(what) + r"\n  fix: .*" + (pattern(fix) if given[1].strip()[0] == '"' else ""), said.stdout):
            in_table += 1
            continue
        parts = sorted(re.split(r"%[a-z]+", what), key=len)
        if not any(parts[-1].strip() in e or (len(e) > 15 and e in what) for e in wanted):
            print(f"{source.relative_to(root)}:{line}: no wrong call shows this guard: {what}")
            missing += 1
        elif "-v" in sys.argv:
            print(f"{source.relative_to(root)}:{line}: by tests/misuse: {what}")
print(f"{sites} guards: {in_table} in the fuzz target, {sites - in_table - missing} in tests/misuse alone")
sys.exit(missing != 0)
