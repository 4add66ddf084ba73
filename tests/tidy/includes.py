#!/usr/bin/env python3
"""Who may include whom: the dependency rules between folders, and which foreign headers are allowed.

The rule that applies to a file is that of the longest folder named in RULES.
"""
from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from sources import CPP, Finding, code_only, files, line_of, main

CORE_STD = frozenset(
    "algorithm array bit charconv compare concepts cstddef cstdint cstring deque initializer_list "
    "iterator limits map memory new numeric optional set span string string_view tuple type_traits "
    "utility variant vector".split()
)
# Time, chance, threads and the host's own state: nothing that is repeated to the bit may use them.
_FOREIGN_TO_SIMULATION = frozenset(
    "atomic barrier chrono cmath complex condition_variable ctime filesystem fstream future iostream "
    "latch mutex random regex semaphore shared_mutex stop_token thread unordered_map unordered_set "
    "coroutine format ranges source_location".split()
)
_NOWHERE = frozenset("coroutine format ranges source_location regex".split())


@dataclass(frozen=True)
class Rule:
    """`ours`: folders that may be included (and what lies below them, unless it has a rule of its
    own); `std`: the only standard headers allowed; `not_std`: those refused; `foreign`: prefixes of
    other <headers> allowed, "" for any."""

    ours: tuple[str, ...]
    std: frozenset[str] | None = None
    not_std: frozenset[str] = _NOWHERE
    foreign: tuple[str, ...] = field(default=())


def _core(*rooms: str) -> tuple[str, ...]:
    return tuple(f"core/{room}" for room in rooms)


_FLOW = ("base", "wire", "env", "flow")
_CORE = _core(*_FLOW, "tcp", "udp", "icmp", "dns", "gateway", "nat")
_SIM = (*_CORE, "sim", "sim/link", "pcap/write")
_TEST_LIBRARIES = ("boost/", "rapidcheck", "benchmark/")

RULES: dict[str, Rule] = {
    "core/base": Rule(_core("base"), CORE_STD),
    "core/wire": Rule(_core("base", "wire"), CORE_STD),
    "core/env": Rule(_core("base", "wire", "env"), CORE_STD),
    "core/flow": Rule(_core(*_FLOW), CORE_STD),
    **{
        f"core/{room}": Rule(_core(*_FLOW, room), CORE_STD)
        for room in ("tcp", "udp", "icmp", "dns", "gateway")
    },
    "core/nat": Rule(_CORE, CORE_STD),
    "core/linux": Rule((*_CORE, "core/linux", "sim/link", "pcap/write"), foreign=("",)),
    "sim": Rule(_SIM, not_std=_FOREIGN_TO_SIMULATION, foreign=("xxhash.h",)),
    "sim/link": Rule((*_core("base", "wire", "env"), "sim/link"), CORE_STD),
    "sim/script": Rule((*_SIM, "sim/script"), not_std=_FOREIGN_TO_SIMULATION - {"fstream"}),
    "sim/ns3": Rule((*_SIM, "sim/ns3"), not_std=_FOREIGN_TO_SIMULATION - {"cmath"}, foreign=("ns3/",)),
    "sim/lab": Rule((*_SIM, "sim/script", "sim/lab", "pcap", "pcap/read"), foreign=("",)),
    "pcap": Rule((*_SIM, "pcap", "pcap/read")),
    "pcap/write": Rule((*_core("base", "wire", "env"), "pcap/write")),
    "pcap/read": Rule((*_core("base", "wire", "env"), "pcap/read"), foreign=("pcap.h", "pcap/pcap.h")),
    "python": Rule((*_SIM, "sim/ns3", "sim/script", "pcap", "pcap/read", "python"), foreign=("pybind11/",)),
    "tests": Rule(("",), foreign=(*_TEST_LIBRARIES, "xxhash.h")),
    "tests/bench": Rule(("",), foreign=("",)),
    "tests/linux": Rule(("",), foreign=("",)),
    "tests/qemu": Rule(("",), foreign=("",)),
    "tests/fuzz": Rule(("",), foreign=("",)),
    "tests/core/linux": Rule(("",), foreign=("",)),
    "tests/sim/ns3": Rule(("",), foreign=(*_TEST_LIBRARIES, "ns3/")),
    "tests/pcap": Rule(("",), foreign=("",)),
    "tests/support": Rule(("",), foreign=("",)),
}

# Beyond the folder's rule: who may nevertheless have a header.
EXCEPTIONS = {("core/base/time.hh", "chrono"), ("core/base/archive.hh", "chrono")}
# ns-3 is GPL-2.0 and libpcap is the laboratory's: no other folder sees them, "" or not.
CONFINED = {"ns3/": ("sim/ns3", "tests/sim/ns3"), "pcap.h": ("pcap/read",), "pcap/pcap.h": ("pcap/read",)}
# Slow to compile: at most one .cc of core/linux each, and no header.
ONCE = ("CLI/", "toml", "spdlog/", "nlohmann/")

_INCLUDE = re.compile(r"^[ \t]*#[ \t]*include[ \t]*([<\"])([^>\"\n]+)[>\"]", re.MULTILINE)


def folder_rule(path: str) -> tuple[str, Rule] | None:
    parts = path.split("/")[:-1]
    while parts:
        name = "/".join(parts)
        if name in RULES:
            return name, RULES[name]
        parts.pop()
    return None


def _ours(path: str, target: str, rule: Rule, root: Path) -> str | None:
    if not (root / target).is_file():
        return f'"{target}" is not a path from the root'
    found = folder_rule(target)
    folder = found[0] if found else target.rpartition("/")[0]
    if "" in rule.ours or folder in rule.ours:
        return None
    return f"{folder_rule(path)[0]} may not include {folder} ({target})"  # type: ignore[index]


def _foreign(path: str, target: str, rule: Rule) -> str | None:
    for prefix, homes in CONFINED.items():
        if target.startswith(prefix):
            inside = any(path.startswith(home + "/") for home in homes)
            return None if inside else f"<{target}> only in {' and '.join(homes)}"
    if (path, target) in EXCEPTIONS:
        return None
    if "." not in target and "/" not in target:  # a standard C++ header
        refused = target not in rule.std if rule.std is not None else target in rule.not_std
        return f"<{target}> is not allowed here" if refused else None
    if any(target.startswith(prefix) for prefix in rule.foreign):
        return None
    return f"<{target}> is not allowed here: no system or library header"


def check(root: Path) -> Iterator[Finding]:
    once: dict[str, str] = {}
    for name, path in files(root, CPP):
        found = folder_rule(name)
        if found is None:
            yield Finding(name, 1, "no dependency rule for this folder: add one to tests/tidy/includes.py")
            continue
        text = path.read_text()
        visible = code_only(text)
        for match in _INCLUDE.finditer(text):
            if visible[match.start() : match.end()].strip()[:1] != "#":
                continue  # in a comment
            kind, target = match.groups()
            wrong = _ours(name, target, found[1], root) if kind == '"' else _foreign(name, target, found[1])
            if wrong:
                yield Finding(name, line_of(text, match.start()), wrong)
            for library in ONCE:
                if kind == "<" and target.startswith(library) and name.startswith("core/linux/"):
                    if name.endswith(".hh") or once.setdefault(library, name) != name:
                        what = f"<{target}> in one .cc only (slow to compile)"
                        yield Finding(name, line_of(text, match.start()), what)


if __name__ == "__main__":
    sys.exit(main(check, "forbidden includes"))
