"""The experiment that the demo shows."""

from __future__ import annotations

import json
import os
import signal
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


@pytest.mark.parametrize(
    "option, value, said",
    [("--rate", "fast", "'fast' is not a rate"), ("--size", "0", "size=0"), ("--seed", "-1", "seed=-1"), ("--runs", "0", "at least 1")],
)
def test_a_wrong_value_is_told_in_one_line_and_exits_2(option: str, value: str, said: str) -> None:
    done = run(option, value)
    assert done.returncode == 2 and done.stdout == ""
    last = done.stderr.splitlines()[-1]
    assert said in last and last.startswith("wan_loss")


def test_a_folder_for_captures_that_cannot_be_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = run("--engine", "native", "--capture", str(tmp_path / "file"))
    assert done.returncode == 1 and done.stderr == f"wan_loss: {tmp_path / 'file'}: File exists\n"


@pytest.mark.parametrize("buffered", [True, False])
@pytest.mark.parametrize("options", [["--runs", "1"], ["--runs", "1", "--json"], ["--help"]])
def test_a_reader_that_went_away_ends_it_quietly_as_sigpipe_would(options: list[str], buffered: bool) -> None:
    reads, writes = os.pipe()
    os.close(reads)
    interpreter = [sys.executable] if buffered else [sys.executable, "-u"]
    command = [*interpreter, str(SCRIPT), "--size", "20KiB", "--engine", "native", *options]
    done = subprocess.run(command, stdout=writes, stderr=subprocess.PIPE, text=True)
    os.close(writes)
    assert (done.returncode, done.stderr) == (128 + signal.SIGPIPE, "")


def test_the_table_says_what_it_shows() -> None:
    done = run("--engine", "native", "--runs", "1")
    lines = done.stdout.splitlines()
    assert lines[0].startswith("A guest downloads 200KiB over a WAN of 20mbit")
    rows = [line for line in lines if line.lstrip().startswith(("5ms", "20ms", "50ms"))]
    assert len(rows) == 18 and all("|" in row for row in rows)


@pytest.mark.skipif("ns3" not in dashi.ENGINES, reason="built without ns-3")
def test_the_nat_stands_beside_the_direct_path_with_their_ratio() -> None:
    lines = run("--engine", "ns3", "--runs", "1").stdout.splitlines()
    assert any("through the NAT" in line and "directly" in line for line in lines)
    rows = [line.split("|") for line in lines if line.lstrip().startswith(("5ms", "20ms", "50ms"))]
    assert len(rows) == 18
    for _, nat, direct, ratio in rows:
        assert float(ratio) == pytest.approx(float(nat.split()[0]) / float(direct.split()[0]), abs=0.02)
