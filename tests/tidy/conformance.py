#!/usr/bin/env python3
"""The table of core/tcp/CONFORMANCE.md: every row is whole, and every test that it names exists.

The last cell of a row shows the rule by naming tests in `code`, or begins with a reason of KINDS; where a rule
is kept otherwise a test shows what is done instead. A test is `suite/case` of a Boost program below tests/, or the path of a script below scenarios/.
"""
from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from sources import Finding, code_only, files, main

TABLE = "core/tcp/CONFORMANCE.md"
SHOWN = "shown"
KINDS = ("does not apply", "kept otherwise", "open")
_SUITE = re.compile(r"\bBOOST_(?:AUTO|FIXTURE)_TEST_SUITE\(\s*(\w+)")
_CASE = re.compile(r"\b(?:BOOST_AUTO_TEST_CASE|BOOST_FIXTURE_TEST_CASE|TCP_CASE)\(\s*(\w+)")
_BOTH_FAMILIES = re.compile(r"\bTCP_CASE\(\s*(\w+)")
_RULE = re.compile(r"\|(?:[ :-]+\|)+")
_NAME = re.compile(r"`([^`]*)`")


def boost_cases(root: Path) -> set[str]:
    """`suite/case` of every case whose suite stands in the same file."""
    found = set()
    for name, path in files(root, (".cc",)):
        if not name.startswith("tests/"):
            continue
        code = code_only(path.read_text())
        for suite in _SUITE.findall(code):
            found |= {f"{suite}/{case}" for case in _CASE.findall(code)}
            found |= {f"{suite}/{case}_over_ipv6" for case in _BOTH_FAMILIES.findall(code)}
    return found


def rows(text: str) -> Iterator[tuple[int, list[str]]]:
    """(line, cells) of each row of each table, its head aside."""
    lines = text.splitlines()
    for i, line in enumerate(lines):
        rule_next = i + 1 < len(lines) and _RULE.fullmatch(lines[i + 1])
        if line.startswith("|") and not rule_next and not _RULE.fullmatch(line):
            yield i + 1, [cell.strip() for cell in line.strip().removeprefix("|").removesuffix("|").split("|")]


def kind_of(cell: str) -> str:
    return next((kind for kind in KINDS if cell.startswith(f"{kind}: ")), SHOWN)


def _row(root: Path, cases: set[str], cells: list[str]) -> Iterator[str]:
    if len(cells) != 3 or not all(cells):
        yield "a row has three cells: the rule, what it asks, where it is shown"
        return
    names = _NAME.findall(cells[2])
    if kind_of(cells[2]) == SHOWN and not names:
        kinds = " or ".join(f"'{kind}: '" for kind in KINDS)
        yield f"{cells[0]} names no test: name one, or say {kinds} and why"
    if kind_of(cells[2]) == "kept otherwise" and not names:
        yield f"{cells[0]} names no test of what is done instead"
    for name in names:
        known = (root / name).is_file() if name.endswith(".pkt") else name in cases
        if not known:
            yield f"{cells[0]} names no test there is: {name}"


def check(root: Path) -> Iterator[Finding]:
    text = (root / TABLE).read_text()
    cases = boost_cases(root)
    seen: set[tuple[str, ...]] = set()
    for line, cells in rows(text):
        for what in _row(root, cases, cells):
            yield Finding(TABLE, line, what)
        if tuple(cells[:2]) in seen:
            yield Finding(TABLE, line, f"{cells[0]} has this row already")
        seen.add(tuple(cells[:2]))


def counts(root: Path) -> Counter[str]:
    return Counter(kind_of(cells[-1]) for _, cells in rows((root / TABLE).read_text()))


def _told(root: Path) -> Iterator[Finding]:
    yield from check(root)
    count = counts(root)
    print(", ".join(f"{kind} {count[kind]}" for kind in (SHOWN, *KINDS)), file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main(_told, "untrue rows of the table of TCP's rules"))
