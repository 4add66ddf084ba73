"""dashi under a load it did not ask for: floods of every kind, an end in the middle of transfers."""
from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from lab import GATEWAY4, HERE, NET4, NET6, Dashi, Lab, eventually, need

need("ping", "dnsmasq")

CLIENT = f"{sys.executable} {HERE}/clients.py"
# Freed memory goes back at once, so that what grows is what is held.
THRIFTY = {"ASAN_OPTIONS": "quarantine_size_mb=0:thread_local_quarantine_size_kb=0"}
# The defaults of core/flow/limits.hh.
BOUNDS = {"tcp": 8192, "tcp-time-wait": 16384, "udp": 2048, "echo": 256, "dns": 256}


@pytest.fixture(scope="module")
def forwarding(lab: Lab) -> Iterator[Dashi]:
    """A guest that serves, with the host's ports for it; the last leads to none."""
    server = lab.start("server", sys.executable, str(HERE / "peers.py"), "::", "7000")
    lab.wait_for_port("server", "", 7006)
    with lab.attached("-p", "tcp:8000-8009:7000", guest="server") as dashi:
        yield dashi
    server.stop()


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


ENDS = """
import socket, sys
kind, address, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
for _ in range(10):
    socks = []
    for _ in range(100):
        sock = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
        sock.setblocking(False)
        sock.connect_ex((address, port))
        socks.append(sock)
    if kind == "left":  # before the connect was answered
        continue
    for sock in socks:
        sock.settimeout(20)
        try:
            sock.send(b"x")
            sock.recv(1)
        except OSError:
            pass
"""


@pytest.mark.parametrize(("place", "kind", "address", "port"), [
    ("server", "refused", NET4, 9), ("server", "refused", NET6, 9), ("server", "reset", NET4, 7005),
    ("server", "reset", NET6, 7005), ("server", "left", NET4, 7003),
    ("host", "reset", "127.0.0.1", 8005), ("host", "reset", "::1", 8005), ("host", "refused", "127.0.0.1", 8009),
    ("host", "left", "127.0.0.1", 8003)])
def test_a_thousand_connections_that_fail_leave_nothing_behind(lab: Lab, forwarding: Dashi, place: str, kind: str,
                                                               address: str, port: int) -> None:
    """Refused, reset, or left before they were open; of the guest's, and through forwards."""
    before = forwarding.descriptors()
    lab.run(place, f"{sys.executable} -c {shlex.quote(ENDS)} {kind} {address} {port}")
    eventually("no flow is left", lambda: forwarding.status()["tcp"] == 0)
    assert forwarding.descriptors() <= before


def test_a_thousand_connections_through_a_forward_leave_nothing_behind(lab: Lab, forwarding: Dashi) -> None:
    before = forwarding.descriptors()
    for address in ("127.0.0.1", "::1"):
        lab.run("host", f"{CLIENT} many {address} 8003 1000")
    eventually("no flow is left", lambda: forwarding.status()["tcp"] == 0)
    assert forwarding.descriptors() <= before


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
