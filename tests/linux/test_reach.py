"""What reaches whom: forwards into the guest, the host's loopback, UDP filters, addresses that clash."""
from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator

import pytest
from lab import (FAR4, GATEWAY4, GUEST4, HERE, HOST4, HOST6, NET4, NET6, PREFIX6, Dashi, Lab, dashi_program,
                 eventually, in_url, inside, need)

need("curl", "ping", "ss", "tshark")

CLIENT = f"{sys.executable} {HERE}/clients.py"
ALL4, ALL6 = "0.0.0.0", "[::]"


@pytest.fixture(scope="module")
def forwarding(lab: Lab) -> Iterator[Dashi]:
    """The guest serves on 7000 and up; the host listens for it on loopback and to the world."""
    guest = lab.start("server", sys.executable, str(HERE / "peers.py"), "::", "7000")
    lab.wait_for_port("server", "::", 7004)
    with lab.attached("-p", "tcp:8000-8005:7000", "-p", "udp:8004:7004",
                      "-p", f"tcp:{ALL4}:9000-9003:7000", "-p", f"tcp:{ALL6}:9000-9003:7000",
                      "-p", f"udp:{ALL4}:9004:7004", "-p", f"udp:{ALL6}:9004:7004",
                      "-p", "tcp:0:7003", "-p", "tcp:18000-18100:6900", guest="server") as dashi:
        yield dashi
    guest.stop()


LOOPBACK = pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
WORLD = pytest.mark.parametrize("address", [HOST4, HOST6])


@LOOPBACK
def test_a_port_of_the_hosts_loopback_leads_to_the_guest(lab: Lab, forwarding: Dashi, address: str) -> None:
    lab.run("host", f"{CLIENT} we_close_first {address} 8000")
    lab.run("host", f"{CLIENT} they_close_first {address} 8001")
    lab.run("host", f"{CLIENT} is_reset {address} 8005")
    lab.run("host", f"{CLIENT} udp {address} 8004")


@LOOPBACK
def test_a_range_of_many_ports_leads_to_as_many_of_the_guest(lab: Lab, forwarding: Dashi, address: str) -> None:
    lab.run("host", f"{CLIENT} we_close_first {address} 18100")


@LOOPBACK
def test_a_server_that_knows_only_ipv4_is_at_localhost(lab: Lab, forwarding: Dashi, address: str) -> None:
    server = lab.start("server", sys.executable, "-m", "http.server", "--bind", "0.0.0.0", "6901")
    lab.wait_for_port("server", "", 6901)
    lab.run("host", f"curl -sSf -o /dev/null --max-time 20 http://{in_url(address)}:18001/")
    server.stop()


@WORLD
def test_an_open_port_leads_from_the_internet_to_the_guest(lab: Lab, forwarding: Dashi, address: str) -> None:
    lab.run("internet", f"{CLIENT} we_close_first {address} 9000")
    lab.run("internet", f"{CLIENT} they_close_first {address} 9001")
    lab.run("internet", f"{CLIENT} udp {address} 9004")


@WORLD
def test_a_loopback_port_is_closed_to_the_internet(lab: Lab, forwarding: Dashi, address: str) -> None:
    lab.run("internet", f"{CLIENT} is_refused {address} 8000")


@pytest.mark.parametrize(("place", "address", "port", "seen"), [
    ("internet", HOST4, 9003, NET4), ("internet", HOST6, 9003, NET6),
    ("host", "127.0.0.1", 8003, GATEWAY4)])
def test_the_guest_sees_who_connects(lab: Lab, forwarding: Dashi, place: str, address: str, port: int,
                                     seen: str) -> None:
    """The client's own address; the gateway's where it is a loopback address."""
    out = lab.run(place, f"{CLIENT} who {address} {port}")
    assert seen in out


def test_the_hosts_connections_have_keep_alive_both_ways(lab: Lab, forwarding: Dashi) -> None:
    """A server, or a peer of a forward, that is gone must be noticed."""
    hold = "import socket,time; s = socket.create_connection((%r, %d)); time.sleep(1000)"
    guest = lab.start("server", sys.executable, "-c", hold % (NET4, 7003))
    peer = lab.start("internet", sys.executable, "-c", hold % (HOST4, 9003))
    for which in (f"dst {NET4} dport = 7003", f"src {HOST4} sport = 9003"):
        eventually(f"a connection {which} has the timer", lambda: "timer:(keepalive,1" in lab.run(
            "host", f"ss -Htno state established '{which}'"))
    guest.stop()
    peer.stop()


