"""A little network to test `dashi` in, made of namespaces: the internet, the host it runs on, a guest.

    guest --(TAP)-- dashi in host --(veth)-- internet

Runs inside in_lab.sh, so everything here ends with the test program. Nothing waits longer than WAIT.
"""
from __future__ import annotations

import contextlib
import hashlib
import os
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

WAIT = float(os.environ.get("DASHI_TEST_WAIT", "30"))  # seconds until something counts as hanging
HERE = Path(__file__).resolve().parent

NET4, NET6 = "198.51.100.1", "2001:db8:100::1"  # the internet's server
HOST4, HOST6 = "198.51.100.2", "2001:db8:100::2"  # the host's own addresses
FAR4, FAR6 = "203.0.113.9", "2001:db8:200::9"  # a second address of the internet's server
GATEWAY4, GUEST4 = "10.0.0.1", "10.0.0.2"
PREFIX6 = "fd00:da51::"


def dashi_program() -> str:
    return os.environ["DASHI"]


def need(*programs: str) -> None:
    """Ends the test program as skipped if one of `programs` is not installed."""
    missing = [p for p in programs if shutil.which(p) is None]
    if missing:
        print("SKIPPED: not installed:", ", ".join(missing))
        sys.exit(77)


def sh(command: str, check: bool = True) -> str:
    return finished(["sh", "-c", command], command, check)


def finished(words: list[str], name: str, check: bool) -> str:
    """The output of a command; an AssertionError with all it said if it fails or hangs."""
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=WAIT)
    except subprocess.TimeoutExpired as hung:
        said = b"".join(part for part in (hung.stdout, hung.stderr) if part).decode(errors="replace")
        raise AssertionError(f"{name}: did not end within {WAIT:.0f} s\n{said}") from None
    if check and done.returncode != 0:
        raise AssertionError(f"{name}: {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def eventually(what: str, done: Callable[[], object], within: float = WAIT) -> object:
    """The first true value of `done`, asked again until then."""
    deadline = time.monotonic() + within
    while True:
        value = done()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"never happened: {what}")
        time.sleep(0.02)


def sha256(path: Path | str) -> str:
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


class Process:
    """A program that runs beside the test, its output in a file."""

    def __init__(self, namespace: str, command: list[str], log: Path, **more: object) -> None:
        self.log = log
        self.command = command
        self._kept: str | None = None  # the log, once its file may go
        with open(log, "wb") as out:
            self.popen = subprocess.Popen(inside(namespace, command), stdout=out, stderr=out, **more)

    def output(self) -> str:
        return self._kept if self._kept is not None else self.log.read_text(errors="replace")

    def end(self) -> None:
        """However it stands: afterwards it is gone, and its output still known."""
        if self.popen.poll() is None:
            self.popen.kill()
            self.popen.wait()
        self._kept = self.output()

    def stop(self, number: int = signal.SIGTERM) -> int:
        if self.popen.poll() is None:
            self.popen.send_signal(number)
        try:
            return self.popen.wait(timeout=WAIT)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            raise AssertionError(f"does not end: {self.command}\n{self.output()}") from None


def inside(namespace: str, command: list[str]) -> list[str]:
    if not namespace:
        return command
    return ["nsenter", f"--net=/run/netns/{namespace}", "--", *command]


class Dashi(Process):
    """A running `dashi`, ready to serve."""

    def __init__(self, namespace: str, command: list[str], log: Path, environment: dict[str, str],
                 wrapper: tuple[str, ...] = ()) -> None:
        reader, writer = os.pipe()
        arguments = [*wrapper, dashi_program(), command[0], "-v", "--ready-fd", str(writer), *command[1:]]
        super().__init__(namespace, arguments, log, pass_fds=(writer,), env={**os.environ, **environment})
        os.close(writer)
        heard, _, _ = select.select([reader], [], [], WAIT)
        ready = bool(heard) and os.read(reader, 1) == b"1"
        os.close(reader)
        if not ready:
            self.end()
            raise AssertionError(f"dashi did not start:\n{self.output()}")

    def status(self) -> dict[str, int]:
        """The flow counts and counters it prints on SIGUSR1."""
        seen = self.output().count("dashi: end of status")
        self.popen.send_signal(signal.SIGUSR1)
        eventually("status is printed", lambda: self.output().count("dashi: end of status") > seen)
        block = self.output().rsplit("dashi: status\n", 1)[1]
        return {name: int(value) for name, value in re.findall(r"^  (\S.*\S) (\d+)$", block, re.M)}

    def descriptors(self) -> int:
        return len(os.listdir(f"/proc/{self.popen.pid}/fd"))

    def finish(self) -> None:
        """Ends it as a service manager would; it must go cleanly (and without a sanitizer's word)."""
        assert self.popen.poll() is None, f"dashi ended by itself:\n{self.output()}"
        status = self.stop()
        assert status == 0, f"dashi exited with {status}:\n{self.output()}"


