"""What a server sees of an upload when dashi ends: all of it and EOF, or a reset, never a part and EOF."""
from __future__ import annotations

import hashlib
import signal
import sys
import time
from pathlib import Path

import pytest
from lab import HERE, NET4, Lab, dashi_program, eventually
from peers import pattern

MUCH = 90_000_000  # more than the kernels on the way and dashi hold
HELD = 20_000      # less than dashi holds when its window has fallen to half of the first
PORT = 7200
# Sends until dashi holds some of it for the server that does not read, or as much as it is told, and a FIN;
# goes when its kernel had all acknowledged.
UPLOAD = f"""
import fcntl, socket, struct, sys, termios, time
sys.path.insert(0, {str(HERE)!r})
from peers import pattern
s = socket.create_connection(({NET4!r}, {PORT}))
def drained():
    while struct.unpack('i', fcntl.ioctl(s, termios.TIOCOUTQ, bytes(4)))[0]: time.sleep(0.001)
def window():  # tcpi_snd_wnd
    return struct.unpack_from('I', s.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 232), 228)[0]
size = int(sys.argv[1])
data = pattern(size or 8_000_000)
if size:
    s.sendall(data)
while not size or size < len(data):
    s.sendall(data[size:size + 8192])
    size += 8192
    drained()
    if window() < 32768: time.sleep(0.5)  # the server's side takes more for a while
    if window() < 32768: break
s.shutdown(socket.SHUT_WR)
drained()
print('acknowledged', size, flush=True)
"""


class SlowServer:
    def __init__(self, lab: Lab) -> None:
        name = f"slow-{len(lab.processes)}"
        self.go, self.out = lab.folder / f"{name}.go", lab.folder / f"{name}.out"
        self.process = lab.start("internet", sys.executable, str(HERE / "slow_server.py"), NET4, str(PORT),
                                 str(self.go), str(self.out))
        lab.wait_for_port("internet", NET4, PORT)

    def saw(self) -> list[str]:
        """sha256, size and end of what it got, once it is told to read."""
        self.go.touch()
        eventually("the server came to the end", self.out.exists)
        self.process.stop()
        return self.out.read_text().split()


def acknowledged(output: str) -> int:
    """How much a client had acknowledged, when it says so."""
    words = output.split()
    return int(words[words.index("acknowledged") + 1]) if "acknowledged" in words[:-1] else 0


def whole(size: int) -> list[str]:
    return [hashlib.sha256(pattern(size)).hexdigest(), str(size), "eof"]


def test_a_slow_server_gets_all_of_what_a_command_left(lab: Lab) -> None:
    server = SlowServer(lab)
    process = lab.start("host", dashi_program(), "run", "--", sys.executable, "-c", UPLOAD, "0")
    eventually("the upload is acknowledged", lambda: acknowledged(process.output()))
    time.sleep(4)  # longer than dashi waits for a server that has nothing to take
    assert process.popen.poll() is None
    assert server.saw() == whole(acknowledged(process.output()))
    assert process.popen.wait(timeout=30) == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_a_signal_ends_the_wait_for_a_slow_server_with_a_reset(lab: Lab, number: signal.Signals) -> None:
    server = SlowServer(lab)
    marker = lab.folder / f"ended-{number}"
    process = lab.start("host", dashi_program(), "run", "--", "sh", "-c",
                        f"{sys.executable} -c \"{UPLOAD}\" 0; touch {marker}")
    eventually("the command's work is done", marker.exists)
    pids = Path(f"/proc/{process.popen.pid}/task/{process.popen.pid}/children")
    eventually("the command ended", lambda: not pids.read_text().strip())
    status = process.stop(number)
    assert status == (0 if number != signal.SIGKILL else -signal.SIGKILL)
    _, size, end = server.saw()
    assert (int(size) < acknowledged(process.output()), end) == (True, "reset")


ATTACH = ("attach", "--netns", "/run/netns/guest", "--configure")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
@pytest.mark.parametrize("size", [0, MUCH])
def test_an_upload_that_is_cut_off_ends_in_a_reset(lab: Lab, number: signal.Signals, size: int) -> None:
    """With its FIN received but not all of it delivered, and in the middle of it."""
    server, dashi = SlowServer(lab), lab.dashi(*ATTACH)
    client = lab.start("guest", sys.executable, "-c", UPLOAD, str(size))
    if size == 0:
        eventually("the upload is acknowledged", lambda: acknowledged(client.output()))
        size = acknowledged(client.output())
    eventually("much is held", lambda: dashi.status()["tcp-held-bytes"] >= HELD)
    assert dashi.stop(number) == (0 if number == signal.SIGTERM else -number)
    _, taken, end = server.saw()
    assert (int(taken) < size, end) == (True, "reset")
    client.end()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_an_upload_that_is_complete_ends_in_eof(lab: Lab, number: signal.Signals) -> None:
    server, dashi = SlowServer(lab), lab.dashi(*ATTACH)
    client = lab.start("guest", sys.executable, "-c", UPLOAD, "100000")
    eventually("the upload is acknowledged", lambda: "acknowledged" in client.output())
    eventually("it was passed on", lambda: dashi.status()["tcp-held-bytes"] == 0)
    dashi.stop(number)
    assert server.saw() == whole(100_000)
    client.end()