def test_port_0_picks_one_and_prints_it(lab: Lab, forwarding: Dashi) -> None:
    said = re.search(r"^tcp:127\.0\.0\.1:(\d+):7003$", forwarding.output(), re.M)
    assert said, forwarding.output()
    assert GATEWAY4 in lab.run("host", f"{CLIENT} who 127.0.0.1 {said[1]}")


def refused_to_start(lab: Lab, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(inside("host", [dashi_program(), "attach", "--netns", "/run/netns/guest", *options]),
                          capture_output=True, text=True, timeout=20)


def test_a_port_that_is_taken_is_an_error_that_names_it(lab: Lab, forwarding: Dashi) -> None:
    lab.start("host", sys.executable, "-c", "import socket,time; s=socket.socket(); "
              "s.bind(('127.0.0.1',9100)); s.listen(); time.sleep(60)")
    lab.wait_for_port("host", "", 9100)
    done = refused_to_start(lab, "--ifname", "other", "-p", "tcp:9100:80")
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "127.0.0.1:9100" in done.stderr


@pytest.fixture(scope="module")
def host_service(lab: Lab) -> None:
    """A server on the host's loopback only."""
    for address in ("127.0.0.1", "::1"):
        lab.start("host", sys.executable, "-m", "http.server", "--bind", address, "8123",
                  "--directory", str(HERE))
    lab.wait_for_port("host", "", 8123)


def fetch(lab: Lab, address: str, port: int) -> str:
    return lab.run("guest", f"curl -s -m 10 http://{address}:{port}/lab.py | head -1", check=False)


@pytest.mark.parametrize("gateway", [GATEWAY4, "[fd00:da51::1]"])
def test_the_hosts_loopback_is_closed_unless_opened(lab: Lab, host_service: None, gateway: str) -> None:
    wanted = (HERE / "lab.py").read_text().splitlines()[0]
    with lab.attached():
        assert wanted not in fetch(lab, gateway, 8123)
    with lab.attached("--allow-host-loopback=8000-8100,8123"):
        eventually("the server answers", lambda: wanted in fetch(lab, gateway, 8123))
    with lab.attached("--allow-host-loopback=8124"):
        assert wanted not in fetch(lab, gateway, 8123)
    with lab.attached("--allow-host-loopback"):
        eventually("the server answers", lambda: wanted in fetch(lab, gateway, 8123))


@pytest.fixture(scope="module")
def host_peers(lab: Lab) -> None:
    """Servers of TCP and UDP on all the host's addresses, its loopback among them."""
    lab.start("host", sys.executable, str(HERE / "peers.py"), "::", "7200")
    lab.wait_for_port("host", "", 7206)


@pytest.mark.parametrize(("opened", "tcp", "udp"), [
    ([], False, False), (["--allow-host-loopback=7203"], True, False), (["--allow-host-loopback=7204"], False, True),
    (["--allow-host-loopback=7100-7203,7204"], True, True), (["--allow-host-loopback"], True, True)])
def test_only_opened_ports_of_the_hosts_loopback_are_reached(lab: Lab, host_peers: None, opened: list[str], tcp: bool,
                                                             udp: bool) -> None:
    """TCP on 7203 and UDP on 7204, of both families; what is not opened is refused, not ignored."""
    with lab.attached(*opened):
        for gateway in (GATEWAY4, "fd00:da51::1"):
            out = lab.run("guest", f"{CLIENT} {'who' if tcp else 'is_refused'} {gateway} 7203")
            assert not tcp or "127.0.0.1" in out or "::1" in out
            lab.run("guest", f"{CLIENT} {'udp' if udp else 'is_refused_udp'} {gateway} 7204")
            if opened != ["--allow-host-loopback"]:
                lab.run("guest", f"{CLIENT} is_refused {gateway} 7205")
                lab.run("guest", f"{CLIENT} is_refused_udp {gateway} 7206")


def test_a_host_without_ipv6_still_serves_ipv6_to_the_guest(lab: Lab) -> None:
    """The gateway answers on both; what lies beyond is unreachable, at once; -p does with IPv4."""
    lab.run("", "ip netns add host4 && ip -n host4 link set lo up && "
                "ip netns add inner && ip -n inner link set lo up")
    lab.sysctl("host4", "net/ipv6/conf/all/disable_ipv6", "1")
    guest = lab.start("inner", sys.executable, str(HERE / "peers.py"), "::", "7300")
    lab.wait_for_port("inner", "", 7306)
    with lab.attached("-p", "tcp:8300:7300", guest="inner", namespace="host4"):
        for gateway in (GATEWAY4, "fd00:da51::1"):
            assert "1 received" in lab.run("inner", f"ping -c 1 -W 5 {gateway}")
        lab.run("inner", "ip -6 route replace default via fd00:da51::1")
        lab.run("inner", f"{CLIENT} is_unreachable {NET6} 80")
        lab.run("host4", f"{CLIENT} we_close_first 127.0.0.1 8300")
    guest.stop()


@pytest.mark.parametrize(("kind", "heard"), [("endpoint", True), ("address", False), ("port", False)])
def test_the_udp_filter_decides_who_may_answer(lab: Lab, kind: str, heard: bool) -> None:
    """The server's second address is asked, and answers from its first."""
    with lab.attached("--udp-filter", kind):
        out = lab.run("guest", f"{CLIENT} answer_from_elsewhere {FAR4} 7004")
        assert out.strip() == (NET4 if heard else "nobody")


def test_a_subnet_of_the_hosts_own_is_refused_by_name(lab: Lab) -> None:
    lab.run("", "ip -n host addr add 10.0.0.77/24 dev veth0")
    try:
        done = refused_to_start(lab, "--net", "10.0.0.0/16")
        assert done.returncode == 1
        assert "10.0.0.0/24 dev veth0" in done.stderr
        with lab.attached() as dashi:
            assert "10.0.2.0/24" in dashi.output()
            assert "1 received" in lab.run("guest", f"ping -c 1 -W 5 {NET4}")
            assert "inet 10.0.2.2/24" in lab.run("guest", "ip addr show dev dashi0")
    finally:
        lab.run("", "ip -n host addr del 10.0.0.77/24 dev veth0")


@pytest.mark.parametrize(("server", "too_long"), [(NET4, "mtu = 1500"), (NET6, "mtu=1500")])
def test_a_large_mtu_carries_large_packets(lab: Lab, server: str, too_long: str) -> None:
    with lab.attached("--mtu", "65520"):
        assert "mtu 65520" in lab.run("guest", "ip link show dev dashi0")
        lab.run("guest", f"{CLIENT} we_close_first {server} 7000")
        # The host's own link is shorter: a packet that may not be cut is refused with its MTU, one that
        # may be is cut by the host. Over IPv6 the guest cuts it itself, once it knows.
        refused = lab.run("guest", f"ping -M do -c 1 -s 20000 -W 5 {server}", check=False)
        assert too_long in refused
        if server == NET4:
            lab.run("guest", "ip route flush cache")
        assert "1 received" in lab.run("guest", f"ping -M dont -c 1 -s 20000 -W 5 {server}")


FLOWS = """
import signal, socket, sys
tcp = socket.create_connection((sys.argv[1], 7003), timeout=20)
tcp.sendall(b"who\\n")
tcp.recv(100)
udp = socket.socket(tcp.family, socket.SOCK_DGRAM)
udp.connect((sys.argv[1], 7004))
for _ in range(3):
    udp.send(b"x")
    udp.recv(100)
print(tcp.getsockname()[1], udp.getsockname()[1], flush=True)
signal.pause()
"""


@pytest.mark.parametrize("server", [NET4, NET6])
def test_the_status_shows_each_flow_with_its_numbers(lab: Lab, server: str) -> None:
    far = in_url(server)
    with lab.attached() as dashi:
        flows = lab.start("guest", sys.executable, "-c", FLOWS, server)
        tcp, udp = str(eventually("the flows are open", flows.output)).split()
        dashi.status()
        said = dashi.output().rsplit("dashi: status\n", 1)[1]
        found = re.search(rf"^tcp (\S+):{tcp} > {re.escape(far)}:7003 ESTABLISHED (.*)$", said, re.M)
        assert found, said
        assert found[1] == (GUEST4 if server == NET4 else found[1]) and (server == NET4 or PREFIX6 in found[1])
        numbers = {name: int(value) for name, value in re.findall(r"(\S+)=(\d+)", found[2])}
        assert numbers["snd.una"] == numbers["snd.nxt"]
        assert min(numbers["snd.wnd"], numbers["rcv.wnd"], numbers["cwnd"]) > 10_000
        assert numbers["held"] == numbers["gaps"] == numbers["host.unsent"] == 0
        assert numbers["rto"] >= 200 and "srtt" in numbers
        assert re.search(rf"^udp {re.escape(found[1])}:{udp} from \S+:\d+ -> {re.escape(far)}:7004 contacts 1 "
                         r"sent 3 received 3 idle \d+ms$", said, re.M), said
        flows.stop()


HASHES = """
import hashlib, socket
s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
s.bind(("::", 7600))
while True:
    data, peer = s.recvfrom(65536)
    s.sendto(hashlib.sha256(data).hexdigest().encode(), peer)
"""


@pytest.mark.parametrize("server", [NET4, NET6])
def test_datagrams_longer_than_the_mtu_reach_the_internet(lab: Lab, server: str) -> None:
    """The guest's kernel cuts them into fragments; they arrive whole, and what is answered comes back."""
    hashing = lab.start("internet", sys.executable, "-c", HASHES)
    lab.wait_for_port("internet", "", 7600)
    with lab.attached():
        lab.run("guest", f"{CLIENT} udp_hashed {server} 7600")
    hashing.stop()


@pytest.mark.parametrize(("server", "gateway"), [(NET4, GATEWAY4), (NET6, "fd00:da51::1")])
@pytest.mark.parametrize("mtu", ["576", "1280", "1500"])
def test_answers_longer_than_the_mtu_reach_the_guest(lab: Lab, mtu: str, server: str, gateway: str) -> None:
    """Cut into fragments, which the guest's kernel puts together: pings, and datagrams up to 60,000 bytes."""
    if mtu == "576" and ":" in server:
        pytest.skip("IPv6 has no link of 576")
    with lab.attached("--mtu", mtu, *(["--no-ipv6"] if mtu == "576" else [])) as dashi:
        for far in (server, gateway):
            for size in (1473, 3000, 60_000):
                assert "1 received" in lab.run("guest", f"ping -c 1 -W 5 -s {size} {far}"), (far, size)
        pings = dashi.status()["guest-fragments-out"]
        assert pings > 2 * 60_000 // int(mtu)
        lab.run("guest", f"{CLIENT} udp {server} 7004")
        assert dashi.status()["guest-fragments-out"] - pings > 68_000 // int(mtu)


def test_a_subnet_may_be_chosen(lab: Lab) -> None:
    with lab.attached("--net", "172.29.8.0/22", "--net6", "fd12:3456::/64"):
        out = lab.run("guest", "ip addr show dev dashi0; ip route; ip -6 route")
        assert "inet 172.29.8.2/22" in out
        assert "default via 172.29.8.1" in out
        assert "fd12:3456::2" in out
        for server in (NET4, NET6):
            assert "1 received" in lab.run("guest", f"ping -c 1 -W 5 {server}")


def test_ping_falls_back_to_raw_sockets(lab: Lab) -> None:
    """Where net.ipv4.ping_group_range is as the kernel has it, and dashi may."""
    lab.run("internet", f"ip -6 route replace default via {HOST6}")
    with lab.attached(namespace="internet") as dashi:
        for server in (NET4, NET6):
            assert "2 received" in lab.run("guest", f"ping -c 2 -i 0.2 -W 5 {server}")
        assert dashi.output().count("ping is refused") == 0


def test_ping_that_the_host_refuses_is_said_once(lab: Lab) -> None:
    without = ("setpriv", "--bounding-set", "-net_raw", "--inh-caps", "-net_raw")
    with lab.attached(namespace="internet", wrapper=without) as dashi:
        out = lab.run("guest", f"ping -c 3 -i 0.2 -W 1 {NET4}", check=False)
        assert "0 received" in out
        assert dashi.output().count("ping is refused") == 1


@pytest.mark.parametrize("server", [NET4, NET6])
def test_a_connect_that_fails_tells_the_guest_why(lab: Lab, server: str) -> None:
    """An unreachable network on the host is the same ICMP error in the guest."""
    v6 = ":" in server
    net = "2001:db8:dead::/64" if v6 else "192.0.2.0/24"
    target = "2001:db8:dead::1" if v6 else "192.0.2.1"
    lab.run("", f"ip -n host route add unreachable {net}")
    try:
        with lab.attached():
            lab.run("guest", f"{CLIENT} is_unreachable {target} 80")
    finally:
        lab.run("", f"ip -n host route del unreachable {net}")


def test_a_capture_has_both_sides(lab: Lab) -> None:
    capture = lab.folder / "capture.pcapng"
    with lab.attached("--pcap", str(capture)):
        lab.run("guest", f"{CLIENT} we_close_first {NET4} 7000")
    out = lab.run("", f"tshark -r {capture} -T fields -e frame.interface_name -e ip.src -e ip.dst "
                      "-Y tcp.flags.syn==1 2>/dev/null")
    assert ["guest", "10.0.0.2", NET4] in [line.split("\t") for line in out.splitlines()]
    assert any(line.startswith("host\t") for line in out.splitlines())