class Lab:
    def __init__(self) -> None:
        self.processes: list[Process] = []
        self._mounts()
        for namespace in ("internet", "host", "guest", "server"):
            sh(f"ip netns add {namespace}")
            sh(f"ip -n {namespace} link set lo up")
        # Routers and servers answer at once: duplicate address detection has nobody to find here.
        for namespace in ("internet", "host"):
            self.sysctl(namespace, "net/ipv6/conf/default/accept_dad", "0")
        self._wire()

    def _mounts(self) -> None:
        # Files in memory of the test's own: they go with it, even if it is killed.
        sh("mount -t tmpfs none /run && mkdir -p /run/netns /run/lab")
        self.folder = Path("/run/lab")
        # What dashi and others write into /etc goes with the test. A kernel without overlays in user
        # namespaces does without: then dashi itself takes away what it wrote.
        layers = "/run/etc-upper /run/etc-work"
        sh(f"mkdir {layers} && mount -t overlay none -o lowerdir=/etc,upperdir=/run/etc-upper,"
           "workdir=/run/etc-work /etc", check=False)
        self.resolv_conf = self.folder / "resolv.conf"
        self.resolv_conf.write_text(f"nameserver {NET4}\nsearch example.test\n")
        sh(f"mount --bind {self.resolv_conf} /etc/resolv.conf")

    def _wire(self) -> None:
        sh("ip -n internet link add veth0 type veth peer name veth0 netns host")
        for namespace, device, v4, v6 in (("internet", "veth0", NET4, NET6), ("host", "veth0", HOST4, HOST6)):
            sh(f"ip -n {namespace} addr add {v4}/24 dev {device}")
            sh(f"ip -n {namespace} addr add {v6}/64 dev {device} nodad")
            sh(f"ip -n {namespace} link set {device} up")
        sh(f"ip -n internet addr add {FAR4}/32 dev lo && ip -n internet addr add {FAR6}/128 dev lo nodad")
        sh(f"ip -n host route add default via {NET4} && ip -n host route add default via {NET6}")
        self.sysctl("host", "net/ipv4/ping_group_range", "0 0")

    def sysctl(self, namespace: str, name: str, value: str) -> None:
        subprocess.run(inside(namespace, ["sh", "-c", f"echo '{value}' > /proc/sys/{name}"]), check=True)

    def start(self, namespace: str, *command: str) -> Process:
        process = Process(namespace, list(command), self.folder / f"log-{len(self.processes)}")
        self.processes.append(process)
        return process

    def dashi(self, *command: str, namespace: str = "host", wrapper: tuple[str, ...] = (),
              **environment: str) -> Dashi:
        log = self.folder / f"log-{len(self.processes)}"
        process = Dashi(namespace, list(command), log, environment, wrapper)
        self.processes.append(process)
        return process

    def run(self, namespace: str, command: str, check: bool = True) -> str:
        return finished(inside(namespace, ["sh", "-c", command]), f"{namespace}: {command}", check)

    @contextlib.contextmanager
    def attached(self, *options: str, guest: str = "guest", namespace: str = "host",
                 wrapper: tuple[str, ...] = (), **environment: str) -> Iterator[Dashi]:
        """`dashi attach --configure` to the guest, for as long as the block runs."""
        process = self.dashi("attach", "--netns", f"/run/netns/{guest}", "--configure", *options,
                             namespace=namespace, wrapper=wrapper, **environment)
        try:
            yield process
            process.finish()
        finally:
            process.stop(signal.SIGKILL)

    def wait_for_port(self, namespace: str, address: str, port: int) -> None:
        """Until somebody listens there."""
        pattern = re.compile(rf"\]?:{port}\s")
        eventually(f"port {port} of {namespace} is open", lambda: pattern.search(
            self.run(namespace, "ss -Hltn; ss -Hlun")))
        del address

    def servers(self) -> None:
        """peers.py in the internet: echo, sink, source over TCP; echo over UDP; both families."""
        self.start("internet", sys.executable, str(HERE / "peers.py"), "::", "7000")
        self.wait_for_port("internet", "::", 7006)

    def random_file(self, name: str, size: int) -> Path:
        path = self.folder / name
        path.write_bytes(os.urandom(size))
        return path

    def close(self) -> None:
        for process in self.processes:
            process.end()


def family_of(address: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def in_url(address: str) -> str:
    return f"[{address}]" if ":" in address else address
