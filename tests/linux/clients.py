"""Clients for the tests, run in the guest: clients.py VERB ADDRESS PORT ARGS. Exit status 0 is success."""
from __future__ import annotations

import errno
import hashlib
import resource
import socket
import struct
import sys

from peers import pattern

TIMEOUT = 20


def connect(address: str, port: int) -> socket.socket:
    return socket.create_connection((address, port), timeout=TIMEOUT)


def read_all(sock: socket.socket) -> bytes:
    chunks = []
    while chunk := sock.recv(1 << 16):
        chunks.append(chunk)
    return b"".join(chunks)


def we_close_first(address: str, port: int) -> None:
    """Sends all, then FIN; everything must come back after it."""
    data = pattern(400_000)
    sock = connect(address, port)
    sock.sendall(data)
    sock.shutdown(socket.SHUT_WR)
    assert read_all(sock) == data


def they_close_first(address: str, port: int) -> None:
    """Reads to the server's FIN, then sends; the server must have got it all."""
    sock = connect(address, port)
    assert read_all(sock) == pattern(300_000)
    data = pattern(500_000)
    sock.sendall(data)
    sock.close()
    want = hashlib.sha256(data).hexdigest()
    for _ in range(100):
        if read_all(connect(address, port + 1)).decode().strip() == want:
            return
    raise AssertionError("what was sent after the server's FIN never arrived")


def udp(address: str, port: int) -> None:
    """Datagrams of many sizes, the empty one and fragments among them, come back as they were."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_DGRAM)
    sock.settimeout(TIMEOUT)
    sock.connect((address, port))
    for size in (1, 0, 100, 1200, 1400):
        sock.send(pattern(size))
        assert sock.recv(65536) == pattern(size), size


UDP_SEGMENT = 103  # linux/udp.h


def udp_rows(address: str, port: int) -> None:
    """Rows of datagrams, each row sent by one call (USO) and sent back by one."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_DGRAM)
    sock.settimeout(TIMEOUT)
    sock.connect((address, port))
    row = pattern(20 * 1000 + 7)
    for _ in range(5):
        sock.sendmsg([row], [(socket.IPPROTO_UDP, UDP_SEGMENT, struct.pack("=H", 1000))])
        back = [sock.recv(65536) for _ in range(21)]
        assert [len(part) for part in back] == [1000] * 20 + [7]
        assert b"".join(back) == row


def many(address: str, port: int, count: str) -> None:
    """Opens that many connections at once, each with an answer, then closes all."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    del soft
    socks = [connect(address, port) for _ in range(int(count))]
    for sock in socks:
        sock.sendall(b"who\n")
    for sock in socks:
        assert sock.recv(100).endswith(b"\n")
    for sock in socks:
        sock.close()


def is_reset(address: str, port: int) -> None:
    """The server's abort reaches the guest as a reset, not as an end."""
    sock = connect(address, port)
    sock.sendall(b"x")
    try:
        data = sock.recv(100)
    except ConnectionResetError:
        return
    raise AssertionError(f"no reset but {data!r}")


def is_refused(address: str, port: int) -> None:
    try:
        connect(address, port)
    except ConnectionRefusedError:
        return
    raise AssertionError("not refused")


def who(address: str, port: int) -> None:
    """Prints the address the server sees us by."""
    sock = connect(address, port)
    sock.sendall(b"who\n")
    print(sock.recv(200).decode())


def read(address: str, port: int) -> None:
    print(read_all(connect(address, port)).decode())


def answer_from_elsewhere(address: str, port: int) -> None:
    """Prints who answers a datagram, or "nobody"."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.settimeout(1)
    sock.sendto(b"hello", (address, port))
    try:
        print(sock.recvfrom(100)[1][0])
    except TimeoutError:
        print("nobody")


def is_unreachable(address: str, port: int) -> None:
    try:
        connect(address, port)
    except OSError as error:
        if error.errno in (errno.EHOSTUNREACH, errno.ENETUNREACH):
            return
        raise
    raise AssertionError("not unreachable")


if __name__ == "__main__":
    globals()[sys.argv[1]](sys.argv[2], int(sys.argv[3]), *sys.argv[4:])
