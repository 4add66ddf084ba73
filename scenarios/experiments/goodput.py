#!/usr/bin/env python3
"""How fast the NAT's own TCP sends to a guest over a link that loses frames, beside ns-3's TCP over such a link.

    ./dev py scenarios/experiments/goodput.py [--loss 0.01 ...] [--runs N] [--size 4MB]

The receiver is ns-3's TCP, with SACK and timestamps, everywhere. Through the NAT the guest's link is the bad one,
and all beyond it is near and perfect; directly, ns-3's TCP (SACK, PRR, ten segments at first; Reno as Linux has
it, and CUBIC, its own default) sends over a WAN of the same rate, delay, queue and loss. Both lose in both directions, by
the same model and seeds. One line a loss: the median of the goodputs of all seeds. ``goodput.md`` is what it prints.
"""

from __future__ import annotations

import argparse
import sys
from typing import Optional

import dashi

LOSSES = (0.001, 0.01, 0.03, 0.1)
DELAY = "10ms"  # one way: 20 ms there and back
RATE = "50mbit"
QUEUE = 100  # frames
SENDERS = ("NAT", "ns-3 Reno", "ns-3 CUBIC")
FAILED = "a transfer failed"


def goodput(sender: str, loss: float, size: str, seed: int) -> float:
    """Mbit/s of one download."""
    bad = dashi.Link(rate=RATE, delay=DELAY, loss=loss, queue=QUEUE)
    if sender == "NAT":
        near = dashi.Link(rate="1gbit", delay="10us")
        lab = dashi.Experiment(seed=seed, engine="ns3", guest_link=bad, wan=near)
    else:
        congestion = "cubic" if "CUBIC" in sender else "reno"
        lab = dashi.Experiment(seed=seed, engine="ns3", wan=bad, direct=True, congestion=congestion)
    with lab:
        if sender == "NAT":  # directly there is no ARP to wait for
            lab.ping(5, to="gateway", interval="50ms")
            lab.run()
        transfer = lab.download(size)
        lab.run()
        if lab.violations:
            sys.exit(f"{sender}, loss {loss:g}, seed {seed}: {'; '.join(lab.violations)}")
        if not transfer.ok:
            sys.exit(f"{sender}, loss {loss:g}, seed {seed}: {transfer.error or FAILED}")
        return transfer.goodput / 1e6


def line(loss: float, size: str, runs: int) -> str:
    """One row of the table."""
    medians = [dashi.Samples(goodput(s, loss, size, seed) for seed in range(1, runs + 1)).p50 for s in SENDERS]
    cells = [f"{median:.2f}" for median in medians]
    return f"| {loss:.1%} | {' | '.join(cells)} | {medians[0] / max(medians[1:]):.2f} |"


def arguments(argv: Optional[list[str]]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--loss", type=float, nargs="+", default=LOSSES, help="rows (default: 0.1, 1, 3 and 10 %%)")
    parser.add_argument("--runs", type=int, default=9, help="seeds a row, from 1 (default: %(default)s)")
    parser.add_argument("--size", default="4MB", help="of a download (default: %(default)s)")
    return parser.parse_args(argv)


def main(argv: Optional[list[str]] = None) -> int:
    a = arguments(argv)
    print(f"Mbit/s of {a.size}, the median of {a.runs} seeds; {RATE}, {DELAY} one way, a queue of {QUEUE} frames.\n")
    print(f"| loss | {' | '.join(SENDERS)} | NAT / the better |")
    print("| ---: | ---: | ---: | ---: | ---: |", flush=True)
    for loss in a.loss:
        print(line(loss, a.size, a.runs), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
