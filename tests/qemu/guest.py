"""A QEMU guest with a shell on its serial console."""
from __future__ import annotations

import os
import re
import select
import subprocess
import time
from pathlib import Path

from lab import Lab, inside

BOOT = 120  # seconds: an emulated processor on a busy machine
COMMAND = 60
NUDGE = 10


class Guest:
    def __init__(self, lab: Lab, netdev: str, mac: str) -> None:
        folder = Path(os.environ["DASHI_TEST_KERNEL"])
        command = ["qemu-system-x86_64", "-accel", "tcg", "-m", "256", "-nodefaults", "-no-user-config",
                   "-display", "none", "-no-reboot", "-serial", "stdio",
                   "-kernel", str(folder / "vmlinuz"), "-initrd", str(folder / "initrd.gz"),
                   "-append", "console=ttyS0 quiet panic=-1",
                   "-netdev", f"stream,id=net,server=off,{netdev}",
                   "-device", f"virtio-net-pci,netdev=net,mac={mac},romfile="]
        self.popen = subprocess.Popen(inside("host", command), stdin=subprocess.PIPE,
                                      stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.said = ""
        self._asked = 0
        self._wait_for(r"guest-is-up", BOOT)

    def _wait_for(self, pattern: str, seconds: float) -> str:
        """What the console says up to and with `pattern`."""
        assert self.popen.stdout is not None
        deadline = time.monotonic() + seconds
        heard = ""
        while not re.search(pattern, heard):
            left = deadline - time.monotonic()
            ready, _, _ = select.select([self.popen.stdout], [], [], min(NUDGE, max(0, left)))
            if not ready and left > NUDGE:
                self._nudge()
                continue
            chunk = os.read(self.popen.stdout.fileno(), 65536) if ready else b""
            self.said += chunk.decode(errors="replace")
            heard += chunk.decode(errors="replace")
            assert chunk, f"the guest never said {pattern!r}:\n{self.said[-3000:]}"
        return heard

    def _nudge(self) -> None:
        """An empty line: the emulated console may sit on input until more of it comes."""
        assert self.popen.stdin is not None
        try:
            self.popen.stdin.write(b"\n")
            self.popen.stdin.flush()
        except BrokenPipeError:
            pass  # what is read next says that it is gone

    def run(self, command: str, check: bool = True) -> str:
        """The output of a shell command in the guest."""
        assert self.popen.stdin is not None
        self._asked += 1
        mark = f"done-{self._asked}-"
        # Split, so that an echo of the command line is not taken for its end.
        try:
            self.popen.stdin.write(f"{command}; echo {mark[:4]}''{mark[4:]}$?-\n".encode())
            self.popen.stdin.flush()
        except BrokenPipeError:
            self._wait_for("the guest is gone", 5)
        heard = self._wait_for(mark + r"\d+-", COMMAND)
        out, status = re.match(rf"(?s)(.*){mark}(\d+)-", heard.replace("\r", "")).groups()  # type: ignore[union-attr]
        assert status == "0" or not check, f"{command}: {status}\n{out}"
        return out

    def sha256(self, path: str) -> str:
        found = re.search(r"\b[0-9a-f]{64}\b", self.run(f"sha256sum < {path}"))
        assert found
        return found[0]

    def background(self, command: str) -> None:
        self.run(f"{{ {command}; }} </dev/null >/dev/null 2>&1 & :")

    def configure(self) -> None:
        """By DHCP and by SLAAC."""
        self.run("udhcpc -f -q -n -t 10 -T 1 -i eth0 -s /bin/on-lease")
        self.run("n=0; until ip -6 addr show dev eth0 scope global | grep -v tentative | grep -q fd00:da51; "
                 "do n=$((n+1)); [ $n -lt 300 ] || break; sleep 0.1; done; [ $n -lt 300 ]")

    def end(self) -> None:
        self.popen.kill()
        self.popen.wait()
