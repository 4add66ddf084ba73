"""The Linux kernel as the guest: every play at once, behind the real `dashi`, both applications in this process.

Runs inside tests/linux/in_lab.sh. Writes what both ends saw as one line of JSON.
"""
from __future__ import annotations

import ctypes
import errno
import json
import os
import random
import select
import socket
import struct
import sys
import time
from dataclasses import asdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "linux"))
from lab import HOST4, HOST6, NET4, NET6, Lab, eventually, need  # noqa: E402

from scenarios import BEYOND_BUFFERS, PLAYS, End, EndSeen, Play, Seen  # noqa: E402

LATE = 0.5  # seconds of real time in which a late reader reads nothing
LIMIT = 60.0  # seconds until what has not ended is called open
BUFFER = 64 * 1024  # of late readers and of who sends to them
FIRST_PORT = 20_000
PIECE = 256 * 1024
CLONE_NEWNET = 0x40000000
TCP_CLOSE = 7  # of TCP_INFO: both FINs are acknowledged; also in TIME-WAIT
UP, DOWN = (random.Random(seed).randbytes(BEYOND_BUFFERS) for seed in (1, 2))


def enter(namespace: str) -> None:
    """Sockets made from now on are of that namespace, and stay so."""
    with open(f"/run/netns/{namespace}", "rb") as file:
        if ctypes.CDLL(None, use_errno=True).setns(file.fileno(), CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), f"setns {namespace}")


class Application:
    """One end of a play's connection; it moves when `step` is called."""

    def __init__(self, plan: End, peer: End, sends: bytes, expects: bytes) -> None:
        self.plan, self.sends, self.expects = plan, memoryview(sends)[:plan.sends], memoryview(expects)
        self.buffer = BUFFER if plan.late or peer.late else 0
        self.socket: socket.socket | None = None
        self.seen = EndSeen(0, True, "none")
        self.connected = self.eof = self.finished = self.over = False
        self.reads_from = 0.0  # when a late reader begins
        self.given = 0

    def prepare(self, sock: socket.socket) -> socket.socket:
        sock.setblocking(False)
        if self.buffer:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self.buffer)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, self.buffer)
        return sock

    def call(self, family: socket.AddressFamily, to: tuple[str, int]) -> None:
        self.socket = self.prepare(socket.socket(family))
        self.seen = EndSeen(0, True, "open")
        if self.socket.connect_ex(to) != errno.EINPROGRESS:
            self.end("failed")

    def accepted(self, sock: socket.socket) -> None:
        self.socket = self.prepare(sock)
        self.seen = EndSeen(0, True, "open")
        self.has_connected()

    def has_connected(self) -> None:
        self.connected = True
        self.reads_from = time.monotonic() + LATE if self.plan.late else 0.0

    def end(self, how: str) -> None:
        self.seen = EndSeen(self.seen.received, self.seen.right, how)
        self.over = True
        if self.socket:
            self.socket.close()
            self.socket = None

    def step(self) -> None:
        """Does what can be done now."""
        if self.over or self.socket is None:
            return
        try:
            error = self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if error:
                raise OSError(error, os.strerror(error))
            if not self.connected:
                self.socket.getpeername()  # ENOTCONN: not yet
                self.has_connected()
            if time.monotonic() >= self.reads_from:
                self.read()
            if self.socket is not None:
                self.write()
        except BlockingIOError:
            pass
        except OSError as failed:
            if failed.errno == errno.ENOTCONN and not self.connected:
                return
            self.end({errno.ECONNREFUSED: "refused", errno.ECONNRESET: "reset", errno.EPIPE: "reset"}
                     .get(failed.errno or 0, errno.errorcode[failed.errno or 0]))

    def read(self) -> None:
        assert self.socket is not None
        plan = self.plan
        while not self.eof:
            room = plan.aborts_at - self.seen.received if plan.aborts_at else PIECE
            if room == 0:
                self.abort()
                return
            try:
                data = self.socket.recv(room)
            except BlockingIOError:
                return
            at = self.seen.received
            right = self.seen.right and self.expects[at:at + len(data)] == data
            self.seen = EndSeen(at + len(data), right, "open")
            self.eof = not data

    def abort(self) -> None:
        assert self.socket is not None
        if self.plan.by_close:
            self.socket.recv(1, socket.MSG_PEEK)  # or later: it is to close over something unread
        else:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.end("aborted")

    def write(self) -> None:
        assert self.socket is not None
        if self.plan.answers and not self.eof:
            return
        while self.given < len(self.sends):
            self.given += self.socket.send(self.sends[self.given:self.given + PIECE])
        if not self.finished and (self.plan.finishes or self.eof):
            self.socket.shutdown(socket.SHUT_WR)
            self.finished = True
        if self.finished and self.eof and self.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] == TCP_CLOSE:
            self.end("eof")


