"""Guests that configure themselves: DHCP clients and the kernel's own autoconfiguration."""
from __future__ import annotations

import contextlib
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from lab import (GATEWAY4, GUEST4, NET4, NET6, PREFIX6, WAIT, Dashi, Lab, dashi_program, eventually, inside,
                 need)

need("udhcpc", "dhclient", "rdisc6", "ping")

DEVICE = "dashi0"


@contextlib.contextmanager
def plain_guest(lab: Lab, name: str, *options: str) -> Iterator[Dashi]:
    """A new namespace with dashi attached, nothing configured in it."""
    lab.run("", f"ip netns add {name} && ip -n {name} link set lo up")
    dashi = lab.dashi("attach", "--netns", f"/run/netns/{name}", *options)
    try:
        yield dashi
        dashi.finish()
    finally:
        dashi.stop(signal.SIGKILL)
        lab.run("", f"ip netns del {name}")


def script(lab: Lab, name: str, body: str) -> Path:
    path = lab.folder / name
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return path


def test_udhcpc_gets_address_route_and_names(lab: Lab) -> None:
    said = lab.folder / "udhcpc.said"
    act = script(lab, "udhcpc.sh", f"""
[ "$1" = bound ] || exit 0
ip addr add $ip/$mask dev $interface && ip route add default via $router
echo "$ip $mask $router $dns $search $lease $mtu $domain $hostname" > {said}""")
    with plain_guest(lab, "dhcp1", "--hostname", "guest7"):
        lab.run("dhcp1", f"udhcpc -f -q -n -t 5 -T 1 -i {DEVICE} -s {act} -O search -O mtu -O domain -O hostname")
        assert said.read_text().split() == [
            GUEST4, "24", GATEWAY4, GATEWAY4, "example.test", "86400", "1500", "example.test", "guest7"]
        assert "1 received" in lab.run("dhcp1", f"ping -c 1 -W 5 {NET4}")


def test_dhclient_gets_address_route_and_names(lab: Lab) -> None:
    said = lab.folder / "dhclient.said"
    act = script(lab, "dhclient.sh", f"""
case $reason in BOUND|REBOOT) ;; *) exit 0 ;; esac
ip addr add $new_ip_address/24 dev $interface && ip route add default via $new_routers
echo "$new_ip_address $new_subnet_mask $new_routers $new_domain_name_servers" > {said}""")
    with plain_guest(lab, "dhcp2"):
        lab.run("dhcp2", f"dhclient -1 -sf {act} -lf {lab.folder}/leases -pf {lab.folder}/dhclient.pid "
                         f"-cf /dev/null {DEVICE}")
        lab.run("dhcp2", f"kill $(cat {lab.folder}/dhclient.pid)")
        assert said.read_text().split() == [GUEST4, "255.255.255.0", GATEWAY4, GATEWAY4]
        assert "1 received" in lab.run("dhcp2", f"ping -c 1 -W 5 {NET4}")


def has_link_local(lab: Lab, guest: str) -> bool:
    return "fe80" in lab.run(guest, f"ip -6 -o addr show dev {DEVICE} scope link -tentative")


def has_address(lab: Lab, guest: str) -> bool:
    out = lab.run(guest, f"ip -6 -o addr show dev {DEVICE} scope global -tentative")
    return PREFIX6 in out and "dynamic" in out


def default_route(lab: Lab, guest: str) -> str:
    return lab.run(guest, "ip -6 route show default")


def test_the_kernel_configures_itself_by_slaac(lab: Lab) -> None:
    with plain_guest(lab, "slaac1"):
        eventually("an address by SLAAC", lambda: has_address(lab, "slaac1"))
        assert "via fe80::" in default_route(lab, "slaac1")
        assert "1 received" in lab.run("slaac1", f"ping -6 -c 1 -W 5 {NET6}")
        assert "1 received" in lab.run("slaac1", f"ping -6 -c 1 -W 5 {PREFIX6}1")


def test_the_default_route_follows_the_hosts(lab: Lab) -> None:
    """Without an IPv6 default route on the host the guest has addresses, and no way out."""
    lab.run("", f"ip -n host -6 route del default via {NET6}")
    try:
        with plain_guest(lab, "slaac2"):
            eventually("an address by SLAAC", lambda: has_address(lab, "slaac2"))
            assert default_route(lab, "slaac2") == ""
            lab.run("", f"ip -n host -6 route add default via {NET6}")
            eventually("the default route comes", lambda: default_route(lab, "slaac2"))
            lab.run("", f"ip -n host -6 route del default via {NET6}")
            eventually("the default route goes", lambda: not default_route(lab, "slaac2"))
    finally:
        lab.run("", f"ip -n host -6 route replace default via {NET6}")


def test_router_advertisements_name_prefix_mtu_and_resolver(lab: Lab) -> None:
    with plain_guest(lab, "slaac3", "--mtu", "4000"):
        eventually("an address by SLAAC", lambda: has_address(lab, "slaac3"))
        out = lab.run("slaac3", f"rdisc6 -1 -r 5 -w 1000 {DEVICE}")
        assert f"{PREFIX6}/64" in out
        assert "4000 bytes" in out
        assert "Recursive DNS server" in out
        assert "example.test" in out


