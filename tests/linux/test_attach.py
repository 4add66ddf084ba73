"""A kernel guest, configured by dashi, talks to real programs through `dashi attach`."""
from __future__ import annotations

import sys
from pathlib import Path

import pytest
from lab import FAR4, GATEWAY4, HERE, NET4, NET6, Lab, eventually, in_url, need, sha256

need("nginx", "curl", "dnsmasq", "dig", "ping", "ss", "nsenter")

BOTH = pytest.mark.parametrize("server", [NET4, NET6])
CLIENT = f"{sys.executable} {HERE}/clients.py"


@pytest.fixture(scope="module", params=["kernel", "ring"])
def attached(lab: Lab, request: pytest.FixtureRequest):
    """dashi between guest and internet: once as the kernel is, once as without SO_PEEK_OFF."""
    environment = {"DASHI_TEST_PEEK_RING": "1"} if request.param == "ring" else {}
    with lab.attached(**environment) as dashi:
        yield dashi


@pytest.fixture(scope="module")
def website(lab: Lab) -> Path:
    """nginx in the internet: files to fetch, and PUT."""
    root = lab.folder / "www"
    root.mkdir()
    lab.random_file("www/small", 1000)
    lab.random_file("www/large", 8_000_000)
    conf = lab.folder / "nginx.conf"
    conf.write_text(f"""
user root; daemon off; pid {lab.folder}/nginx.pid; error_log {lab.folder}/nginx.log;
events {{ worker_connections 4096; }}
http {{
  access_log off; client_max_body_size 100m; client_body_temp_path {lab.folder}/body;
  proxy_temp_path {lab.folder}/p1; fastcgi_temp_path {lab.folder}/p2; uwsgi_temp_path {lab.folder}/p3;
  scgi_temp_path {lab.folder}/p4;
  server {{ listen 80; listen [::]:80; root {root}; dav_methods PUT; }}
}}""")
    lab.start("internet", "nginx", "-c", str(conf))
    lab.wait_for_port("internet", "", 80)
    return root


@BOTH
def test_ping_gets_an_answer_and_counts_the_gateway_as_one_hop(lab: Lab, attached, server: str) -> None:
    out = lab.run("guest", f"ping -c 2 -i 0.2 -W 5 {server}")
    assert "2 received" in out
    assert "ttl=63" in out  # the server's 64 less the gateway


@BOTH
def test_a_ttl_of_one_ends_at_the_gateway(lab: Lab, attached, server: str) -> None:
    out = lab.run("guest", f"ping -c 1 -t 1 -W 5 {server}", check=False)
    assert "Time to live exceeded" in out or "Hop limit" in out
    assert GATEWAY4 in out or "fe80::" in out or "fd00:da51::1" in out


@BOTH
@pytest.mark.parametrize("name", ["small", "large"])
def test_curl_fetches_files_byte_for_byte(lab: Lab, attached, website: Path, server: str, name: str) -> None:
    got = lab.folder / "got"
    lab.run("guest", f"curl -sSf -m 25 -o {got} http://{in_url(server)}/{name}")
    assert sha256(got) == sha256(website / name)


@BOTH
def test_curl_uploads_files_byte_for_byte(lab: Lab, attached, website: Path, server: str) -> None:
    sent = lab.random_file("upload", 6_000_000)
    lab.run("guest", f"curl -sSf -m 25 -T {sent} http://{in_url(server)}/uploaded")
    assert sha256(website / "uploaded") == sha256(sent)
    (website / "uploaded").unlink()


@BOTH
def test_the_guest_may_close_first(lab: Lab, attached, server: str) -> None:
    lab.run("guest", f"{CLIENT} we_close_first {server} 7000")


@BOTH
def test_the_server_may_close_first(lab: Lab, attached, server: str) -> None:
    lab.run("guest", f"{CLIENT} they_close_first {server} 7001")


@BOTH
def test_a_reset_stays_a_reset(lab: Lab, attached, server: str) -> None:
    lab.run("guest", f"{CLIENT} is_reset {server} 7005")


@BOTH
def test_a_refusal_stays_a_refusal(lab: Lab, attached, server: str) -> None:
    lab.run("guest", f"{CLIENT} is_refused {server} 9")


@BOTH
def test_udp_goes_both_ways(lab: Lab, attached, server: str) -> None:
    lab.run("guest", f"{CLIENT} udp {server} 7004")


@BOTH
def test_rows_of_datagrams_enter_and_leave_whole(lab: Lab, attached, server: str) -> None:
    """Segmentation offload for UDP: a row is one frame on the TAP, and single datagrams at the server."""
    watch = lab.start("guest", sys.executable, f"{HERE}/longest_frames.py", "dashi0")
    eventually("the watch is ready", lambda: "ready" in watch.output())
    lab.run("guest", f"{CLIENT} udp_rows {server} 7006")
    watch.stop()
    _, left = (int(word) for word in watch.output().split()[1:])
    assert left > 1514


