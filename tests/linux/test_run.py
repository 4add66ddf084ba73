"""`dashi run`: the command, its namespaces, its status; and what a wrong command line gets."""
from __future__ import annotations

import os
import pty
import re
import select
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


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGQUIT])
def test_what_a_process_sends_goes_to_the_command(lab: Lab, number: signal.Signals) -> None:
    """Only a terminal's keys reach the command without us."""
    ready = lab.folder / f"trapped-{number}"
    process = lab.start("host", dashi_program(), "run", "--", "sh", "-c",
                        f"trap 'exit 42' {number}; touch {ready}; while :; do sleep 0.05; done")
    eventually("the command runs", ready.exists)
    assert process.stop(number) == 42


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
    ["run", "--hostname", "", "true"], ["run", "--hostname", "a..b", "true"],
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
    lines = done.stdout.splitlines()
    assert max(map(len, lines)) <= 100
    assert len([line for line in lines if "Usage:" in line]) <= 1 or words == ["--help"]


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


@pytest.mark.parametrize("verb", ["run", "attach", "qemu"])
def test_the_manual_knows_every_option(lab: Lab, verb: str) -> None:
    page = (HERE.parents[1] / "core/linux/man/dashi.1").read_text().replace("\\-", "-")
    options = re.findall(r"(?<![\w-])--?[a-z][a-z0-9-]*", dashi(verb, "--help").stdout.split("\n\n", 1)[1])
    assert len(options) > 10
    assert [option for option in options if not re.search(re.escape(option) + r"(?![a-z0-9-])", page)] == []


def test_the_version_is_one_line(lab: Lab) -> None:
    project = (HERE.parents[1] / "CMakeLists.txt").read_text()
    version = re.search(r"project\(dashi VERSION (\S+)", project)
    assert version
    assert dashi("--version").stdout == f"dashi {version[1]}\n"


def ends(process: subprocess.Popen[bytes]) -> int:
    try:
        return process.wait(timeout=WAIT)
    finally:
        process.kill()


def test_the_command_inherits_no_descriptor_of_ours(lab: Lab) -> None:
    """Standard input, output and error, and the one ls reads the folder by."""
    reader, writer = os.pipe()
    done = subprocess.run(inside("host", [dashi_program(), "run", "--ready-fd", str(writer), "--pcap",
                                          str(lab.folder / "leak.pcapng"), "--", "ls", "/proc/self/fd"]),
                          pass_fds=(writer,), capture_output=True, text=True, timeout=WAIT)
    os.close(writer)
    os.close(reader)
    assert (done.returncode, done.stdout.split()) == (0, ["0", "1", "2", "3"])


def test_ready_is_said_and_done_while_the_command_runs(lab: Lab) -> None:
    reader, writer = os.pipe()
    process = subprocess.Popen(inside("host", [dashi_program(), "run", "--ready-fd", str(writer), "--",
                                               "sleep", "1000"]), pass_fds=(writer,))
    os.close(writer)
    said = b""
    for _ in range(2):  # the byte, then its end
        assert select.select([reader], [], [], WAIT)[0], f"heard only {said!r}"
        said += os.read(reader, 10)
    os.close(reader)
    assert said == b"1"
    process.terminate()
    assert ends(process) == 143


def test_standard_descriptors_may_be_closed(lab: Lab) -> None:
    """No socket of ours takes their numbers; the command finds them as we did."""
    told, stop = lab.folder / "told", lab.folder / "stop-closed"
    look = (f"for n in 0 1 2; do [ -e /proc/self/fd/$n ] && echo $n >>{told}.new; done; "
            f"ping -c 1 -W 5 {NET4} >>{told}.new; mv {told}.new {told}; until [ -e {stop} ]; do sleep 0.05; done")
    script = f"exec {dashi_program()} run -v -- sh -c '{look}' <&- >&- 2>&-"
    process = subprocess.Popen(inside("host", ["sh", "-c", script]))
    eventually("the command looked", told.exists)
    ours = [os.readlink(f"/proc/{process.pid}/fd/{number}") for number in range(3)]
    stop.touch()
    assert ends(process) == 0
    assert ours == ["/dev/null"] * 3
    assert told.read_text().startswith("PING")
    assert "1 received" in told.read_text()


def test_nobody_need_read_what_is_said(lab: Lab) -> None:
    """Neither --ready-fd nor the output: no SIGPIPE ends dashi."""
    reader, writer = os.pipe()
    os.close(reader)
    going, stop = lab.folder / "going", lab.folder / "stop"
    process = subprocess.Popen(
        inside("host", [dashi_program(), "run", "-v", "--ready-fd", str(writer), "--", "sh", "-c",
                        f"touch {going}; until [ -e {stop} ]; do sleep 0.05; done; exit 5"]),
        pass_fds=(writer,), stderr=subprocess.PIPE, stdout=subprocess.DEVNULL)
    assert process.stderr is not None
    process.stderr.close()
    os.close(writer)
    eventually("the command runs", going.exists)
    process.send_signal(signal.SIGUSR1)  # makes it say much
    stop.touch()
    assert ends(process) == 5


