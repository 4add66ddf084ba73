"""`dashi run`: the command, its namespaces, its status; and what a wrong command line gets."""
from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from lab import GATEWAY4, GUEST4, HERE, NET4, NET6, WAIT, Lab, dashi_program, eventually, inside, need

need("dnsmasq", "getent", "ping")

CLIENT = f"{sys.executable} {HERE}/clients.py"


def dashi(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(inside("host", [dashi_program(), *arguments]), capture_output=True, text=True,
                          timeout=WAIT)


def run(command: str, *options: str) -> subprocess.CompletedProcess[str]:
    return dashi("run", *options, "--", "sh", "-c", command)


def test_the_command_is_root_in_a_network_of_its_own(lab: Lab) -> None:
    done = run("id -u; ip addr show dev dashi0; ip route; cat /etc/resolv.conf")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("0\n")
    assert f"inet {GUEST4}/24" in done.stdout
    assert "fd00:da51::2" in done.stdout
    assert f"default via {GATEWAY4}" in done.stdout
    assert f"nameserver {GATEWAY4}\nsearch example.test\n" in done.stdout


@pytest.mark.parametrize("server", [NET4, NET6])
def test_the_command_reaches_the_internet_at_once(lab: Lab, server: str) -> None:
    done = run(f"ping -c 1 -W 5 {server} && {CLIENT} we_close_first {server} 7000 && "
               f"{CLIENT} they_close_first {server} 7001 && {CLIENT} udp {server} 7004")
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_command_finds_names(lab: Lab) -> None:
    names = lab.start("internet", "dnsmasq", "--no-daemon", "--no-hosts", "--no-resolv", "--pid-file=",
                      f"--host-record=www.example.test,{NET4},{NET6}", "--local=/example.test/")
    lab.wait_for_port("internet", "", 53)
    done = run("getent ahostsv4 www.example.test; getent ahostsv6 www; getent hosts nosuch.example.test")
    names.stop()
    assert NET4 in done.stdout
    assert NET6 in done.stdout  # by the search list
    assert done.returncode == 2  # getent: not found


@pytest.mark.parametrize(("command", "status"), [("exit 0", 0), ("exit 3", 3), ("kill -9 $$", 137),
                                                 ("kill -TERM $$", 143)])
def test_the_status_is_the_commands(lab: Lab, command: str, status: int) -> None:
    assert run(command).returncode == status


def test_a_command_that_cannot_run_is_127_or_126(lab: Lab) -> None:
    missing = dashi("run", "--", "no-such-command")
    assert (missing.returncode, missing.stderr.count("\n")) == (127, 1)
    assert "no-such-command" in missing.stderr
    denied = dashi("run", "--", "/etc/passwd")
    assert (denied.returncode, denied.stderr.count("\n")) == (126, 1)


def test_what_the_command_sent_last_arrives(lab: Lab) -> None:
    """It ends as soon as its own kernel took the bytes."""
    program = ("import socket,sys; sys.path.insert(0, %r); from peers import pattern; "
               "s = socket.create_connection((%r, 7001)); s.sendall(pattern(200000)); import os; os._exit(0)"
               % (str(HERE), NET4))
    # It does not read, so that its end is a reset: what it sent before must not be lost to that.
    program = program.replace("s.sendall", "\nn=0\nwhile n < 300000: n += len(s.recv(1 << 16))\ns.sendall")
    done = dashi("run", "--", sys.executable, "-c", program)
    assert done.returncode == 0, done.stderr
    import hashlib

    from peers import pattern
    wanted = hashlib.sha256(pattern(200000)).hexdigest()
    eventually("all bytes arrived", lambda: wanted in lab.run("internet", f"{CLIENT} read {NET4} 7002"))


def test_a_datagram_sent_last_leaves(lab: Lab) -> None:
    """The command ends the moment it sent: dashi reads what is still on the wire."""
    got = lab.folder / "datagrams"
    lab.start("internet", sys.executable, "-c", "import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); "
              f"s.bind(('{NET4}', 7100)); f = open('{got}', 'ab', buffering=0)\nwhile True: f.write(s.recv(100))")
    lab.wait_for_port("internet", "", 7100)
    program = f"import socket,os; s=socket.socket(socket.AF_INET, socket.SOCK_DGRAM); " \
              f"s.sendto(b'ping', ('{GATEWAY4}', 9)); [s.sendto(b'last', ('{NET4}', 7100)) for _ in range(150)]; os._exit(0)"
    # The gateway's MAC address is asked for first, so that the kernel holds nothing back.
    assert run(f"ping -c 1 {GATEWAY4} >/dev/null; {sys.executable} -c \"{program}\"").returncode == 0
    eventually("all datagrams arrived", lambda: got.read_bytes() == b"last" * 150)


def test_sigterm_goes_to_the_command(lab: Lab) -> None:
    ready = lab.folder / "trapped"
    process = lab.start("host", dashi_program(), "run", "--", "sh", "-c",
                        f"trap 'exit 42' TERM; touch {ready}; while :; do sleep 0.05; done")
    eventually("the command runs", ready.exists)
    assert process.stop(signal.SIGTERM) == 42


def test_sigint_is_left_to_the_command(lab: Lab) -> None:
    ready = lab.folder / "waiting"
    process = lab.start("host", dashi_program(), "run", "--", "sh", "-c",
                        f"touch {ready}; while [ ! -e {ready}.go ]; do sleep 0.05; done; exit 7")
    eventually("the command runs", ready.exists)
    process.popen.send_signal(signal.SIGINT)
    time.sleep(0.2)
    assert process.popen.poll() is None
    Path(f"{ready}.go").touch()
    assert process.popen.wait(timeout=WAIT) == 7


def test_options_may_stand_before_a_command_without_dashes(lab: Lab) -> None:
    assert dashi("run", "--no-ipv6", "true").returncode == 0
    assert dashi("run", "--no-ipv6", "false").returncode == 1


def test_the_command_is_told_when_all_is_ready(lab: Lab) -> None:
    reader, writer = os.pipe()
    done = subprocess.run(inside("host", [dashi_program(), "run", "--ready-fd", str(writer), "--", "true"]),
                          pass_fds=(writer,), timeout=WAIT)
    os.close(writer)
    assert done.returncode == 0
    assert os.read(reader, 10) == b"1"
    assert os.read(reader, 10) == b""
    os.close(reader)


@pytest.mark.parametrize("words", [
    [], ["fly"], ["run"], ["run", "--net"], ["run", "--net", "10.0.0.0/31", "true"],
    ["run", "--net", "10.0.0.0/32", "true"], ["run", "--net", "127.0.0.0/8", "true"],
    ["run", "--net", "nonsense", "true"], ["run", "--net6", "fe80::/64", "true"],
    ["run", "--mtu", "500", "true"], ["run", "--mtu", "65536", "true"], ["run", "--mtu", "big", "true"],
    ["run", "-p", "80:80", "true"], ["run", "-p", "tcp:80", "true"], ["run", "-p", "tcp:70000:80", "true"],
    ["run", "-p", "tcp:1.2.3:80:80", "true"], ["run", "-p", "tcp:90-80:80", "true"],
    ["run", "-p", "udp:0-5:80", "true"], ["run", "--dns", "name.example", "true"],
    ["run", "--udp-filter", "nobody", "true"], ["run", "--allow-host-loopback=x", "true"],
    ["run", "--mtu", "0", "true"], ["run", "--mtu", "-5", "true"], ["run", "stray", "--", "true"],
    ["run", "--allow-host-loopback", "8000", "--", "true"], ["run", "--allow-host-loopback=", "true"],
    ["run", "--ready-fd", "99", "true"], ["run", "--ready-fd", "-1", "true"], ["run", "--ready-fd", "x", "true"],
    ["run", "--ifname", "", "true"], ["run", "--ifname", "tap%d", "true"], ["run", "--ifname", "a/b", "true"],
    ["run", "--ifname", "sixteencharacter", "true"], ["run", "--pcap", "", "true"],
    ["run", "--dns", "192.0.2.1:0", "true"], ["run", "--dns", "0.0.0.0", "true"], ["run", "--dns", "ff02::1", "true"],
    ["run", "--no-ipv6", "--net6", "fd01::/64", "true"], ["run", "--no-ipv6", "-p", "tcp:[::1]:80:80", "true"],
    ["run", "--net", "10.1.0.0/24", "--net", "10.2.0.0/24", "true"], ["run", "-p", "tcp:[::1%lo]:80:80", "true"],
    ["attach", "--pid", "0"], ["attach", "--pid", "12x"], ["attach", "--pid", "99999999999"],
    ["qemu", "unix:"], ["qemu", "tcp:127.0.0.1:99999"], ["qemu", "unix:/tmp/x", "extra"],
    ["run", "--no-such-option", "true"], ["attach"], ["attach", "--netns", "/x", "--pid", "1"],
    ["attach", "--netns", "/x", "--", "true"], ["qemu"], ["qemu", "ftp:x"], ["qemu", "tcp:1.2.3.4"]])
def test_a_wrong_command_line_is_one_line_and_2(lab: Lab, words: list[str]) -> None:
    done = dashi(*words)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1), done