class LinuxPlay:
    def __init__(self, play: Play, port: int) -> None:
        scenario = play.scenario
        self.play = play
        self.guest = Application(scenario.guest, scenario.server, UP, DOWN)
        self.server = Application(scenario.server, scenario.guest, DOWN, UP)
        self.held = False
        self.family = socket.AF_INET6 if play.ipv6 else socket.AF_INET
        self.port = port
        self.listener: socket.socket | None = None
        self.called = self.server if play.guest_calls else self.guest
        self.caller = self.guest if play.guest_calls else self.server

    def listen(self) -> None:
        if self.play.scenario.refused:
            return
        enter("internet" if self.play.guest_calls else "guest")
        self.listener = self.called.prepare(socket.socket(self.family))
        self.listener.bind(("::" if self.play.ipv6 else "0.0.0.0", self.port))
        self.listener.listen()

    def call(self) -> None:
        enter("guest" if self.play.guest_calls else "internet")
        v4, v6 = (NET4, NET6) if self.play.guest_calls else (HOST4, HOST6)
        self.caller.call(self.family, (v6 if self.play.ipv6 else v4, self.port))

    def step(self) -> bool:
        """False once nothing more happens."""
        if self.listener is not None:
            try:
                self.called.accepted(self.listener.accept()[0])
                self.listener.close()
                self.listener = None
            except BlockingIOError:
                pass
        for end, peer in ((self.guest, self.server), (self.server, self.guest)):
            before = end.seen.received
            end.step()
            if end.plan.late and before == 0 < end.seen.received:
                self.held = peer.given < len(peer.sends)
        return not (self.caller.over and (self.called.over or self.play.scenario.refused))


def perform(plays: list[LinuxPlay]) -> None:
    for play in plays:
        play.listen()
    for play in plays:
        play.call()
    deadline = time.monotonic() + LIMIT
    running = list(plays)
    while running and time.monotonic() < deadline:
        running = [play for play in running if play.step()]
        # Which of many sockets can move costs more to say than to try.
        select.select([], [], [], 0.002)


def main() -> None:
    need("ip", "ping")
    lab = Lab()
    try:
        last = FIRST_PORT + len(PLAYS) - 1
        forwards = [word for address in ("0.0.0.0", "[::]")
                    for word in ("-p", f"tcp:{address}:{FIRST_PORT}-{last}:{FIRST_PORT}")]
        with lab.attached(*forwards) as dashi:
            pings = " && ".join(f"ping -c 1 -W 1 {server}" for server in (NET4, NET6))
            eventually("the guest has its addresses, and the Nat knows them",
                       lambda: lab.run("guest", f"{pings} && echo both", check=False).endswith("both\n"))
            plays = [LinuxPlay(play, FIRST_PORT + i) for i, play in enumerate(PLAYS)]
            perform(plays)
            eventually("no TCP flow is left", lambda: dashi.status()["tcp"] == 0)
        seen = {p.play.name: asdict(Seen(p.guest.seen, p.server.seen, p.held)) for p in plays}
        print(json.dumps(seen))
    finally:
        lab.close()


if __name__ == "__main__":
    main()
