#!/usr/bin/env python3
"""What loss on the WAN costs: a download through the NAT, and directly between the same hosts without it.

    ./dev py scenarios/experiments/wan_loss.py [--seed N] [--engine ns3|native] [--json] [--capture DIR]

One row a delay and loss: goodput and completion time, the median over `--runs` seeds. Two runs with one
seed print the same digest. With ns-3 its own TCP is at both ends; the native engine's hosts have no
congestion control (their loss is delay), and there is no direct way to compare with.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Optional

import dashi

LOSSES = (0.0, 0.001, 0.005, 0.01, 0.02, 0.05)
DELAYS = ("5ms", "20ms", "50ms")


@dataclass
class Row:
    """One path over all seeds; medians."""

    delay: str
    loss: float
    path: str
    goodput_mbit: float
    seconds: float
    slowest: float
    failed: int


class Digests:
    """One digest over those of all worlds, in their order."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()

    def add(self, digest: str) -> None:
        self._hash.update(digest.encode())

    def value(self) -> str:
        return self._hash.hexdigest()[:32]


def measure(a: argparse.Namespace, delay: str, loss: float, direct: bool, digests: Digests) -> Row:
    """One row of the table."""
    transfers = []
    path = "direct" if direct else "NAT"
    for run in range(a.runs):
        wan = dashi.Link(rate=a.rate, delay=delay, loss=loss)
        with dashi.Experiment(seed=a.seed + run, engine=a.engine, wan=wan, direct=direct) as lab:
            if a.capture and run == 0:
                lab.capture(a.capture / f"{path.lower()}-{delay}-{loss:g}.pcapng")
            transfers.append(lab.download(a.size))
            lab.run()
            digests.add(lab.digest)
            if lab.violations:
                sys.exit(f"seed {a.seed + run}: {'; '.join(lab.violations)}")
    good = [t for t in transfers if t.ok]
    goodput = dashi.Samples(t.goodput for t in good)
    seconds = dashi.Samples(t.completion_time for t in good)
    return Row(delay, loss, path, goodput.p50 / 1e6, seconds.p50, seconds.percentile(100), len(transfers) - len(good))


def table(rows: list[Row]) -> str:
    """For people."""
    lines = [f"{'delay':>6} {'loss':>6}  {'path':<6} {'Mbit/s':>8} {'median s':>9} {'slowest s':>9}  vs direct"]
    direct = {(r.delay, r.loss): r for r in rows if r.path == "direct"}
    for r in rows:
        other: Optional[Row] = direct.get((r.delay, r.loss)) if r.path == "NAT" else None
        ratio = f"{r.goodput_mbit / other.goodput_mbit:9.2f}" if other and other.goodput_mbit else ""
        failed = f"  {r.failed} failed" if r.failed else ""
        lines.append(
            f"{r.delay:>6} {r.loss:>6.1%}  {r.path:<6} {r.goodput_mbit:>8.2f} {r.seconds:>9.3f} {r.slowest:>9.3f}  {ratio}{failed}"
        )
    return "\n".join(lines)


def arguments(argv: Optional[list[str]]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=1, help="the first of the seeds (default: 1)")
    parser.add_argument("--runs", type=int, default=3, help="seeds a row (default: 3)")
    parser.add_argument("--engine", choices=dashi.ENGINES, default=dashi.ENGINES[-1], help="default: %(default)s")
    parser.add_argument("--size", default="1MB", help="of the download (default: 1MB)")
    parser.add_argument("--rate", default="20mbit", help="of the WAN (default: 20mbit)")
    parser.add_argument("--json", action="store_true", help="rows and digest as JSON")
    parser.add_argument("--capture", type=Path, metavar="DIR", help="a pcapng file a row, of its first seed")
    return parser.parse_args(argv)


def main(argv: Optional[list[str]] = None) -> int:
    a = arguments(argv)
    if a.capture:
        a.capture.mkdir(parents=True, exist_ok=True)
    digests = Digests()
    paths = (False, True) if a.engine == "ns3" else (False,)
    try:
        rows = [
            measure(a, delay, loss, direct, digests) for delay in DELAYS for loss in LOSSES for direct in paths
        ]
    except dashi.DashiError as error:
        print(f"wan_loss: {error}", file=sys.stderr)
        return 1
    if a.json:
        print(json.dumps({"seed": a.seed, "engine": a.engine, "digest": digests.value(), "rows": [asdict(r) for r in rows]}, indent=1))
    else:
        print(f"{a.size} download, WAN of {a.rate}, engine {a.engine}, seeds {a.seed} to {a.seed + a.runs - 1}\n")
        print(table(rows))
        print(f"\ndigest {digests.value()}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