@pytest.fixture(scope="module")
def names(lab: Lab) -> None:
    """dnsmasq in the internet, the host's resolver."""
    big = "".join(f" --txt-record=big.example.test,{'x' * 200}{i}" for i in range(12))
    lab.start("internet", "sh", "-c",
              "exec dnsmasq --no-daemon --no-hosts --no-resolv --pid-file= "
              f"--host-record=www.example.test,{NET4},{NET6} --local=/example.test/ --port=53 " + big)
    lab.wait_for_port("internet", "", 53)


@pytest.mark.parametrize("gateway", [GATEWAY4, "fd00:da51::1"])
@pytest.mark.parametrize("over", ["+notcp", "+tcp"])
def test_dig_asks_the_gateway(lab: Lab, attached, names: None, over: str, gateway: str) -> None:
    ask = f"dig +time=5 +tries=2 {over} @{gateway}"
    assert lab.run("guest", f"{ask} +short www.example.test A").strip() == NET4
    assert lab.run("guest", f"{ask} +short www.example.test AAAA").strip() == NET6
    assert "NXDOMAIN" in lab.run("guest", f"{ask} nosuch.example.test A")


def test_an_answer_too_big_for_udp_comes_by_tcp(lab: Lab, attached, names: None) -> None:
    out = lab.run("guest", f"dig +time=5 +bufsize=512 @{GATEWAY4} +short big.example.test TXT")
    assert out.count("x" * 200) == 12


def test_a_changed_resolv_conf_is_followed(lab: Lab, attached, names: None) -> None:
    lab.resolv_conf.write_text("nameserver 203.0.113.200\n")
    ask = f"dig +time=1 +tries=1 @{GATEWAY4} +short www.example.test A"
    try:
        eventually("the old resolver is left", lambda: NET4 not in lab.run("guest", ask, check=False))
    finally:
        lab.resolv_conf.write_text(f"nameserver {NET4}\nsearch example.test\n")
    eventually("the new resolver is asked", lambda: NET4 in lab.run("guest", ask, check=False))


@pytest.mark.parametrize("over", ["+notcp", "+tcp"])
def test_dns_fails_over_from_a_silent_server(lab: Lab, attached, names: None, over: str) -> None:
    """The first resolver takes queries and connections, and never says a word; the second answers."""
    silent = lab.start("internet", sys.executable, "-c",
                       f"import socket, time; u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); u.bind(('{FAR4}', 5353)); "
                       f"t = socket.create_server(('{FAR4}', 5353)); print('up', flush=True); "
                       "f = lambda: print('heard', len(u.recv(2000)), flush=True)\nwhile True: f()")
    eventually("the silent server is up", lambda: "up" in silent.output())
    with lab.attached("--ifname", "dashi1", "--net", "10.9.0.0/24", "--net6", "fd00:9::/64", "--dns", f"{FAR4}:5353",
                      "--dns", NET4, guest="server"):
        out = lab.run("server", f"dig +time=20 +tries=1 {over} @10.9.0.1 +short www.example.test A")
        assert out.strip() == NET4
    if over == "+notcp":
        assert "heard" in silent.output()
    silent.stop()


@BOTH
def test_frames_longer_than_the_mtu_enter_and_leave_the_tap(lab: Lab, attached, website: Path,
                                                            server: str) -> None:
    """At MTU 1500 both directions carry super-frames, as the guest's own kernel sees them."""
    watch = lab.start("guest", sys.executable, f"{HERE}/longest_frames.py", "dashi0")
    eventually("the watch is ready", lambda: "ready" in watch.output())
    lab.run("guest", f"curl -sSf -m 25 -o /dev/null http://{in_url(server)}/large")
    sent = lab.random_file("upload", 4_000_000)
    lab.run("guest", f"curl -sSf -m 25 -T {sent} http://{in_url(server)}/uploaded")
    watch.stop()
    entered, left = (int(word) for word in watch.output().split()[1:])
    assert entered > 1514
    assert left > 1514
    (website / "uploaded").unlink()


@pytest.mark.parametrize("server", [NET4, NET6])
def test_a_thousand_connections_leave_nothing_behind(lab: Lab, attached, server: str) -> None:
    before = attached.descriptors()
    lab.run("guest", f"{CLIENT} many {server} 7003 1000")
    eventually("no flow is left", lambda: attached.status()["tcp"] == 0)
    assert attached.descriptors() <= before


def test_the_gateways_closed_ports_refuse(lab: Lab, attached) -> None:
    lab.run("guest", f"{CLIENT} is_refused {GATEWAY4} 9")
