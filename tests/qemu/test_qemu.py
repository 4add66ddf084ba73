"""A virtual machine behind `dashi qemu`, and another after it."""
from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from guest import Guest
from lab import GATEWAY4, GUEST4, HERE, NET4, NET6, Dashi, Lab, eventually, in_url, need, sha256

need("dnsmasq", "ping")

CLIENT = f"{sys.executable} {HERE}/clients.py"
UNIX, TCP = "unix", "tcp"


class Machine:
    """dashi, and the guest behind it at the time."""

    def __init__(self, lab: Lab, kind: str) -> None:
        self.lab = lab
        socket = lab.folder / "qemu.socket"
        listen = f"unix:{socket}" if kind == UNIX else "tcp:127.0.0.1:7777"
        self.netdev = (f"addr.type=unix,addr.path={socket}" if kind == UNIX else
                       "addr.type=inet,addr.host=127.0.0.1,addr.port=7777")
        self.dashi: Dashi = lab.dashi("qemu", listen, "-p", "tcp:8005:5000", "-p", "tcp:8006:5001")
        self.guest: Guest | None = None

    def boot(self, mac: str) -> Guest:
        if self.guest is not None:
            self.guest.end()
        self.guest = Guest(self.lab, self.netdev, mac)
        return self.guest


@pytest.fixture(scope="module")
def files(lab: Lab) -> Path:
    """An HTTP server and a resolver in the internet."""
    root = lab.folder / "www"
    root.mkdir()
    lab.random_file("www/file", 3_000_000)
    for address in ("0.0.0.0", "::"):
        lab.start("internet", sys.executable, "-m", "http.server", "--bind", address, "8080" if ":" not in address
                  else "8086", "--directory", str(root))
    lab.start("internet", "dnsmasq", "--no-daemon", "--no-hosts", "--no-resolv", "--pid-file=",
              f"--host-record=www.example.test,{NET4},{NET6}", "--local=/example.test/")
    for port in (8080, 8086, 53):
        lab.wait_for_port("internet", "", port)
    return root


@pytest.fixture(scope="module", params=[UNIX, TCP])
def machine(lab: Lab, request: pytest.FixtureRequest) -> Iterator[Machine]:
    made = Machine(lab, request.param)
    made.boot("52:54:00:00:00:01").configure()
    yield made
    assert made.guest is not None
    made.guest.end()
    eventually("the guest's going is seen", lambda: "the guest disconnected" in made.dashi.output())
    made.dashi.finish()


def test_the_guest_configured_itself(machine: Machine) -> None:
    out = machine.guest.run("ip addr show dev eth0; ip route; ip -6 route; cat /etc/resolv.conf")
    assert f"inet {GUEST4}/24" in out
    assert "inet6 fd00:da51::" in out
    assert f"default via {GATEWAY4}" in out
    assert "default via fe80::" in out
    assert f"nameserver {GATEWAY4}" in out


def test_ping(machine: Machine) -> None:
    for target in (GATEWAY4, NET4):
        assert "1 packets received" in machine.guest.run(f"ping -c 1 -W 10 {target}")
    assert "1 packets received" in machine.guest.run(f"ping6 -c 1 -W 10 {NET6}")


@pytest.mark.parametrize(("server", "port"), [(NET4, 8080), (NET6, 8086)])
def test_wget_fetches_a_file_byte_for_byte(machine: Machine, files: Path, server: str, port: int) -> None:
    machine.guest.run(f"wget -q -O /tmp/file http://{in_url(server)}:{port}/file")
    assert machine.guest.sha256("/tmp/file") == sha256(files / "file")


@pytest.mark.parametrize("server", [NET4, NET6])
def test_nc_sends_a_file_and_gets_it_back_after_its_fin(machine: Machine, server: str) -> None:
    guest = machine.guest
    guest.run("dd if=/dev/urandom of=/tmp/sent bs=65536 count=16 2>/dev/null")
    guest.run(f"nc {server} 7000 < /tmp/sent > /tmp/back")
    assert guest.sha256("/tmp/sent") == guest.sha256("/tmp/back")


def test_nslookup(machine: Machine, files: Path) -> None:
    out = machine.guest.run("nslookup www.example.test")
    assert NET4 in out
    assert NET6 in out


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_a_forward_carries_both_directions(lab: Lab, machine: Machine, host: str) -> None:
    guest = machine.guest
    guest.background("nc -l -p 5000 -e cat")
    eventually("the guest listens", lambda: ":5000 " in guest.run("netstat -ltn"))
    lab.run("host", f"{CLIENT} we_close_first {host} 8005")


def test_what_the_guest_says_first_arrives_whole(lab: Lab, machine: Machine, files: Path) -> None:
    """The guest's end closes first: a file out by a forward."""
    guest = machine.guest
    guest.run("dd if=/dev/urandom of=/tmp/out bs=65536 count=8 2>/dev/null")
    guest.background("nc -l -p 5001 < /tmp/out")
    eventually("the guest listens", lambda: ":5001 " in guest.run("netstat -ltn"))
    got = lab.folder / "out"
    lab.run("host", f"{sys.executable} -c 'import socket,sys; sys.path.insert(0, \"{HERE}\"); "
                    "from clients import connect, read_all; "
                    f"open(\"{got}\", \"wb\").write(read_all(connect(\"127.0.0.1\", 8006)))'")
    assert sha256(got) == guest.sha256("/tmp/out")


def test_another_guest_takes_the_place_of_the_first(machine: Machine, files: Path) -> None:
    """A second QEMU with another MAC, on the same dashi."""
    before = machine.dashi.output().count("a guest connected")
    guest = machine.boot("52:54:00:00:00:02")
    assert machine.dashi.output().count("a guest connected") == before + 1
    guest.configure()
    test_ping(machine)
    test_wget_fetches_a_file_byte_for_byte(machine, files, NET4, 8080)
    test_a_forward_carries_both_directions(machine.lab, machine, "127.0.0.1")
