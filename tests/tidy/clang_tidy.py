#!/usr/bin/env python3
"""clang-tidy over core/ and sim/ (ns-3 aside), two at a time, with a build's compile commands.

What clang-tidy spends is spent on the library's headers. So the files of a folder are looked at as one
translation unit that includes them: a twentieth of the time. Files that do not go together (two local
helpers of one name) go to separate units.

A file whose text, headers of ours, command and .clang-tidy have not changed since it last passed is
not looked at again: its key lies in BUILD/tidy-passed.

usage: clang_tidy.py BUILD [--root ROOT] [--clang-tidy PROGRAM] [--clang PROGRAM]
"""
from __future__ import annotations

import argparse
import hashlib
import json
import re
import shlex
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

_QUOTED = re.compile(r'^#include "([^"]+)"', re.MULTILINE)
JOBS = 2
WARNINGS = ("-Wall", "-Wextra", "-Wconversion", "-Wshadow")


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


def flags(command: str) -> tuple[str, ...]:
    """What decides how a file is read: its -I, -isystem, -D, -std."""
    words, kept = shlex.split(command)[1:], []
    for at, word in enumerate(words):
        if word == "-isystem":
            kept += [word, words[at + 1]]
        elif word.startswith(("-I", "-D", "-std")):
            kept.append(word)
    return tuple(kept)


class Unit:
    """Files of one folder, read as one."""

    def __init__(self, path: Path, root: Path, names: list[str], options: tuple[str, ...]):
        self.path, self.root, self.names, self.options = path, root, names, options
        path.write_text("".join(f'#include "{root / name}"\n' for name in names))

    def clashing(self, clang: str) -> list[str]:
        """Those of its files that do not compile behind the others."""
        done = subprocess.run([clang, "-fsyntax-only", "-ferror-limit=0", "-w", *self.options, str(self.path)],
                              capture_output=True, text=True)
        wrong = set(re.findall(r"^(.+?):\d+:\d+: (?:fatal )?error:", done.stderr, re.MULTILINE))
        return [name for name in self.names if str(self.root / name) in wrong]

    def tidy(self, program: str) -> tuple[int, str]:
        command = [program, "--quiet", f"--config-file={self.root / '.clang-tidy'}",
                   f"--header-filter={re.escape(str(self.root))}/(core|sim)/.*",
                   "--checks=-bugprone-suspicious-include", str(self.path), "--", *self.options, *WARNINGS]
        done = subprocess.run(command, capture_output=True, text=True)
        return done.returncode, done.stdout + (done.stderr if done.returncode else "")


def units(folder: str, names: list[str], options: tuple[str, ...], a: argparse.Namespace) -> list[Unit]:
    """A folder's files in as few units as they allow."""
    found, left = [], names
    while left:
        name = f"{folder.replace('/', '-')}-{len(found)}.cc"
        unit = Unit(a.build / "tidy-units" / name, a.root, left, options)
        later: list[str] = []
        # A file that clashes with nothing but itself is a finding, and clang-tidy will say so.
        while len(unit.names) > 1 and (wrong := unit.clashing(a.clang)):
            fits = [n for n in unit.names if n not in wrong] or unit.names[:1]
            later += [n for n in unit.names if n not in fits]
            unit = Unit(unit.path, a.root, fits, options)
        found.append(unit)
        left = later
    return found


def look(group: tuple[tuple[str, tuple[str, ...]], list[str]], a: argparse.Namespace) -> list[tuple[Unit, int, str]]:
    (folder, options), names = group
    return [(unit, *unit.tidy(a.clang_tidy)) for unit in units(folder, names, options, a)]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("build", type=Path)
    parser.add_argument("--root", type=Path, default=Path(__file__).resolve().parents[2])
    parser.add_argument("--clang-tidy", default="clang-tidy")
    parser.add_argument("--clang", default="clang++")
    a = parser.parse_args()
    a.root, a.build = a.root.resolve(), a.build.resolve()
    (a.build / "tidy-units").mkdir(exist_ok=True)
    passed_file = a.build / "tidy-passed"
    passed = set(passed_file.read_text().split()) if passed_file.exists() else set()
    commands = sources(a.build, a.root)
    keys = {name: key(name, command, a.root) for name, command in commands.items()}
    if not keys:
        print("no translation unit of core/ or sim/ in the compile commands")
        return 1
    todo = [name for name in keys if keys[name] not in passed]
    groups: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for name in todo:
        groups.setdefault((str(Path(name).parent), flags(commands[name])), []).append(name)
    failed = 0
    with ThreadPoolExecutor(JOBS) as pool:
        for looked in pool.map(lambda group: look(group, a), sorted(groups.items(), key=lambda g: -len(g[1]))):
            for unit, code, output in looked:
                if code == 0:
                    passed.update(keys[name] for name in unit.names)
                else:
                    failed += 1
                    print(output, end="")
    passed_file.write_text("\n".join(sorted(passed & set(keys.values()))) + "\n")
    print(f"clang-tidy: {len(keys)} files, {len(todo)} looked at, {failed} units with findings", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
