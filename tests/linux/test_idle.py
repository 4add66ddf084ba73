"""A dashi that can do nothing waits: whatever it is blocked on, it uses no processor meanwhile."""
from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from lab import GUEST4, HERE, NET4, NET6, Dashi, Lab, eventually, need
from test_stream import Peer, echo_request, framed

need("ping")

CLIENT = f"{sys.executable} {HERE}/clients.py"
TICKS = os.sysconf("SC_CLK_TCK")


def worked(process: Dashi) -> int:
    """Ticks of processor time."""
    fields = Path(f"/proc/{process.popen.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return int(fields[11]) + int(fields[12])


def rests(process: Dashi) -> None:
    """It comes to rest: in some second from now on it uses less than a fifth of one. One that spins never does."""
    def a_quiet_second() -> bool:
        before = worked(process)
        time.sleep(1)
        return worked(process) - before < TICKS / 5

    eventually("dashi rests", a_quiet_second, 15)


@pytest.fixture(params=["kernel", "ring"])
def attached(lab: Lab, request: pytest.FixtureRequest) -> Iterator[Dashi]:
    environment = {"DASHI_TEST_PEEK_RING": "1"} if request.param == "ring" else {}
    with lab.attached("-p", "tcp:0.0.0.0:9000:7000", "-p", "udp:0.0.0.0:9004:7004", **environment) as dashi:
        yield dashi


@pytest.fixture(scope="module")
def idlers(lab: Lab) -> None:
    """TCP 7500 sends for ever and never reads; 7501 accepts and does nothing; 7502 says FIN and holds on."""
    lab.start("internet", sys.executable, "-c", """
import asyncio, socket
async def send(reader, writer):
    while True:
        writer.write(bytes(65536))
        await writer.drain()
async def hold(reader, writer):
    writer.transport.pause_reading()
    await asyncio.Event().wait()
async def finish(reader, writer):
    writer.write_eof()
    writer.transport.pause_reading()
    await asyncio.Event().wait()
async def main():
    for port, serve in ((7500, send), (7501, hold), (7502, finish)):
        sock = socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True)
        await asyncio.start_server(serve, sock=sock)
    await asyncio.Event().wait()
asyncio.run(main())""")
    lab.wait_for_port("internet", "", 7502)


def guest_that(lab: Lab, does: str, port: int) -> None:
    """A guest's program with connections to both families, once it did what it does."""
    program = lab.start("guest", sys.executable, "-c", f"""
import socket, time
socks = [socket.create_connection((a, {port})) for a in ({NET4!r}, {NET6!r})]
for s in socks:
    s.setblocking(False)
    {does}
print('done', flush=True)
time.sleep(1000)""")
    eventually("the guest is ready", lambda: "done" in program.output())


@pytest.mark.parametrize(("does", "port"), [
    ("pass", 7500), ("pass", 7501), ("pass", 7502),
    ("s.shutdown(socket.SHUT_WR)", 7500), ("s.shutdown(socket.SHUT_WR)", 7501),
    ("s.setblocking(True); s.settimeout(1)\\n    try:\\n        while True: s.sendall(bytes(65536))\\n"
     "    except TimeoutError: pass".replace("\\n", "\n"), 7501)])
def test_connections_that_stand_still(lab: Lab, attached: Dashi, idlers: None, does: str, port: int) -> None:
    """The guest does not read, or the server does not, or one half is closed and nothing follows."""
    guest_that(lab, does, port)
    assert attached.status()["tcp"] >= 2
    rests(attached)
    lab.processes[-1].end()


def test_an_interface_that_is_down(lab: Lab, attached: Dashi, idlers: None) -> None:
    """The TAP takes no frame, with data for the guest at hand."""
    guest_that(lab, "pass", 7500)
    lab.run("guest", "ip link set dashi0 down")
    lab.run("internet", f"{CLIENT} answer_from_elsewhere 198.51.100.2 9004")
    rests(attached)
    lab.run("guest", "ip link set dashi0 up && ip route replace default via 10.0.0.1")
    assert "1 received" in lab.run("guest", f"ping -c 1 -W 5 {NET4}")
    lab.processes[-1].end()


def test_a_guest_that_is_not_there(lab: Lab, attached: Dashi) -> None:
    """Forwards to a guest whose addresses are gone."""
    lab.run("guest", f"ip addr del {GUEST4}/24 dev dashi0")
    client = lab.start("internet", sys.executable, "-c",
                       "import socket; s = socket.create_connection(('198.51.100.2', 9000)); s.sendall(b'x' * 100000); s.recv(1)")
    eventually("the flow is there", lambda: attached.status()["tcp"] >= 1)
    rests(attached)
    client.end()


def test_want_of_descriptors(lab: Lab) -> None:
    """More clients than descriptors: those beyond wait or are refused, and then it works again."""
    with lab.attached("-p", "tcp:0.0.0.0:9000:7003", guest="server",
                      wrapper=("prlimit", "--nofile=40:40")) as dashi:
        server = lab.start("server", sys.executable, str(HERE / "peers.py"), "::", "7000")
        lab.wait_for_port("server", "", 7006)
        client = lab.start("internet", sys.executable, "-c", """
import socket, time
socks = [socket.create_connection(('198.51.100.2', 9000)) for _ in range(60)]
print('done', flush=True)
time.sleep(1000)""")
        eventually("the clients are there", lambda: "done" in client.output())
        rests(dashi)
        client.end()
        eventually("they are gone", lambda: dashi.status()["tcp"] == 0)
        assert "10.0.0.1" in lab.run("host", f"{CLIENT} who 127.0.0.1 9000")
        server.end()


def test_a_virtual_machine_that_does_not_read(lab: Lab) -> None:
    path = lab.folder / "idle.socket"
    dashi = lab.dashi("qemu", f"unix:{path}", "-p", "udp:0.0.0.0:9004:7004")
    rests(dashi)
    peer = Peer(path)
    peer.is_served()
    for number in range(5000):
        peer.send(framed(echo_request(number)))
    for _ in range(3):
        lab.run("internet", f"{CLIENT} answer_from_elsewhere 198.51.100.2 9004")
    rests(dashi)
    peer.sock.close()
    rests(dashi)
    dashi.finish()


def test_a_command_without_its_interface(lab: Lab) -> None:
    dashi = lab.dashi("run", "--", "sh", "-c", "ip link del dashi0; exec sleep 1000")
    eventually("the interface is gone", lambda: "interface is gone" in dashi.output())
    rests(dashi)
    assert dashi.stop(signal.SIGTERM) == 143