def test_dhclient_asks_for_names_by_dhcpv6(lab: Lab) -> None:
    said = lab.folder / "dhclient6.said"
    act = script(lab, "dhclient6.sh", f'echo "$new_dhcp6_name_servers $new_dhcp6_domain_search" >> {said}')
    with plain_guest(lab, "dhcp6"):
        eventually("an address by SLAAC", lambda: has_address(lab, "dhcp6"))
        eventually("a link-local address", lambda: has_link_local(lab, "dhcp6"))
        lab.run("dhcp6", f"dhclient -6 -S -1 -sf {act} -lf {lab.folder}/leases6 "
                         f"-pf {lab.folder}/dhclient6.pid -cf /dev/null {DEVICE}")
        eventually("an answer by DHCPv6", lambda: "fe80::" in said.read_text())
        assert "example.test" in said.read_text()
        lab.run("dhcp6", f"kill $(cat {lab.folder}/dhclient6.pid)", check=False)


def test_no_ipv6_means_none(lab: Lab) -> None:
    with plain_guest(lab, "v4only", "--no-ipv6"):
        eventually("a link-local address", lambda: has_link_local(lab, "v4only"))
        assert "No response" in lab.run("v4only", f"rdisc6 -1 -r 1 -w 500 {DEVICE}", check=False)


@pytest.mark.parametrize("guest", ["v4v6"])
def test_an_attached_namespace_finds_its_resolver(lab: Lab, guest: str) -> None:
    """/etc/netns/NAME/resolv.conf is there while dashi is, and not afterwards."""
    written = Path(f"/etc/netns/{guest}/resolv.conf")
    with plain_guest(lab, guest) as dashi:
        assert f"nameserver {GATEWAY4}" in dashi.output()
        assert f"nameserver {GATEWAY4}" in written.read_text()
    assert not written.exists()
    assert not written.parent.exists()


def test_an_interface_that_is_deleted_ends_dashi(lab: Lab) -> None:
    lab.run("", "ip netns add deleted")
    dashi = lab.dashi("attach", "--netns", "/run/netns/deleted")
    lab.run("", f"ip -n deleted link del {DEVICE}")
    assert dashi.popen.wait(timeout=20) == 1
    assert "interface is gone" in dashi.output()
    lab.run("", "ip netns del deleted")


def test_a_namespace_that_is_deleted_ends_dashi(lab: Lab) -> None:
    """Its name is gone; the interface alone would keep it alive, and dashi with it."""
    lab.run("", "ip netns add unlinked && ip netns add bystander")
    dashi = lab.dashi("attach", "--netns", "/run/netns/unlinked")
    written = Path("/etc/netns/unlinked/resolv.conf")
    assert written.exists()
    lab.run("", "ip netns del bystander")  # in the same folder, and nothing to dashi
    dashi.status()
    lab.run("", "ip netns del unlinked && ip netns add unlinked")  # another of that name
    assert dashi.popen.wait(timeout=WAIT) == 0
    assert "the namespace /run/netns/unlinked is gone" in dashi.output()
    assert not written.exists()
    lab.run("", "ip netns del unlinked")


@pytest.mark.parametrize("by", ["--pid", "--netns", "link"])
def test_a_process_that_ends_ends_dashi(lab: Lab, by: str) -> None:
    process = lab.start("", "unshare", "--net", "sleep", "1000")
    path = Path(f"/proc/{process.popen.pid}/ns/net")
    eventually("it has a namespace of its own", lambda: path.readlink() != Path("/proc/self/ns/net").readlink())
    if by == "link":  # as containers are made known to `ip netns`
        Path("/run/netns/container").symlink_to(path)
        path = Path("/run/netns/container")
    where = ("--pid", str(process.popen.pid)) if by == "--pid" else ("--netns", str(path))
    dashi = lab.dashi("attach", *where, "--configure")
    enter = f"nsenter --net=/proc/{process.popen.pid}/ns/net"
    assert "1 received" in lab.run("", f"{enter} ping -c 1 -W 5 {NET4}")
    process.stop(signal.SIGKILL)
    assert dashi.popen.wait(timeout=WAIT) == 0
    assert f"process {process.popen.pid} ended" in dashi.output()


def test_a_namespace_without_ipv6_is_configured_for_ipv4(lab: Lab) -> None:
    """As containers often have it."""
    lab.run("", "ip netns add v6off")
    for which in ("all", "default"):
        lab.sysctl("v6off", f"net/ipv6/conf/{which}/disable_ipv6", "1")
    with lab.attached(guest="v6off") as dashi:
        assert "IPv6 is switched off" in dashi.output()
        assert "1 received" in lab.run("v6off", f"ping -c 1 -W 5 {NET4}")
    lab.run("", "ip netns del v6off")


def test_dashi_does_not_become_its_own_network(lab: Lab) -> None:
    done = subprocess.run(inside("host", [dashi_program(), "attach", "--netns", "/run/netns/host", "--configure"]),
                          capture_output=True, text=True, timeout=WAIT)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1), done
    assert "dashi's own" in done.stderr
    assert lab.run("host", f"ip -o link show dev {DEVICE}", check=False) == ""
