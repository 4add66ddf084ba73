#!/usr/bin/env python3
"""What the core's archive asks of the world, and what it keeps: `nm -uC` against an allow-list, and no
writable data.

usage: symbols.py ARCHIVE ALLOW_LIST [--nm NM] [--objdump OBJDUMP]
"""
from __future__ import annotations

import argparse
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

_WRITABLE = re.compile(r"^\S+ .{7} (\.(?:data|bss|tdata|tbss)\S*)\s+[0-9a-f]{16}\s+(.+)$")


def _run(*command: str) -> list[str]:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()


def undefined(archive: Path, nm: str) -> set[str]:
    """Symbols that no member of the archive defines."""
    wanted = {line.split(maxsplit=1)[1] for line in _run(nm, "-uC", str(archive)) if line.startswith(" ")}
    defined = {
        line.split(maxsplit=2)[2]
        for line in _run(nm, "-C", "--defined-only", str(archive))
        if re.match(r"^[0-9a-f]{16} \S ", line)
    }
    return wanted - defined


def writable(archive: Path, objdump: str) -> Iterator[tuple[str, str]]:
    """(section, symbol) of all data that may change while the program runs."""
    for line in _run(objdump, "-tC", str(archive)):
        match = _WRITABLE.match(line)
        if match and not match.group(1).startswith(".data.rel.ro") and not match.group(2).startswith("."):
            yield match.group(1), match.group(2).removeprefix(".hidden ")


def allowed(path: Path) -> dict[str, list[re.Pattern[str]]]:
    """Section name -> whole-symbol patterns. The file has [undefined] and [writable]."""
    patterns: dict[str, list[re.Pattern[str]]] = {}
    for line in path.read_text().splitlines():
        line = line.strip()
        if line.startswith("["):
            patterns[line.strip("[]")] = current = []
        elif line and not line.startswith("#"):
            current.append(re.compile(line))
    return patterns


def check(archive: Path, allow_list: Path, nm: str, objdump: str) -> Iterator[str]:
    patterns = allowed(allow_list)
    for symbol in sorted(undefined(archive, nm)):
        if not any(p.fullmatch(symbol) for p in patterns["undefined"]):
            yield f"{archive.name} needs {symbol}"
    for section, symbol in sorted(set(writable(archive, objdump))):
        if not any(p.fullmatch(symbol) for p in patterns["writable"]):
            yield f"{archive.name} keeps {symbol} in {section}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("archive", type=Path)
    parser.add_argument("allow_list", type=Path)
    parser.add_argument("--nm", default="nm")
    parser.add_argument("--objdump", default="objdump")
    a = parser.parse_args()
    findings = list(check(a.archive, a.allow_list, a.nm, a.objdump))
    for finding in findings:
        print(f"{finding}: not in {a.allow_list.name}")
    print(f"symbols: {len(findings)} found", file=sys.stderr)
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
