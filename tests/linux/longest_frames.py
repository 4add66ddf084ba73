"""Prints the longest frame that entered and that left an interface: longest_frames.py DEVICE, until SIGTERM."""
from __future__ import annotations

import signal
import socket
import sys

ETH_P_ALL = 3


def main(device: str) -> None:
    longest = {"in": 0, "out": 0}

    def tell(*_: object) -> None:
        print(longest["in"], longest["out"], flush=True)
        sys.exit(0)

    signal.signal(signal.SIGTERM, tell)
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    sock.bind((device, 0))
    print("ready", flush=True)
    while True:
        data, where = sock.recvfrom(1 << 17)
        direction = "out" if where[2] == socket.PACKET_OUTGOING else "in"
        longest[direction] = max(longest[direction], len(data))


if __name__ == "__main__":
    main(sys.argv[1])
