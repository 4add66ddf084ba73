"""A server that reads nothing until told: slow_server.py ADDRESS PORT GO OUT.

Takes one connection; once the file GO is there, reads to its end and writes what it saw to OUT: the bytes'
sha256 and number, and whether they ended in `eof` or a `reset`.
"""
from __future__ import annotations

import hashlib
import socket
import sys
import time
from pathlib import Path

address, port, go, out = sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]), Path(sys.argv[4])
with socket.socket() as listener:
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 20_000)  # the peer's bytes stay with the peer
    listener.bind((address, port))
    listener.listen()
    sock, _ = listener.accept()
while not go.exists():
    time.sleep(0.02)
seen, size, end = hashlib.sha256(), 0, "eof"
try:
    while chunk := sock.recv(1 << 16):
        seen.update(chunk)
        size += len(chunk)
except ConnectionResetError:
    end = "reset"
new = out.with_suffix(".new")
new.write_text(f"{seen.hexdigest()} {size} {end}")
new.rename(out)
