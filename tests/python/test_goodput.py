"""The experiment that compares the NAT's TCP with ns-3's."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import dashi
import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "scenarios" / "experiments" / "goodput.py"
pytestmark = pytest.mark.skipif("ns3" not in dashi.ENGINES, reason="built without ns-3")


def row(*arguments: str) -> str:
    done = subprocess.run([sys.executable, str(SCRIPT), *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-1]


def test_a_row_names_every_sender_and_repeats() -> None:
    first = row("--loss", "0.03", "--runs", "1", "--size", "500KB")
    assert first == row("--loss", "0.03", "--runs", "1", "--size", "500KB")
    loss, *figures = [cell.strip() for cell in first.strip("|").split("|")]
    assert loss == "3.0%" and all(float(figure) > 0 for figure in figures) and len(figures) == 4


def test_congestion_control_is_one_of_two_and_ns3s() -> None:
    with pytest.raises(dashi.ConfigError, match="congestion"):
        dashi.Experiment(engine="ns3", congestion="vegas")
    with pytest.raises(dashi.ConfigError, match="congestion"):
        dashi.Experiment(engine="native", congestion="cubic")
