"""`dashi qemu` and guests that do not keep to the protocol of the stream; the frames are made here."""
from __future__ import annotations

import re
import socket
import struct
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from lab import GATEWAY4, GUEST4, NET4, WAIT, Dashi, Lab, eventually, sh

MAC = bytes.fromhex("525400000001")
WHO_HAS = (b"\xff" * 6 + MAC + struct.pack(">HHHBBH", 0x0806, 1, 0x0800, 6, 4, 1) + MAC +
           socket.inet_aton(GUEST4) + bytes(6) + socket.inet_aton(GATEWAY4))
LONGEST = 65535 + 14 + 4  # an IP packet, Ethernet, a VLAN tag


def framed(frame: bytes) -> bytes:
    return struct.pack(">I", len(frame)) + frame


class Peer:
    """A guest's end of the stream."""

    def __init__(self, path: Path) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(WAIT)
        self.sock.connect(str(path))

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def _exactly(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            chunk = self.sock.recv(count - len(data))
            if not chunk:
                raise EOFError
            data += chunk
        return data

    def frame(self) -> bytes:
        return self._exactly(*struct.unpack(">I", self._exactly(4)))

    def is_served(self) -> None:
        """The gateway answers who it is."""
        self.send(framed(WHO_HAS))
        while True:
            frame = self.frame()
            if frame[12:14] == b"\x08\x06" and frame[20:22] == b"\x00\x02":
                assert frame[28:32] == socket.inet_aton(GATEWAY4)
                return

    def is_cut_off(self) -> None:
        try:
            while True:
                self.frame()
        except (EOFError, ConnectionResetError):
            pass


@pytest.fixture(scope="module")
def path(lab: Lab) -> Path:
    return lab.folder / "stream.socket"


@pytest.fixture(scope="module")
def dashi(lab: Lab, path: Path) -> Iterator[Dashi]:
    process = lab.dashi("qemu", f"unix:{path}")
    yield process
    process.finish()
    assert not path.exists()


@pytest.fixture
def peer(dashi: Dashi, path: Path) -> Iterator[Peer]:
    made = Peer(path)
    made.is_served()
    yield made
    gone = dashi.output().count("the guest disconnected")
    made.sock.close()
    eventually("its going is seen", lambda: dashi.output().count("the guest disconnected") >= gone)


def test_lengths_and_frames_may_come_in_pieces(peer: Peer) -> None:
    whole = framed(WHO_HAS)
    for cut in (1, 2, 3, 4, 5, 40):
        peer.send(whole[:cut])
        peer.send(whole[cut:])
        peer.is_served()
    for byte in framed(WHO_HAS):
        peer.send(bytes([byte]))
    peer.is_served()


def test_frames_of_no_or_few_bytes_are_dropped_and_the_stream_goes_on(dashi: Dashi, peer: Peer) -> None:
    peer.send(b"".join(framed(bytes(size)) for size in range(14)) + framed(b"") * 5000)
    peer.is_served()
    drops = sum(value for name, value in dashi.status().items() if name.startswith("drop"))
    assert drops >= 5014


def test_the_longest_frame_is_taken_and_a_longer_one_ends_the_guest(dashi: Dashi, peer: Peer, path: Path) -> None:
    peer.send(framed(bytes(LONGEST)))
    peer.is_served()
    peer.send(struct.pack(">I", LONGEST + 1) + bytes(100))
    peer.is_cut_off()
    after = Peer(path)
    after.is_served()
    after.send(b"\xff" * 8)
    after.is_cut_off()


@pytest.mark.parametrize("left", [framed(WHO_HAS)[:2], framed(WHO_HAS)[:30], framed(bytes(60000))[:-1]])
def test_a_guest_that_goes_in_the_middle_of_a_frame_leaves_nothing_to_the_next(peer: Peer, path: Path,
                                                                               left: bytes) -> None:
    peer.send(left)
    peer.sock.close()
    following = Peer(path)
    following.is_served()
    following.sock.close()


def test_a_second_guest_waits_until_the_first_is_gone(dashi: Dashi, peer: Peer, path: Path) -> None:
    second = Peer(path)
    second.send(framed(WHO_HAS))
    peer.is_served()
    second.sock.settimeout(0.3)
    with pytest.raises(TimeoutError):
        second.frame()
    second.sock.settimeout(WAIT)
    peer.is_served()
    peer.sock.close()
    second.is_served()
    second.sock.close()


def echo_request(number: int) -> bytes:
    body = struct.pack(">BBHHH", 8, 0, 0, 77, number) + bytes(1000)
    body = body[:2] + struct.pack(">H", checksum(body)) + body[4:]
    header = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(body), number, 0, 64, 1, 0,
                         socket.inet_aton(GUEST4), socket.inet_aton(GATEWAY4))
    header = header[:10] + struct.pack(">H", checksum(header)) + header[12:]
    return bytes.fromhex("52550a000001") + MAC + b"\x08\x00" + header + body


def checksum(data: bytes) -> int:
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def resident(process: Dashi) -> int:
    """Bytes of memory."""
    return int(Path(f"/proc/{process.popen.pid}/statm").read_text().split()[1]) * 4096


def test_a_guest_that_sends_and_never_reads_costs_bounded_memory(dashi: Dashi, peer: Peer, path: Path) -> None:
    """What it is owed waits in a queue of fixed size; then it is lost, as on a wire."""
    requests = b"".join(framed(echo_request(n)) for n in range(500))

    def flood() -> int:
        for _ in range(20):
            peer.send(requests)
        return resident(dashi)

    before = flood()
    assert flood() - before < 16 << 20
    peer.sock.close()
    following = Peer(path)
    following.is_served()
    following.sock.close()
    assert "1 received" in sh(f"ip netns exec host ping -c 1 -W 5 {NET4}")


def test_sigterm_in_the_middle_of_a_flood_ends_dashi_cleanly(lab: Lab) -> None:
    path = lab.folder / "flooded.socket"
    process = lab.dashi("qemu", f"unix:{path}")
    peer = Peer(path)
    peer.is_served()
    requests = b"".join(framed(echo_request(n)) for n in range(500))
    try:
        for turn in range(1_000_000):
            peer.send(requests)
            if turn == 5:
                process.popen.terminate()
    except (BrokenPipeError, ConnectionResetError):
        pass
    assert process.popen.wait(timeout=WAIT) == 0, process.output()


def test_a_tcp_guest_that_goes_without_a_word_is_noticed(lab: Lab) -> None:
    """It is asked whether it is there, in seconds, so that the next need not wait."""
    process = lab.dashi("qemu", "tcp:127.0.0.1:4040")
    guest = lab.start("host", sys.executable, "-c",
                      "import socket,time; s = socket.create_connection(('127.0.0.1', 4040)); time.sleep(1000)")
    eventually("it is watched", lambda: re.search(r"timer:\(keepalive,(10|\d\.?\d*|\d+ms)(sec|,)", lab.run(
        "host", "ss -Htno state established '( sport = 4040 )'")))
    guest.end()
    process.finish()
