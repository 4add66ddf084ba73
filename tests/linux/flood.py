"""A guest gone mad: flood.py DEVICE SEED FRAMES sends frames of every kind as fast as it can, by a raw socket."""
from __future__ import annotations

import random
import socket
import struct
import sys

from lab import GATEWAY4, GUEST4, NET4

NOBODY4 = "198.51.100.77"  # of the internet's link, but nobody's: connects stay pending
NOWHERE4 = "203.0.113.200"
ETH_P_ALL = 3


def checksum(data: bytes) -> int:
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def ipv4(protocol: int, target: str, payload: bytes, fragment: int) -> bytes:
    header = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(payload), fragment & 0xffff, fragment >> 16, 64, protocol, 0,
                         socket.inet_aton(GUEST4), socket.inet_aton(target))
    return header[:10] + struct.pack(">H", checksum(header)) + header[12:] + payload


def with_checksum(protocol: int, target: str, segment: bytes, at: int) -> bytes:
    pseudo = socket.inet_aton(GUEST4) + socket.inet_aton(target) + struct.pack(">BBH", 0, protocol, len(segment))
    value = checksum((b"" if protocol == 1 else pseudo) + segment)
    return segment[:at] + struct.pack(">H", value) + segment[at + 2:]


class Flood:
    def __init__(self, mac: bytes, seed: int) -> None:
        self.random = random.Random(seed)
        self.ethernet = bytes.fromhex("52550a000001") + mac + b"\x08\x00"

    def port(self) -> int:
        return self.random.randrange(1, 65536)

    def target(self) -> str:
        return self.random.choice([NET4, NOBODY4, NOWHERE4, GATEWAY4])

    def syn(self) -> bytes:
        target = self.target()
        segment = struct.pack(">HHIIBBHHH", self.port(), self.port(), self.random.getrandbits(32), 0, 5 << 4, 2,
                              65535, 0, 0)
        return ipv4(6, target, with_checksum(6, target, segment, 16), 0)

    def stray(self) -> bytes:
        segment = struct.pack(">HHIIBBHHH", self.port(), self.port(), self.random.getrandbits(32),
                              self.random.getrandbits(32), 5 << 4, self.random.randrange(256), 1, 0, 0)
        return ipv4(6, NET4, with_checksum(6, NET4, segment + bytes(100), 16), 0)

    def udp(self) -> bytes:
        target, data = self.target(), bytes(self.random.randrange(1400))
        segment = struct.pack(">HHHH", self.port(), self.port(), 8 + len(data), 0) + data
        return ipv4(17, target, with_checksum(17, target, segment, 6), 0)

    def query(self) -> bytes:
        data = struct.pack(">HHHHHH", self.port(), 0x100, 1, 0, 0, 0) + b"\x03www\x07example\x04test\0\0\x01\0\x01"
        segment = struct.pack(">HHHH", self.port(), 53, 8 + len(data), 0) + data
        return ipv4(17, GATEWAY4, with_checksum(17, GATEWAY4, segment, 6), 0)

    def echo(self) -> bytes:
        message = struct.pack(">BBHHH", 8, 0, 0, self.port(), 1) + bytes(56)
        return ipv4(1, self.target(), with_checksum(1, NET4, message, 2), 0)

    def fragment(self) -> bytes:
        """The first of a datagram whose rest never comes."""
        return ipv4(17, NET4, bytes(1200), 0x2000 << 16 | self.port())

    def noise(self) -> bytes:
        return self.random.randbytes(self.random.randrange(1, 1500))

    def damaged(self) -> bytes:
        whole = bytearray(self.random.choice([self.syn, self.udp, self.query, self.echo])())
        whole[self.random.randrange(len(whole))] ^= 1 << self.random.randrange(8)
        return bytes(whole[:self.random.randrange(1, len(whole) + 1)])

    def frame(self) -> bytes:
        kinds = [self.syn, self.stray, self.udp, self.query, self.echo, self.fragment, self.noise, self.damaged]
        return self.ethernet + self.random.choice(kinds)()


def main(device: str, seed: str, frames: str) -> None:
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    sock.bind((device, 0))
    flood = Flood(sock.getsockname()[4], int(seed))
    sent = 0
    while sent < int(frames):
        try:
            sock.send(flood.frame())
            sent += 1
        except OSError:  # no room in the device's queue
            continue
    print("sent", sent, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