def on_a_terminal(lab: Lab, program: str, key: bytes) -> tuple[int, str]:
    """Status and output of a command with a terminal of its own, where `key` is typed once it says so."""
    pid, terminal = pty.fork()
    if pid == 0:
        words = inside("host", [dashi_program(), "run", "--", sys.executable, "-c", program])
        os.execvp(words[0], words)
    said = b""
    try:
        while True:
            assert select.select([terminal], [], [], WAIT)[0], said
            try:
                chunk = os.read(terminal, 1000)
            except OSError:  # its last user closed it
                break
            if not chunk:
                break
            said += chunk
            if b"go" in said and key:
                os.write(terminal, key)
                key = b""
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), said.decode()
    finally:
        os.close(terminal)


@pytest.mark.parametrize(("key", "name", "unhandled"), [(b"\x03", "SIGINT", 130), (b"\x1c", "SIGQUIT", 131)])
def test_keys_of_the_terminal_are_the_commands(lab: Lab, key: bytes, name: str, unhandled: int) -> None:
    # Whenever the key comes: before, while or after it waits.
    wait = ("\nprint(sys.stdin.isatty(), 'go', flush=True)\nwhile not heard: time.sleep(0.05)\n"
            "time.sleep(0.2); print('heard', len(heard)); sys.exit(9)")
    handled = f"import signal,sys,time; heard = []; signal.signal(signal.{name}, lambda *_: heard.append(1)){wait}"
    status, said = on_a_terminal(lab, handled, key)
    assert (status, said.count("heard 1")) == (9, 1), said
    assert "True go" in said
    plain = f"import signal,sys,time; heard = []; signal.signal(signal.{name}, signal.SIG_DFL){wait}"
    assert on_a_terminal(lab, plain, key)[0] == unhandled


def test_a_line_typed_on_the_terminal_reaches_the_command(lab: Lab) -> None:
    status, said = on_a_terminal(lab, "print('go', flush=True); print('got', input())", b"a line\n")
    assert status == 0
    assert "got a line" in said


def test_sighup_goes_to_the_command(lab: Lab) -> None:
    ready = lab.folder / "hup"
    process = lab.start("host", dashi_program(), "run", "--", "sh", "-c",
                        f"trap 'exit 43' HUP; touch {ready}; while :; do sleep 0.05; done")
    eventually("the command runs", ready.exists)
    assert process.stop(signal.SIGHUP) == 43


def test_the_command_ends_with_dashi(lab: Lab) -> None:
    """Even when dashi is killed: it has no network any more."""
    told = lab.folder / "pid"
    process = lab.start("host", dashi_program(), "run", "--", "sh", "-c", f"echo $$ >{told}.new; mv {told}.new {told}; "
                                                                          "exec sleep 1000")
    eventually("the command runs", told.exists)
    process.stop(signal.SIGKILL)
    state = Path(f"/proc/{told.read_text().strip()}/stat")
    eventually("the command ended", lambda: not state.exists() or ") Z " in state.read_text())


def test_a_command_without_its_interface_has_its_own_status(lab: Lab) -> None:
    done = run("ip link del dashi0; sleep 0.3; exit 7")
    assert done.returncode == 7
    assert done.stderr.count("interface is gone") == 1


def test_a_capture_that_cannot_be_written_is_said_and_1(lab: Lab) -> None:
    lab.run("", "ip netns add full")
    process = lab.dashi("attach", "--netns", "/run/netns/full", "--configure", "--pcap", "/dev/full")
    lab.run("full", f"ping -c 1 -W 5 {NET4}")
    assert process.stop() == 1
    assert "No space left" in process.output()
    lab.run("", "ip netns del full")


def capabilities(status: str) -> dict[str, int]:
    return {name: int(value, 16) for name, value in
            (line.split(":\t") for line in status.splitlines() if line.startswith(("Cap", "NoNew")))}


def test_dashi_keeps_no_privilege_that_it_does_not_need(lab: Lab) -> None:
    needed = 1 << 13 | 1 << 10  # CAP_NET_RAW, CAP_NET_BIND_SERVICE: linux/capability.h
    with lab.attached() as process:
        held = capabilities(Path(f"/proc/{process.popen.pid}/status").read_text())
    assert (held["CapPrm"] & ~needed, held["CapEff"] & ~needed, held["CapInh"], held["CapAmb"]) == (0, 0, 0, 0)
    assert held["NoNewPrivs"] == 1
    commands = capabilities(run("cat /proc/self/status").stdout)
    assert commands["CapEff"] & 1 << 12  # CAP_NET_ADMIN: it is root in its own network
    assert commands["NoNewPrivs"] == 0