@pytest.mark.parametrize("words", [
    ["attach", "--netns", "/run/netns/nobody"], ["attach", "--pid", "99999"],
    ["attach", "--netns", "/etc/passwd"], ["qemu", "unix:/no/such/folder/socket"],
    ["run", "--pcap", "/no/such/folder/file", "true"]])
def test_what_fails_at_run_time_is_one_line_and_1(lab: Lab, words: list[str]) -> None:
    done = dashi(*words)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1), done


@pytest.mark.parametrize("words", [["--help"], ["run", "--help"], ["attach", "-h"], ["qemu", "--help"],
                                   ["--version"]])
def test_help_is_help(lab: Lab, words: list[str]) -> None:
    done = dashi(*words)
    assert (done.returncode, done.stderr) == (0, "")
    assert "dashi" in done.stdout


@pytest.mark.parametrize("there", ["", "ln -s ../run/systemd/resolve/stub-resolv.conf /etc/resolv.conf",
                                   "ln -s real.conf /etc/resolv.conf; echo nameserver 192.0.2.53 > /etc/real.conf"])
def test_the_host_need_not_have_a_resolv_conf(lab: Lab, there: str) -> None:
    """None, a link to nothing (systemd-resolved not running), a link to a file: the command has its own."""
    # An /etc of the test's own; its other files stay in sight.
    etc = f"mount -t tmpfs none /etc && cp /proc/self/fd/9/hosts /etc/ && {there or ':'}"
    look = "cat /etc/resolv.conf && test -s /etc/hosts && pwd"
    done = subprocess.run(
        inside("host", ["unshare", "--mount", "sh", "-c",
                        f"exec 9</etc; {etc}; cd /var; exec {dashi_program()} run -- sh -c '{look}'"]),
        capture_output=True, text=True, timeout=WAIT)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"nameserver {GATEWAY4}\n/var\n"
    assert "/etc/resolv.conf" not in done.stderr
