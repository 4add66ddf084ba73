"""The experiment that the demo shows."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import dashi
import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "scenarios" / "experiments" / "wan_loss.py"


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, str(SCRIPT), "--size", "200KiB", *arguments], capture_output=True, text=True)


@pytest.mark.parametrize("engine", dashi.ENGINES)
def test_two_runs_of_one_seed_print_the_same(engine: str) -> None:
    first, second, other = (run("--engine", engine, "--runs", "1", "--seed", s) for s in ("4", "4", "5"))
    assert first.returncode == 0, first.stderr
    assert first.stdout == second.stdout
    assert first.stdout.splitlines()[-1].startswith("digest ")
    assert first.stdout.splitlines()[-1] != other.stdout.splitlines()[-1]


@pytest.mark.skipif("ns3" not in dashi.ENGINES, reason="built without ns-3")
def test_json_holds_every_path_and_loss_slows_it() -> None:
    done = run("--engine", "ns3", "--runs", "1", "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    rows = {(r["delay"], r["loss"], r["path"]): r for r in report["rows"]}
    assert len(rows) == 3 * 6 * 2 and all(r["failed"] == 0 for r in rows.values())
    assert len(report["digest"]) == 32 and report["seed"] == 1
    assert rows["20ms", 0.05, "NAT"]["goodput_mbit"] < rows["20ms", 0.0, "NAT"]["goodput_mbit"]


def test_captures_are_one_a_row(tmp_path: Path) -> None:
    done = run("--engine", "native", "--runs", "1", "--capture", str(tmp_path))
    assert done.returncode == 0, done.stderr
    files = sorted(p.name for p in tmp_path.iterdir())
    assert len(files) == 18 and "nat-20ms-0.05.pcapng" in files
    assert all(p.stat().st_size > 10_000 for p in tmp_path.iterdir())


def test_a_wrong_value_is_one_line() -> None:
    done = run("--rate", "fast")
    assert done.returncode == 1 and done.stdout == ""
    assert done.stderr.startswith("wan_loss: 'fast' is not a rate") and done.stderr.count("\n") == 1
