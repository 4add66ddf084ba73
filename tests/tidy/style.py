#!/usr/bin/env python3
"""House style that a compiler does not know: banned words, lengths, how a header begins, READMEs."""
from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from sources import CPP, Finding, code_only, files, folders, line_of, main

FILE_LINES = 500
FUNCTION_LINES = 70
_MARKERS = re.compile(r"\b(?:TO" r"DO|FIX" r"ME|XX" r"X)\b")


class Ban(NamedTuple):
    """A pattern no code (comments and literals aside) under `where` may match, `but` aside."""

    pattern: re.Pattern[str]
    what: str
    where: tuple[str, ...] = ("",)
    but: tuple[str, ...] = ()


def _ban(pattern: str, what: str, where: tuple[str, ...] = ("",), but: tuple[str, ...] = ()) -> Ban:
    return Ban(re.compile(pattern), what, where, but)


_CORE = ("core/",)
_LINUX = ("core/linux/",)
BANS = (
    _ban(r"\bshared_ptr\b", "shared_ptr: one owner"),
    _ban(r"\bdynamic_cast\b", "dynamic_cast"),
    _ban(r"\btypeid\b", "typeid"),
    _ban(r"\bstd::(?:format|ranges|views)\b", "not in both of our compilers"),
    _ban(r"\bco_(?:await|yield|return)\b", "coroutine: state hides where nobody can dump it"),
    _ban(r"\b(?:[a-z0-9]+_)*(?:rx|tx)(?:_[a-z0-9]+)*_?\b", "say guest, host, uplink or downlink"),
    _ban(r"\b(?:rand|srand|random|drand48)\s*\(", "chance comes from Entropy or sim/link/prng"),
    _ban(r"\b(?:steady|system|high_resolution)_clock\b", "the driver owns the clock",
         but=(*_LINUX, "sim/lab/", "tests/")),
    _ban(r"\bnow\s*\(", "the core is told what time it is", _CORE, _LINUX),
    _ban(r"\b(?:float|double)\b", "integers or fixed point", (*_CORE, "sim/link/"), _LINUX),
    _ban(r"\b(?:try|catch|throw)\b", "no exceptions in the core", _CORE, _LINUX),
    _ban(r"\bstd::function\b", "state is plain data: no callbacks", _CORE, _LINUX),
    _ban(r"\bstd::unordered_\w+", "its order is nobody's", (*_CORE, "sim/"), _LINUX),
    _ban(r"\bthread_local\b|\bstd::(?:thread|mutex|atomic)\b", "no threads",
         (*_CORE, "sim/", "pcap/"), (*_LINUX, "sim/lab/")),
    _ban(r"\b(?:secure_)?getenv\b", "no environment", ("core/", "sim/", "pcap/"), (*_LINUX, "sim/lab/")),
    _ban(r"\bstd::(?:cout|cerr|clog)\b|\bf?printf\s*\(", "no terminal here",
         ("core/", "sim/", "pcap/"), (*_LINUX, "sim/lab/")),
    _ban(r"\bassert\s*\(", "DASHI_CHECK, which release keeps", ("core/", "sim/", "pcap/")),
)
_DEFAULT_ARGUMENT = re.compile(
    r"\b(?!for\b|if\b|while\b|switch\b|return\b|alignas\b)[A-Za-z_]\w*\((?P<a>[^(){};]*[^(){};=!<>+\-*/|&^%\[]=(?!=)[^(){};]*)\)"
)


def _banned(name: str, text: str, code: str) -> Iterator[Finding]:
    code = re.sub(r"(?m)^[ \t]*#[ \t]*include.*$", "", code)  # includes.py judges those
    for ban in BANS:
        if not name.startswith(ban.where) or (ban.but and name.startswith(ban.but)):
            continue
        for match in ban.pattern.finditer(code):
            yield Finding(name, line_of(code, match.start()), f"'{match.group(0)}': {ban.what}")
    for match in _DEFAULT_ARGUMENT.finditer(code):
        if "[" not in match.group("a"):
            yield Finding(name, line_of(code, match.start()), "default argument")


_SCOPE = re.compile(r"\b(?:namespace|class|struct|union|enum|extern)\b")


def function_lengths(code: str) -> Iterator[tuple[int, int]]:
    """(first line, lines) of every function of comment-free C++: a `{` in a namespace or class whose
    head has a parameter list."""
    stack: list[tuple[str, int]] = []
    head = 0
    for match in re.finditer(r"[{};]|^[ \t]*#(?:[^\n]*\\\n)*[^\n]*$", code, re.MULTILINE):
        symbol = match.group(0)
        outside = all(kind == "scope" for kind, _ in stack)
        if symbol == "{":
            text = code[head : match.start()]
            scope = _SCOPE.search(text) and "(" not in text.split("__attribute__")[0].replace("alignas(", "")
            if not outside:
                stack.append(("inner", 0))
            elif scope or not text.strip():
                stack.append(("scope", 0))
            else:
                begin = head + len(text) - len(text.lstrip())
                stack.append(("function" if "(" in text else "value", line_of(code, begin)))
        elif symbol == "}" and stack:
            kind, line = stack.pop()
            if kind == "function":
                yield line, line_of(code, match.start()) - line + 1
        if outside or all(kind == "scope" for kind, _ in stack):
            head = match.end()


def _header(name: str, text: str) -> Iterator[Finding]:
    lines = text.splitlines()
    if not lines or not lines[0].startswith("// "):
        yield Finding(name, 1, "a header opens with a paragraph: what it is, what it is not, who owns what")
    first = next((i for i, line in enumerate(lines) if line.strip() and not line.startswith("//")), 0)
    if not lines or lines[first] != "#pragma once":
        yield Finding(name, first + 1, "#pragma once follows the opening paragraph")


def _python(name: str, text: str) -> Iterator[Finding]:
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            if lines > FUNCTION_LINES:
                yield Finding(name, node.lineno, f"function of {lines} lines, at most {FUNCTION_LINES}")


def check(root: Path) -> Iterator[Finding]:
    for name, path in files(root, (*CPP, ".py", ".sh", ".cmake", ".txt", ".md", ".pkt")):
        text = path.read_text()
        for match in _MARKERS.finditer(text):
            yield Finding(name, line_of(text, match.start()), f"marker '{match.group(0)}': finish it or say it in a README")
        lines = text.count("\n")
        if lines > FILE_LINES and path.suffix not in (".md", ".txt"):
            yield Finding(name, FILE_LINES + 1, f"file of {lines} lines, at most {FILE_LINES}")
        if path.suffix == ".py":
            yield from _python(name, text)
        if path.suffix in CPP:
            code = code_only(text)
            yield from _banned(name, text, code)
            for line, length in function_lengths(code):
                if length > FUNCTION_LINES:
                    yield Finding(name, line, f"function of {length} lines, at most {FUNCTION_LINES}")
        if path.suffix == ".hh":
            yield from _header(name, text)
    for folder in folders(root):
        if any(p.is_file() for p in folder.iterdir()) and not (folder / "README.md").is_file():
            yield Finding(folder.relative_to(root).as_posix(), 1, "no README.md: what lives here, what may not")


if __name__ == "__main__":
    sys.exit(main(check, "breaches of house style"))
