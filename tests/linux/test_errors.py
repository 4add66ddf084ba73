"""What the network says of a packet reaches the guest: who said it, and what.

    guest -- dashi in host -- internet, a router here -- beyond (a link of MTU 1400)
"""
from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest
from lab import GATEWAY4, HERE, NET4, NET6, PREFIX6, Dashi, Lab, need

need("ping")

CLIENT = f"{sys.executable} {HERE}/clients.py"
BEYOND4, BEYOND6 = "198.18.0.2", "2001:db8:300::2"


@pytest.fixture(scope="module")
def attached(lab: Lab) -> Iterator[Dashi]:
    lab.run("", "ip netns add beyond && ip -n beyond link set lo up && "
                "ip -n internet link add veth1 type veth peer name veth1 netns beyond")
    lab.sysctl("beyond", "net/ipv6/conf/default/accept_dad", "0")
    for namespace, end in (("internet", "1"), ("beyond", "2")):
        lab.run("", f"ip -n {namespace} link set veth1 mtu 1400 up && "
                    f"ip -n {namespace} addr add 198.18.0.{end}/24 dev veth1 && "
                    f"ip -n {namespace} addr add 2001:db8:300::{end}/64 dev veth1 nodad")
    lab.run("", "ip -n beyond route add default via 198.18.0.1 && ip -n beyond route add default via 2001:db8:300::1")
    lab.sysctl("internet", "net/ipv4/ip_forward", "1")
    lab.sysctl("internet", "net/ipv6/conf/all/forwarding", "1")
    # The router speaks of every packet here, not of one a second.
    lab.sysctl("internet", "net/ipv4/icmp_ratelimit", "0")
    lab.sysctl("internet", "net/ipv6/icmp/ratelimit", "0")
    with lab.attached() as dashi:
        yield dashi


BOTH = pytest.mark.parametrize(("target", "router", "gateway"), [
    (BEYOND4, NET4, GATEWAY4), (BEYOND6, NET6, PREFIX6)])


@BOTH
def test_ping_walks_the_path_hop_by_hop(lab: Lab, attached: Dashi, target: str, router: str, gateway: str) -> None:
    hops = [lab.run("guest", f"ping -n -c 1 -t {ttl} -W 5 {target}", check=False) for ttl in (1, 2, 3)]
    assert "1 received" not in hops[0] + hops[1]
    assert f"From {gateway}" in hops[0] or "From fe80::" in hops[0]
    assert f"From {router}" in hops[1]
    assert "1 received" in hops[2]


@BOTH
@pytest.mark.parametrize("protocol", ["tcp", "udp"])
def test_a_router_where_the_ttl_ends_is_named(lab: Lab, attached: Dashi, protocol: str, target: str, router: str,
                                              gateway: str) -> None:
    exceeded = "11 0" if ":" not in target else "3 0"
    out = lab.run("guest", f"{CLIENT} error_of_{protocol} {target} 9 2")
    assert out.split() == [*exceeded.split(), router]


@BOTH
def test_a_port_nobody_has_is_named_by_its_host(lab: Lab, attached: Dashi, target: str, router: str,
                                                gateway: str) -> None:
    unreachable = "3 3" if ":" not in target else "1 4"
    out = lab.run("guest", f"{CLIENT} error_of_udp {target} 9 64")
    assert out.split() == [*unreachable.split(), target]


@BOTH
def test_the_path_mtu_is_told(lab: Lab, attached: Dashi, target: str, router: str, gateway: str) -> None:
    """1,450 bytes of UDP with DF: the router's word, with its MTU."""
    too_big = "3 4" if ":" not in target else "2 0"
    out = lab.run("guest", f"{CLIENT} error_of_udp {target} 9 64 1410")
    assert out.split()[:2] == too_big.split()
    assert "1400" in lab.run("guest", f"ip route get {target}")


@BOTH
def test_a_large_ping_is_told_the_path_mtu(lab: Lab, attached: Dashi, target: str, router: str,
                                           gateway: str) -> None:
    lab.run("guest", "ip route flush cache; ip -6 route flush cache")
    out = lab.run("guest", f"ping -n -M do -c 2 -i 0.3 -s 1430 -W 3 {target} 2>&1", check=False)
    assert "1400" in out


@BOTH
def test_tcp_finds_its_way_through_the_short_link(lab: Lab, attached: Dashi, target: str, router: str,
                                                  gateway: str) -> None:
    server = lab.start("beyond", sys.executable, str(HERE / "peers.py"), "::", "7000")
    lab.wait_for_port("beyond", "::", 7006)
    lab.run("guest", f"{CLIENT} we_close_first {target} 7000")
    lab.run("guest", f"{CLIENT} they_close_first {target} 7001")
    server.stop()


@pytest.mark.parametrize("address", ["127.0.0.1", "169.254.169.254", "169.254.1.1", "0.0.0.1"])
def test_host_loopback_and_metadata_are_out_of_reach(lab: Lab, attached: Dashi, address: str) -> None:
    """By a route that sends them to dashi; the guest's own kernel would keep loopback."""
    if address.startswith("127."):
        lab.sysctl("guest", "net/ipv4/conf/all/route_localnet", "1")
        lab.run("guest", "ip route del local 127.0.0.0/8 dev lo table local; ip route del local 127.0.0.1 dev lo "
                         "table local; ip route add 127.0.0.1 via 10.0.0.1 dev dashi0", check=False)
    before = attached.status().get("tcp-opened", 0)
    lab.run("guest", f"! {CLIENT} who {address} 80 2>/dev/null")
    assert attached.status().get("tcp-opened", 0) == before
