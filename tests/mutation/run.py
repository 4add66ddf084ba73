#!/usr/bin/env python3
"""Rows of the table of TCP's rules, drawn by seed: each one's rule is removed, and a test that the row names must fail.

A mutation is one edit of one source file. That file alone is compiled again, and linked before the archives that
everything else comes from. A test fails by what it asserts: one that crashes or hangs has seen nothing of the rule,
unless the mutation says that this is what the rule prevents. One that misses nothing of its row is named there in vain.
Whatever is drawn, a row without a mutation and a mutation that does not fit the code fail the run.

    tests/mutation/run.py build/release [--seed N] [--rows N | --all | --rule TEXT]
"""
from __future__ import annotations

import argparse
import hashlib
import json
import re
import shlex
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(HERE.parent / "tidy"))

import conformance  # noqa: E402

SEED = 1  # the rows that ctest draws
ROWS = 20
TIMEOUT_S = 60  # a test that takes longer hangs

# How a test ends.
PASSES = "passes"
FAILS = "fails"  # by what it asserts
CRASHES = "crashes"  # by a signal or an exception
HANGS = "hangs"
KILLS = (FAILS, CRASHES, HANGS)

# What a Boost program reports of an assertion; of an exception that nobody caught it knows no place.
_ASSERTED = re.compile(rb"^(?!unknown location).*\berror: in ", re.MULTILINE)
_DIFFERS = re.compile(rb"^differs ", re.MULTILINE)


class Broken(Exception):
    """A mutation that cannot be carried out."""


@dataclass(frozen=True)
class Row:
    rule: str
    asks: str
    tests: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.rule}: {self.asks}"


@dataclass(frozen=True)
class Mutation:
    file: str
    edits: tuple[tuple[str, str], ...]  # old text, new text
    kills: str  # how a test shows that the rule is gone

    def applied(self) -> str:
        text = (ROOT / self.file).read_text()
        for old, new in self.edits:
            if text.count(old) != 1:
                raise Broken(f"{old!r} is in {self.file} {text.count(old)} times")
            text = text.replace(old, new)
        return text


def shown_rows() -> list[Row]:
    text = (ROOT / conformance.TABLE).read_text()
    out = []
    for _, (rule, asks, shown) in conformance.rows(text):
        if conformance.kind_of(shown) == conformance.SHOWN:
            out.append(Row(rule, asks, tuple(re.findall(r"`([^`]*)`", shown))))
    return out


def mutations() -> dict[tuple[str, str], list[Mutation]]:
    """Of each row; a rule of several parts has several."""
    out: dict[tuple[str, str], list[Mutation]] = {}
    for e in tomllib.loads((HERE / "mutations.toml").read_text())["mutation"]:
        kills = e.get("kills", FAILS)
        if kills not in KILLS:
            raise Broken(f"{e['rule']}: {e['asks']}: kills = {kills!r} is none of {', '.join(KILLS)}")
        out.setdefault((e["rule"], e["asks"]), []).append(Mutation(e["file"], edits(e["old"], e["new"]), kills))
    return out


def misfits(known: dict[tuple[str, str], list[Mutation]]) -> Iterator[str]:
    """What of the mutations the code has moved on from; compiling is left to those that are drawn."""
    for (rule, asks), several in known.items():
        for mutation in several:
            try:
                mutation.applied()
            except (Broken, OSError) as broken:
                yield f"{rule}: {asks}\n       BROKEN: {broken}"


def edits(old: str | list[str], new: str | list[str]) -> tuple[tuple[str, str], ...]:
    pairs = zip(old, new, strict=True) if isinstance(old, list) else [(old, new)]
    return tuple(pairs)


def draw(rows: list[Row], seed: int, count: int) -> list[Row]:
    """A row more or less elsewhere in the table moves at most one of those drawn."""
    def rank(row: Row) -> bytes:
        return hashlib.sha256(f"{seed}|{row.rule}|{row.asks}".encode()).digest()
    drawn = set(sorted(rows, key=rank)[:count])
    return [row for row in rows if row in drawn]


