#!/usr/bin/env python3
"""run.py itself: what it makes of how a test ends, and which of that it takes for a rule that was missed."""
from __future__ import annotations

import tempfile
import unittest
from pathlib import Path
from unittest import mock

import run

ASSERTED = 'a_test.cc(7): error: in "suite/case": check 1 == 2 has failed'
REQUIRED = 'a_test.cc(7): fatal error: in "suite/case": critical check 1 == 2 has failed'
THROWN = 'unknown location(0): fatal error: in "suite/case": std::bad_alloc'


class Ends(unittest.TestCase):
    def end(self, script: str, program: str = "test_tcp") -> str:
        with tempfile.TemporaryDirectory() as name:
            path = Path(name) / program
            path.write_text(f"#!/bin/sh\n{script}\n")
            path.chmod(0o755)
            return run.end_of(path, [], Path(name))

    def test_one_that_passes(self) -> None:
        self.assertEqual(self.end("exit 0"), run.PASSES)

    def test_an_assertion(self) -> None:
        for said in (ASSERTED, REQUIRED):
            self.assertEqual(self.end(f"echo '{said}'; exit 201"), run.FAILS)

    def test_an_exception_that_nobody_caught(self) -> None:
        self.assertEqual(self.end(f"echo '{THROWN}'; exit 201"), run.CRASHES)

    def test_a_signal_even_after_an_assertion(self) -> None:
        self.assertEqual(self.end("kill -SEGV $$"), run.CRASHES)
        self.assertEqual(self.end(f"echo '{ASSERTED}'; kill -ABRT $$"), run.CRASHES)

    def test_a_script_that_differs_and_one_that_could_not_run(self) -> None:
        self.assertEqual(self.end("echo 'differs a.pkt:3: nothing came'; exit 1", "dashi-lab"), run.FAILS)
        self.assertEqual(self.end("exit 1", "dashi-lab"), run.CRASHES)

    def test_one_that_hangs(self) -> None:
        with mock.patch.object(run, "TIMEOUT_S", 0.1):
            self.assertEqual(self.end("exec sleep 60"), run.HANGS)


class Verdicts(unittest.TestCase):
    def verdict(self, kills: str, *ends: str) -> run.Verdict:
        found = {f"suite/{i}": end for i, end in enumerate(ends)}
        mutation = run.Mutation("core/tcp/seq.hh", (), kills)
        with mock.patch.object(run, "ends", return_value=found):
            return run.judge(mock.Mock(), run.Row("RFC 1", "one", tuple(found)), mutation)

    def test_one_assertion_is_enough(self) -> None:
        self.assertEqual(self.verdict(run.FAILS, run.PASSES, run.FAILS),
                         run.Verdict(True, "killed by suite/1", frozenset({"suite/1"})))
        self.assertTrue(self.verdict(run.FAILS, run.HANGS, run.FAILS).good)

    def test_a_rule_that_nobody_missed(self) -> None:
        self.assertEqual(self.verdict(run.FAILS, run.PASSES), run.Verdict(False, "SURVIVED suite/0"))

    def test_a_crash_or_a_hang_counts_only_where_it_is_what_the_rule_prevents(self) -> None:
        for end in (run.CRASHES, run.HANGS):
            self.assertFalse(self.verdict(run.FAILS, end, run.PASSES).good)
            self.assertTrue(self.verdict(end, end).good)
            self.assertFalse(self.verdict(end, run.FAILS).good)
        self.assertIn("a time-out of suite/0", self.verdict(run.FAILS, run.HANGS).what)

    def test_a_test_that_misses_no_part_of_the_rule_is_named_in_vain(self) -> None:
        row = run.Row("RFC 1", "one", ("suite/0", "suite/1", "suite/2"))
        parts = [self.verdict(run.FAILS, run.FAILS, run.PASSES, run.CRASHES),
                 self.verdict(run.FAILS, run.FAILS, run.FAILS, run.PASSES)]
        self.assertEqual(run.named_in_vain(row, parts), ["suite/2"])
        self.assertEqual(run.named_in_vain(row, [*parts, run.Verdict(False, "SURVIVED")]), [])


class Misfits(unittest.TestCase):
    def test_text_that_the_code_does_not_have_once(self) -> None:
        row = ("RFC 1", "one")
        there = run.Mutation("LICENSE", (("MIT License", ""),), run.FAILS)
        nowhere = run.Mutation("LICENSE", (("no such words", ""),), run.FAILS)
        self.assertEqual(list(run.misfits({row: [there]})), [])
        self.assertEqual(len(list(run.misfits({row: [there, nowhere]}))), 1)


if __name__ == "__main__":
    unittest.main()
