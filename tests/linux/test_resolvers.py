"""The host's /etc/resolv.conf in the ways it changes: dashi asks whom it names."""
from __future__ import annotations

import pytest
from lab import GATEWAY4, NET4, Lab, eventually, need

need("dnsmasq", "dig")

NOBODY = "nameserver 203.0.113.200"
SOMEBODY = f"nameserver {NET4}"


@pytest.fixture(scope="module")
def names(lab: Lab) -> None:
    lab.start("internet", "dnsmasq", "--no-daemon", "--no-hosts", "--no-resolv", "--pid-file=",
              f"--host-record=www.example.test,{NET4}")
    lab.wait_for_port("internet", "", 53)


@pytest.mark.parametrize(("first", "then"), [
    (f"echo {NOBODY} > resolv.conf", f"echo {SOMEBODY} > resolv.conf"),
    (f"echo {NOBODY} > resolv.conf", f"echo {SOMEBODY} > new && mv new resolv.conf"),
    (f"echo {NOBODY} > run/real && ln -s run/real resolv.conf", f"echo {SOMEBODY} > run/new && mv run/new run/real"),
    (f"echo {NOBODY} > run/real && ln -s run/real resolv.conf", f"echo {SOMEBODY} > run/real"),
    (f"echo {NOBODY} > run/real && ln -s run/real resolv.conf",
     f"echo {SOMEBODY} > run/other && ln -s run/other new && mv new resolv.conf"),
    ("ln -s run/real resolv.conf", f"echo {SOMEBODY} > run/real"),
    ("ln -s /etc/run/a/b/real resolv.conf", f"mkdir -p run/a/b && sleep 0.1 && echo {SOMEBODY} > run/a/b/real"),
    ("mkdir run/a && ln -s run/one resolv.conf && ln -s a/two run/one && echo " + NOBODY + " > run/a/two",
     f"echo {SOMEBODY} > run/a/new && mv run/a/new run/a/two"),
    (":", f"echo {SOMEBODY} > resolv.conf"),
    (f"echo {NOBODY} > resolv.conf", f"rm resolv.conf && echo {SOMEBODY} > resolv.conf")],
    ids=["written", "replaced", "target replaced", "target written", "link changed", "target made", "target made with its folder", "end of two links",
         "made", "made anew"])
def test_a_change_is_followed(lab: Lab, names: None, first: str, then: str) -> None:
    """In an /etc of dashi's own, changed by others."""
    etc = f"mount -t tmpfs none /etc && cd /etc && mkdir run && {first} && cd / && exec \"$@\""
    with lab.attached(wrapper=("unshare", "--mount", "sh", "-c", etc, "sh")) as dashi:
        ask = f"dig +time=1 +tries=1 @{GATEWAY4} +short www.example.test A"
        assert NET4 not in lab.run("guest", ask, check=False)
        lab.run("", f"cd /proc/{dashi.popen.pid}/root/etc && {then}")
        eventually("the new resolver is asked", lambda: NET4 in lab.run("guest", ask, check=False))
