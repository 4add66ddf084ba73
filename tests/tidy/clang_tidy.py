#!/usr/bin/env python3
"""clang-tidy over core/ and sim/ (ns-3 aside), two at a time, with a build's compile commands.

A file whose text, headers of ours, command and .clang-tidy have not changed since it last passed is
not looked at again: its key lies in BUILD/tidy-passed.

usage: clang_tidy.py BUILD [--root ROOT] [--clang-tidy PROGRAM]
"""
from __future__ import annotations

import argparse
import hashlib
import json
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

_QUOTED = re.compile(r'^#include "([^"]+)"', re.MULTILINE)
JOBS = 2


def wanted(name: str) -> bool:
    return name.startswith(("core/", "sim/")) and not name.startswith("sim/ns3/")


def sources(build: Path, root: Path) -> dict[str, str]:
    """Our translation units that are checked -> how they are compiled."""
    commands = json.loads((build / "compile_commands.json").read_text())
    found = {}
    for entry in commands:
        path = (Path(entry["directory"]) / entry["file"]).resolve()
        if path.is_relative_to(root) and wanted(path.relative_to(root).as_posix()):
            found[path.relative_to(root).as_posix()] = entry.get("command", "")
    return dict(sorted(found.items()))


def key(name: str, command: str, root: Path) -> str:
    digest = hashlib.sha256((root / ".clang-tidy").read_bytes() + command.encode())
    seen, left = set(), [name]
    while left:
        current = left.pop()
        if current in seen or not (root / current).is_file():
            continue
        seen.add(current)
        text = (root / current).read_text()
        digest.update(text.encode())
        left.extend(_QUOTED.findall(text))
    return digest.hexdigest()


def tidy(program: str, build: Path, root: Path, name: str) -> tuple[str, int, str]:
    command = [program, "--quiet", "-p", str(build), f"--header-filter={re.escape(str(root))}/(core|sim)/.*",
               "--extra-arg=-Wno-unknown-warning-option", str(root / name)]
    done = subprocess.run(command, capture_output=True, text=True)
    return name, done.returncode, done.stdout + (done.stderr if done.returncode else "")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("build", type=Path)
    parser.add_argument("--root", type=Path, default=Path(__file__).resolve().parents[2])
    parser.add_argument("--clang-tidy", default="clang-tidy")
    a = parser.parse_args()
    root = a.root.resolve()
    passed_file = a.build / "tidy-passed"
    passed = set(passed_file.read_text().split()) if passed_file.exists() else set()
    keys = {name: key(name, command, root) for name, command in sources(a.build, root).items()}
    if not keys:
        print("no translation unit of core/ or sim/ in the compile commands")
        return 1
    todo = [name for name in keys if keys[name] not in passed]
    failed = 0
    with ThreadPoolExecutor(JOBS) as pool:
        for name, code, output in pool.map(lambda n: tidy(a.clang_tidy, a.build, root, n), todo):
            if code == 0:
                passed.add(keys[name])
            else:
                failed += 1
                print(output, end="")
    passed_file.write_text("\n".join(sorted(passed & set(keys.values()))) + "\n")
    print(f"clang-tidy: {len(keys)} files, {len(todo)} looked at, {failed} with findings", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
