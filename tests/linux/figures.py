"""Figures of real mode, for the record; no test. Run it as

    DASHI=build/release/bin/dashi tests/linux/in_lab.sh /usr/bin/python3 tests/linux/figures.py

iperf3 both ways through `dashi attach` at MTU 1500 beside plain veth in the same run, and how much memory
dashi holds idle and with 1,000 connections.
"""
from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path

from lab import HERE, NET4, Dashi, Lab, eventually, need

SECONDS = 5
CONNECTIONS = 1000


def gigabits(lab: Lab, namespace: str, *options: str) -> float:
    said = json.loads(lab.run(namespace, f"iperf3 -J -t {SECONDS} -c {NET4} {' '.join(options)}"))
    return said["end"]["sum_received"]["bits_per_second"] / 1e9


def cpu_seconds(dashi: Dashi) -> float:
    fields = Path(f"/proc/{dashi.popen.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_mib(dashi: Dashi) -> float:
    status = Path(f"/proc/{dashi.popen.pid}/status").read_text()
    found = re.search(r"VmRSS:\s*(\d+) kB", status)
    assert found
    return int(found[1]) / 1024


def throughput(lab: Lab) -> None:
    lab.start("internet", "iperf3", "-s")
    lab.wait_for_port("internet", "", 5201)
    plain = {way: gigabits(lab, "host", *options) for way, options in (("up", ()), ("down", ("-R",)))}
    with lab.attached() as dashi:
        for way, options in (("up", ()), ("down", ("-R",))):
            before = cpu_seconds(dashi)
            rate = gigabits(lab, "guest", *options)
            spent = (cpu_seconds(dashi) - before) / SECONDS
            print(f"iperf3 {way:4}: {rate:5.1f} Gbit/s, plain veth {plain[way]:5.1f}; dashi used {spent:.0%} of a core")


def memory(lab: Lab) -> None:
    with lab.attached() as dashi:
        print(f"RSS idle: {resident_mib(dashi):.1f} MiB")
        holder = lab.start("guest", sys.executable, str(HERE / "clients.py"), "hold", NET4, "7003", str(CONNECTIONS))
        eventually("all are open", lambda: "open" in holder.output())
        print(f"RSS with {dashi.status()['tcp']} connections: {resident_mib(dashi):.1f} MiB")
        holder.stop()


if __name__ == "__main__":
    need("iperf3")
    made = Lab()
    made.servers()
    throughput(made)
    memory(made)
    made.close()
