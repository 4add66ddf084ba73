#!/usr/bin/env python3
"""What loss on the WAN costs: a download through the NAT, and directly between the same hosts without it.

    ./dev py scenarios/experiments/wan_loss.py [--seed N] [--engine ns3|native] [--json] [--capture DIR]

One line a delay and loss: goodput and completion time, the median over `--runs` seeds. Two runs with one
seed print the same digest: 128 bits over every event of every world. With ns-3 its own TCP is at both ends; the native
engine's hosts have no congestion control (a loss is waited for, and slows nothing down), and there is no
direct way to compare with.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import signal
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
    """For people: one line a delay and loss, the NAT beside the direct path where there is one."""
    compared = any(r.path == "direct" for r in rows)
    head = f"{'one way':>7} {'loss':>6} | {'goodput':>8} {'median':>8} {'slowest':>8}"
    units = f"{'delay':>7} {'':>6} | {'Mbit/s':>8} {'seconds':>8} {'seconds':>8}"
    titles = f"{'':>14} | {'through the NAT':^26}"
    if compared:
        titles += f" | {'directly':^26} | NAT/direct"
        head += f" | {'goodput':>8} {'median':>8} {'slowest':>8} | goodput"
        units += f" | {'Mbit/s':>8} {'seconds':>8} {'seconds':>8} |"
    lines = [titles, head, units, "-" * max(len(titles), len(head))]
    direct = {(r.delay, r.loss): r for r in rows if r.path == "direct"}
    for r in rows:
        if r.path == "direct":
            continue
        line = f"{r.delay:>7} {r.loss:>6.1%} | {_figures(r)}"
        other = direct.get((r.delay, r.loss))
        if other is not None:
            ratio = f"{r.goodput_mbit / other.goodput_mbit:.2f}" if other.goodput_mbit else "-"
            line += f" | {_figures(other)} | {ratio:>7}"
        for path in (r, other):
            if path is not None and path.failed:
                line += f"  {path.failed} failed ({path.path})"
        lines.append(line)
    return "\n".join(lines)


def _figures(row: Row) -> str:
    return f"{row.goodput_mbit:>8.2f} {row.seconds:>8.3f} {row.slowest:>8.3f}"


def explanation(a: argparse.Namespace, compared: bool) -> str:
    """What the table shows, for who sees it for the first time."""
    seeds = f"seeds {a.seed} to {a.seed + a.runs - 1}" if a.runs > 1 else f"seed {a.seed}"
    text = (
        f"A guest downloads {a.size} over a WAN of {a.rate} that loses packets; engine {a.engine}.\n"
        f"Each line: {a.runs} download(s), {seeds}; goodput and median are of the middle one."
    )
    if compared:
        text += "\nDirectly: the same ns-3 hosts without guest and NAT. 1.00 in the last column: the NAT costs nothing."
    else:
        text += "\nThis engine's hosts have no congestion control: a loss is only waited for. For real TCP: --engine ns3."
    return text


def positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text}: at least 1")
    return value


def arguments(argv: Optional[list[str]]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=1, help="the first of the seeds (default: 1)")
    parser.add_argument("--runs", type=positive, default=3, help="seeds a row (default: 3)")
    parser.add_argument("--engine", choices=dashi.ENGINES, default=dashi.ENGINES[-1], help="default: %(default)s")
    parser.add_argument("--size", default="1MB", help="of the download (default: 1MB)")
    parser.add_argument("--rate", default="20mbit", help="of the WAN (default: 20mbit)")
    parser.add_argument("--json", action="store_true", help="rows and digest as JSON")
    parser.add_argument("--capture", type=Path, metavar="DIR", help="a pcapng file a row, of its first seed")
    return parser.parse_args(argv)


def main(argv: Optional[list[str]] = None) -> int:
    a = arguments(argv)
    try:
        if a.capture:
            a.capture.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        print(f"wan_loss: {error.filename}: {error.strerror}", file=sys.stderr)
        return 1
    digests = Digests()
    paths = (False, True) if a.engine == "ns3" else (False,)
    try:
        rows = [
            measure(a, delay, loss, direct, digests) for delay in DELAYS for loss in LOSSES for direct in paths
        ]
    except dashi.DashiError as error:
        print(f"wan_loss: {error}", file=sys.stderr)
        return 2 if isinstance(error, dashi.ConfigError) else 1
    if a.json:
        print(json.dumps({"seed": a.seed, "engine": a.engine, "digest": digests.value(), "rows": [asdict(r) for r in rows]}, indent=1))
    else:
        print(explanation(a, len(paths) > 1) + "\n")
        print(table(rows))
        print(f"\ndigest {digests.value()}")
    return 0


def run() -> int:
    """`main` as a command: who stops reading (``| head``) ends it quietly, by the status of SIGPIPE."""
    try:
        try:
            return main()
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is left cannot be flushed
        return 128 + signal.SIGPIPE


if __name__ == "__main__":
    sys.exit(run())
