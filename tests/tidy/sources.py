"""What all checkers share: the list of our files, C++ without its comments, and how a finding is shown.

A checker is a function from a tree's root to findings; `main` turns it into a program that prints
`path:line: what is wrong` and exits 1 if there was anything to print.
"""
from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

CPP = (".cc", ".hh")
_SKIPPED = {"build", "__pycache__", "node_modules", "corpus"}


class Finding(NamedTuple):
    path: str
    line: int
    what: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.what}"


def folders(root: Path) -> Iterator[Path]:
    """Every folder of ours below root, root first; build trees, corpora of bytes and dot-folders aside."""
    yield root
    for child in sorted(root.iterdir()):
        if child.is_dir() and child.name not in _SKIPPED and not child.name.startswith("."):
            yield from folders(child)


def files(root: Path, suffixes: tuple[str, ...]) -> Iterator[tuple[str, Path]]:
    """(path relative to root, path) of every file of ours with one of the suffixes."""
    for folder in folders(root):
        for path in sorted(folder.iterdir()):
            if path.is_file() and path.suffix in suffixes:
                yield path.relative_to(root).as_posix(), path


_TOKEN = re.compile(
    r"//[^\n]*|/\*.*?\*/|R\"(?P<d>[^(\s]*)\(.*?\)(?P=d)\"|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])+'",
    re.DOTALL,
)


def _blank(match: re.Match[str]) -> str:
    text = match.group(0)
    if text.startswith(("//", "/*")):
        return re.sub(r"[^\n]", " ", text)
    if text.startswith("'") and match.start() > 0 and match.string[match.start() - 1].isalnum():
        return text  # a digit separator
    return text[0] + re.sub(r"[^\n]", " ", text[1:-1]) + text[-1]


def code_only(text: str) -> str:
    """C++ with comments and the insides of literals blanked; lines and columns stay where they are."""
    separators = re.sub(r"(?<=[0-9a-fA-F])'(?=[0-9a-fA-F])", "_", text)
    return _TOKEN.sub(_blank, separators)


def line_of(text: str, offset: int) -> int:
    return text.count("\n", 0, offset) + 1


def main(check: Callable[[Path], Iterator[Finding]], what: str) -> int:
    parser = argparse.ArgumentParser(description=what)
    parser.add_argument("--root", type=Path, default=Path(__file__).resolve().parents[2])
    arguments = parser.parse_args()
    findings = list(check(arguments.root))
    for finding in findings:
        print(finding)
    print(f"{what}: {len(findings)} found", file=sys.stderr)
    return 1 if findings else 0
