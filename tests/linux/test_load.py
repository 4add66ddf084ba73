"""dashi under a load it did not ask for: floods of every kind, an end in the middle of transfers."""
from __future__ import annotations

import sys
from pathlib import Path

import pytest
from lab import GATEWAY4, HERE, NET4, NET6, Dashi, Lab, eventually, need

need("ping", "dnsmasq")

CLIENT = f"{sys.executable} {HERE}/clients.py"
# Freed memory goes back at once, so that what grows is what is held.
THRIFTY = {"ASAN_OPTIONS": "quarantine_size_mb=0:thread_local_quarantine_size_kb=0"}
# core/flow/limits.hh: what design.md section 11 states.
BOUNDS = {"tcp": 8192, "tcp-time-wait": 16384, "udp": 2048, "echo": 256, "dns": 256}


def resident(process: Dashi) -> int:
    """Bytes of memory."""
    return int(Path(f"/proc/{process.popen.pid}/statm").read_text().split()[1]) * 4096


def flood(lab: Lab, seed: int, frames: int) -> None:
    assert f"sent {frames}" in lab.run("guest", f"{sys.executable} {HERE}/flood.py dashi0 {seed} {frames}")


def test_a_flood_is_bounded_and_survived(lab: Lab) -> None:
    """Every table stays within its bound, memory stops growing, and afterwards the guest is served."""
    names = lab.start("internet", "dnsmasq", "--no-daemon", "--no-hosts", "--no-resolv", "--pid-file=",
                      "--address=/example.test/192.0.2.1")
    lab.wait_for_port("internet", "", 53)
    with lab.attached(**THRIFTY) as dashi:
        lab.run("guest", f"ping -c 1 -W 5 {GATEWAY4}")
        flood(lab, 1, 40_000)
        before = resident(dashi)
        for seed in (2, 3):
            flood(lab, seed, 40_000)
            status = dashi.status()
            assert all(status[name] <= bound for name, bound in BOUNDS.items()), status
        assert status["udp"] > 1000  # it did come through
        assert resident(dashi) - before < 16 << 20
        eventually("echo is served again", lambda: "1 received" in lab.run(
            "guest", f"ping -c 1 -W 1 {GATEWAY4}", check=False))
        eventually("TCP is served again", lambda: "127" not in lab.run(
            "guest", f"{CLIENT} who {NET4} 7003 2>/dev/null || echo 127", check=False))
    names.stop()


@pytest.mark.parametrize("ring", ["", "1"])
def test_sigterm_in_the_middle_of_transfers_ends_dashi_cleanly(lab: Lab, ring: str) -> None:
    """In both directions and families; nothing hangs, nothing leaks, and the interface goes too."""
    environment = {"DASHI_TEST_PEEK_RING": "1"} if ring else {}
    dashi = lab.dashi("attach", "--netns", "/run/netns/guest", "--configure", **environment)
    busy = [lab.start("guest", "sh", "-c", f"while {CLIENT} {verb} {server} {port}; do :; done")
            for server in (NET4, NET6) for verb, port in
            (("we_close_first", 7000), ("they_close_first", 7001), ("udp", 7004))]
    eventually("data flows", lambda: dashi.status()["tcp"] >= 2)
    assert dashi.stop() == 0, dashi.output()
    for process in busy:
        process.stop()
    eventually("the interface is gone", lambda: "dashi0" not in lab.run("guest", "ip link"))