class Build:
    """A finished build tree: how one of its files is compiled, and one of its programs linked."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        self.commands = json.loads((self.folder / "compile_commands.json").read_text())

    @cache
    def program_of(self, suite: str) -> str:
        """The test program, as a target of the build, that this suite is in."""
        opening = re.compile(rf"\bBOOST_(?:AUTO|FIXTURE)_TEST_SUITE\(\s*{suite}\b")
        for command in self.commands:
            target = re.search(r"CMakeFiles/(test_\w+)\.dir/", command["command"])
            if target and opening.search(Path(command["file"]).read_text()):
                return f"tests/{target.group(1)}"
        raise Broken(f"no test program has the suite {suite}")

    @cache
    def link_of(self, program: str) -> list[str]:
        told = subprocess.run(["ninja", "-C", self.folder, "-t", "commands", program],
                              check=True, capture_output=True, text=True)
        last = told.stdout.splitlines()[-1]
        return shlex.split(last.removeprefix(": && ").removesuffix(" && :"))

    def compile(self, source: str, mutant: Path, out: Path) -> None:
        command = next((shlex.split(c["command"]) for c in self.commands
                        if c["file"] == str(ROOT / source) and "/dashi_core.dir/" in c["command"]), None)
        if command is None:
            raise Broken(f"{source} is not a source of the core")
        command[command.index("-o") + 1] = str(out)
        command[command.index("-c") + 1] = str(mutant)
        self._run([*command, "-O1", "-w"])

    def link(self, program: str, mutant: Path, out: Path) -> None:
        command = list(self.link_of(program))
        at = command.index("-o")
        command[at + 1] = str(out)
        command.insert(at, str(mutant))
        self._run(command)

    def _run(self, command: list[str]) -> None:
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True)
        if done.returncode != 0:
            raise Broken("it does not compile: " + " ".join(done.stderr.split())[:600])


def program_and_arguments(build: Build, test: str) -> tuple[str, list[str]]:
    if test.endswith(".pkt"):
        return "bin/dashi-lab", ["pkt", str(ROOT / test)]
    suite, case = test.split("/")
    return build.program_of(suite), [f"--run_test={suite}/{case}", "--catch_system_errors=no", "--color_output=no"]


def end_of(program: Path, arguments: list[str], folder: Path) -> str:
    try:
        done = subprocess.run([program, *arguments], cwd=folder, capture_output=True, timeout=TIMEOUT_S)
    except subprocess.TimeoutExpired:
        return HANGS
    if done.returncode == 0:
        return PASSES
    said = _DIFFERS if program.name == "dashi-lab" else _ASSERTED
    return FAILS if done.returncode > 0 and said.search(done.stdout + done.stderr) else CRASHES


def ends(build: Build, row: Row, mutation: Mutation) -> dict[str, str]:
    """How each test of the row ends without the rule."""
    text = mutation.applied()
    found = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        mutant = folder / Path(mutation.file).name
        mutant.write_text(text)
        build.compile(mutation.file, mutant, folder / "mutant.o")
        linked: set[str] = set()
        for test in row.tests:
            program, arguments = program_and_arguments(build, test)
            if end_of(build.folder / program, arguments, folder) != PASSES:
                raise Broken(f"{test} fails with the rule too")
            here = folder / Path(program).name
            if program not in linked:
                build.link(program, folder / "mutant.o", here)
                linked.add(program)
            found[test] = end_of(here, arguments, folder)
    return found


@dataclass(frozen=True)
class Verdict:
    good: bool
    what: str
    missed_by: frozenset[str] = frozenset()  # the tests that missed the rule, as it has to be missed


def judge(build: Build, row: Row, mutation: Mutation) -> Verdict:
    try:
        found = ends(build, row, mutation)
    except Broken as broken:
        return Verdict(False, f"BROKEN: {broken}")
    how = {FAILS: "killed by", CRASHES: "killed by a crash of", HANGS: "killed by a time-out of"}
    told = [f"{how[end]} {', '.join(t for t in found if found[t] == end)}"
            for end in KILLS if end in found.values()]
    missed_by = frozenset(test for test, end in found.items() if end == mutation.kills)
    if missed_by:
        return Verdict(True, "; ".join(told), missed_by)
    if told:
        return Verdict(False, f"NOT BY WHAT A TEST ASSERTS: {'; '.join(told)}")
    return Verdict(False, "SURVIVED " + ", ".join(row.tests))


def named_in_vain(row: Row, verdicts: list[Verdict]) -> list[str]:
    """Tests that miss nothing of the rule. Where a part of it survived, that has to be mended first."""
    if not all(verdict.good for verdict in verdicts):
        return []
    return [test for test in row.tests if not any(test in verdict.missed_by for verdict in verdicts)]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", type=Path)
    parser.add_argument("--seed", type=int, default=SEED)
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--rows", type=int, default=ROWS)
    which.add_argument("--all", action="store_true", help="every row")
    which.add_argument("--rule", help="the rows that begin so")
    options = parser.parse_args()
    known = mutations()
    rows = shown_rows()
    lost = sorted(set(known) - {(row.rule, row.asks) for row in rows})
    for rule, asks in lost:
        print(f"FAIL {rule}: {asks}\n       no row of the table that is shown by a test")
    without = [row for row in rows if (row.rule, row.asks) not in known]
    for row in without:
        print(f"FAIL {row}\n       no mutation is written for this row")
    unfit = list(misfits(known))
    for what in unfit:
        print(f"FAIL {what}")
    if options.all or options.rule:
        drawn = [row for row in rows if str(row).startswith(options.rule or "")]
    else:
        drawn = draw(rows, options.seed, options.rows)
    build = Build(options.build)
    tasks = [(row, mutation) for row in drawn for mutation in known.get((row.rule, row.asks), [])]
    with ThreadPoolExecutor(max_workers=2) as pool:
        verdicts = list(pool.map(lambda task: judge(build, *task), tasks))
    by_row: dict[Row, list[Verdict]] = {}
    for (row, _), verdict in zip(tasks, verdicts):
        by_row.setdefault(row, []).append(verdict)
        print(f"{'ok  ' if verdict.good else 'FAIL'} {row}\n       {verdict.what}")
    in_vain = {row: tests for row, several in by_row.items() if (tests := named_in_vain(row, several))}
    for row, tests in in_vain.items():
        print(f"FAIL {row}\n       NAMED IN VAIN {', '.join(tests)}")
    missed = [row for row, several in by_row.items() if all(verdict.good for verdict in several)]
    which_ones = "all" if options.all else options.rule or f"seed {options.seed}"
    print(f"{which_ones}: {len(missed)} of {len(drawn)} rules were missed when they were gone"
          f" ({len(known)} of {len(rows)} shown rows have mutations, {sum(map(len, known.values()))} together)")
    return 1 if len(missed) != len(drawn) or in_vain or lost or without or unfit else 0


if __name__ == "__main__":
    sys.exit(main())
