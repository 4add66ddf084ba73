"""Servers for the tests: peers.py ADDRESS BASE.

TCP BASE+0: reads all until EOF, then sends it back and closes (the guest closes first).
TCP BASE+1: sends 300,000 bytes and its FIN at once, then reads until EOF (the server closes first);
            what it read goes to the next client of BASE+2.
TCP BASE+2: tells the sha256 of what BASE+1 last read.
TCP BASE+3: accepts, answers each line with the peer's address, for as long as it is asked.
UDP BASE+4: sends every datagram back.
TCP BASE+5: resets each connection after its first bytes.
UDP BASE+6: gathers 21 datagrams of one client, then sends them back as rows of 1000 by one call.
"""
from __future__ import annotations

import asyncio
import hashlib
import socket
import struct
import sys
import threading

_last = hashlib.sha256(b"").hexdigest()


def pattern(size: int) -> bytes:
    """What BASE+1 sends; the client knows it too."""
    return b"".join(hashlib.sha256(struct.pack(">I", i)).digest() for i in range(size // 32 + 1))[:size]


async def echo_after_eof(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(await reader.read(-1))
    await writer.drain()
    writer.close()


async def send_first(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    global _last
    writer.write(pattern(300_000))
    writer.write_eof()
    _last = hashlib.sha256(await reader.read(-1)).hexdigest()
    writer.close()


async def tell_last(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(_last.encode() + b"\n")
    writer.close()


async def tell_peer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while await reader.readline():
        writer.write(repr(writer.get_extra_info("peername")[:2]).encode() + b"\n")
    writer.close()


async def reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(1)
    raw = writer.get_extra_info("socket")
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


def echo_datagrams(sock: socket.socket) -> None:
    """Runs in a thread: asyncio does not send datagrams without bytes."""
    while True:
        data, address = sock.recvfrom(65536)
        sock.sendto(data, address)


def echo_rows(sock: socket.socket) -> None:
    parts: list[bytes] = []
    while True:
        data, address = sock.recvfrom(65536)
        parts.append(data)
        if len(parts) == 21:
            sock.sendmsg([b"".join(parts)], [(socket.IPPROTO_UDP, 103, struct.pack("=H", 1000))], 0, address)
            parts = []


async def main(address: str, base: int) -> None:
    for offset, serve in ((0, echo_after_eof), (1, send_first), (2, tell_last), (3, tell_peer), (5, reset)):
        # One socket for both families, so that the IPv4 clients' addresses come mapped.
        sock = socket.create_server((address, base + offset), family=socket.AF_INET6,
                                    dualstack_ipv6=True, backlog=2000)
        await asyncio.start_server(serve, sock=sock, limit=1 << 20)
    for family, any_address in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):
        for offset, answer in ((4, echo_datagrams), (6, echo_rows)):
            sock = socket.socket(family, socket.SOCK_DGRAM)
            if family == socket.AF_INET6:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            sock.bind((any_address, base + offset))
            threading.Thread(target=answer, args=(sock,), daemon=True).start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
