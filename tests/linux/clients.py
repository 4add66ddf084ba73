"""Clients for the tests, run in the guest: clients.py VERB ADDRESS PORT ARGS. Exit status 0 is success."""
from __future__ import annotations

import errno
import hashlib
import resource
import signal
import socket
import struct
import sys

from peers import pattern

TIMEOUT = 20
# linux/in.h, linux/in6.h
MSG_ERRQUEUE = 0x2000
IP_RECVERR, IPV6_RECVERR = 11, 25
IP_MTU_DISCOVER, IP_PMTUDISC_DO = 10, 2


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
    """Datagrams of many sizes, the empty one among them, come back as they were."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_DGRAM)
    sock.settimeout(TIMEOUT)
    sock.connect((address, port))
    for size in (1, 0, 100, 1200, 1400, 8000, 60_000):  # both ways in fragments, where it must be
        sock.send(pattern(size))
        assert sock.recv(65536) == pattern(size), size


def udp_hashed(address: str, port: int) -> None:
    """Datagrams up to the longest, sent in fragments, are answered with their hashes."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_DGRAM)
    sock.settimeout(TIMEOUT)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
    sock.connect((address, port))
    for size in (1400, 1473, 3000, 20_000, 65_000):
        data = pattern(size)
        sock.send(data)
        assert sock.recv(65536).decode() == hashlib.sha256(data).hexdigest(), size


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


def hold(address: str, port: int, count: str) -> None:
    """Opens that many connections, says so, and keeps them until it is ended."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    socks = [connect(address, port) for _ in range(int(count))]
    print("open", len(socks), flush=True)
    signal.pause()


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


def is_refused_udp(address: str, port: int) -> None:
    """Port unreachable."""
    sock = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
    sock.settimeout(TIMEOUT)
    sock.connect((address, port))
    sock.send(b"x")
    try:
        data = sock.recv(100)
    except ConnectionRefusedError:
        return
    raise AssertionError(f"not refused but {data!r}")


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


def print_error(sock: socket.socket, family: socket.AddressFamily) -> None:
    """What the error queue holds: ICMP type, code, who sent it."""
    _, control, _, _ = sock.recvmsg(2000, 1000, MSG_ERRQUEUE)
    for _, _, data in control:
        if len(data) < 32:
            continue
        _, _, kind, code = struct.unpack_from("=IBBB", data)
        sender = data[16 + 4 : 16 + 8] if family == socket.AF_INET else data[16 + 8 : 16 + 24]
        print(kind, code, socket.inet_ntop(family, sender))
        return


def prepared(address: str, kind: int, ttl: str) -> tuple[socket.socket, socket.AddressFamily]:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    sock = socket.socket(family, kind)
    sock.settimeout(TIMEOUT)
    if family == socket.AF_INET:
        sock.setsockopt(socket.IPPROTO_IP, IP_RECVERR, 1)
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, int(ttl))
        sock.setsockopt(socket.IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DO)
    else:
        sock.setsockopt(socket.IPPROTO_IPV6, IPV6_RECVERR, 1)
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS, int(ttl))
    return sock, family


def error_of_tcp(address: str, port: int, ttl: str) -> None:
    sock, family = prepared(address, socket.SOCK_STREAM, ttl)
    try:
        sock.connect((address, port))
    except OSError:
        print_error(sock, family)


def error_of_udp(address: str, port: int, ttl: str, size: str = "10") -> None:
    sock, family = prepared(address, socket.SOCK_DGRAM, ttl)
    sock.connect((address, port))
    try:
        for _ in range(20):
            sock.settimeout(1)
            sock.send(bytes(int(size)))
            try:
                sock.recv(100)
            except TimeoutError:
                continue
    except OSError:
        print_error(sock, family)


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
