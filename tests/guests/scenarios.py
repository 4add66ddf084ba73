"""The scenarios that every guest plays, as data, and what both applications must see.

Each is played with the guest calling the server and with the server calling the guest through a
forwarded port, over IPv4 and IPv6.
"""
from __future__ import annotations

from dataclasses import dataclass

LATE = 2.0  # seconds; kLate of guest_run.hh


@dataclass(frozen=True)
class End:
    """What one application does with its connection, and how that must end for it."""

    sends: int = 0  # bytes
    answers: bool = False  # begins to send when the peer's FIN came
    finishes: bool = False  # FIN behind what it sends (shutdown); else once the peer's FIN came
    aborts_at: int = 0  # ends by RST once so many bytes came; 0: never
    by_close: bool = False  # that by close() over unread bytes where a guest has sockets; else by SO_LINGER
    late: bool = False  # reads nothing for LATE seconds: its window shuts
    end: str = "eof"  # or reset, refused, aborted (by itself), none (it never had a connection)


@dataclass(frozen=True)
class Scenario:
    name: str
    guest: End
    server: End
    refused: bool = False  # nobody listens where the call goes
    lossy: bool = True  # also over a link with loss; not where one lost frame may end it otherwise

    def refused_end(self, guest_calls: bool, of_guest: bool) -> str:
        """A caller through a forwarded port has its connection before the guest is asked."""
        if of_guest != guest_calls:
            return "none"
        return "refused" if guest_calls else "reset"


KIB = 1024
MIB = 1024 * KIB
# More than all buffers on the way: the scripted guest's and server's 256 KiB, Linux's as linux_guest.py sets them.
BEYOND_BUFFERS = 2 * MIB

SCENARIOS = (
    Scenario("bulk-up", End(sends=MIB, finishes=True), End()),
    Scenario("bulk-down", End(), End(sends=MIB, finishes=True)),
    Scenario("bulk-both", End(sends=MIB, finishes=True), End(sends=700 * KIB, finishes=True)),
    Scenario("guest-half-closes", End(sends=100_000, finishes=True), End(sends=300_000, answers=True, finishes=True)),
    Scenario("server-half-closes", End(sends=300_000, answers=True, finishes=True), End(sends=100_000, finishes=True)),
    Scenario("guest-closes-empty", End(finishes=True), End()),
    Scenario("server-closes-empty", End(), End(finishes=True)),
    Scenario("both-close-empty", End(finishes=True), End(finishes=True)),
    Scenario("both-close-after-a-byte", End(sends=1, finishes=True), End(sends=1, finishes=True)),
    Scenario("guest-reads-late", End(late=True), End(sends=BEYOND_BUFFERS, finishes=True)),
    Scenario("server-reads-late", End(sends=BEYOND_BUFFERS, finishes=True), End(late=True)),
    Scenario("both-read-late", End(sends=BEYOND_BUFFERS, finishes=True, late=True),
             End(sends=BEYOND_BUFFERS, finishes=True, late=True)),
    Scenario("server-reads-late-and-answers", End(sends=BEYOND_BUFFERS, finishes=True),
             End(sends=300_000, answers=True, finishes=True, late=True)),
    Scenario("guest-aborts", End(aborts_at=100_000, end="aborted"), End(sends=2 * MIB, finishes=True, end="reset")),
    Scenario("server-aborts", End(sends=2 * MIB, finishes=True, end="reset"), End(aborts_at=100_000, end="aborted")),
    Scenario("guest-closes-over-unread", End(aborts_at=100_000, by_close=True, end="aborted"),
             End(sends=2 * MIB, finishes=True, end="reset")),
    Scenario("server-closes-over-unread", End(sends=2 * MIB, finishes=True, end="reset"),
             End(aborts_at=100_000, by_close=True, end="aborted")),
    Scenario("guest-aborts-instead-of-answering", End(aborts_at=5_000, end="aborted"),
             End(sends=5_000, finishes=True, end="reset"), lossy=False),
    Scenario("server-aborts-instead-of-answering", End(sends=5_000, finishes=True, end="reset"),
             End(aborts_at=5_000, end="aborted"), lossy=False),
    Scenario("refused", End(), End(), refused=True),
)


@dataclass(frozen=True)
class Play:
    """A scenario, who calls, and by which family."""

    scenario: Scenario
    guest_calls: bool
    ipv6: bool

    @property
    def name(self) -> str:
        return f"{self.scenario.name}/{'out' if self.guest_calls else 'in'}/v{6 if self.ipv6 else 4}"


PLAYS = tuple(Play(scenario, guest_calls, ipv6) for scenario in SCENARIOS for guest_calls in (True, False)
              for ipv6 in (False, True))


@dataclass(frozen=True)
class EndSeen:
    received: int
    right: bool  # every byte of it is the one that was sent there
    end: str


@dataclass(frozen=True)
class Seen:
    """What one guest made of a play."""

    guest: EndSeen
    server: EndSeen
    held: bool  # before the late reader read, its peer still had bytes to send
    troubles: str = ""  # what no run may do, in words


def _fault_of_end(who: str, seen: EndSeen, own: End, peer: End, end: str, refused: bool) -> list[str]:
    found = []
    if seen.end != end:
        found.append(f"{who} saw {seen.end}, not {end}")
    if not seen.right:
        found.append(f"{who} received bytes that were not sent")
    if refused:
        least = most = 0
    elif own.aborts_at or peer.aborts_at:  # how much was under way before an abort is the stacks' affair
        least, most = own.aborts_at, peer.sends
    else:
        least = most = peer.sends
    if not least <= seen.received <= most:
        found.append(f"{who} received {seen.received} bytes, not {least} to {most}")
    return found


def faults(play: Play, seen: Seen) -> list[str]:
    """In what a play was not as its scenario says."""
    scenario = play.scenario
    guest_end, server_end = scenario.guest.end, scenario.server.end
    if scenario.refused:
        guest_end = scenario.refused_end(play.guest_calls, True)
        server_end = scenario.refused_end(play.guest_calls, False)
    found = _fault_of_end("guest", seen.guest, scenario.guest, scenario.server, guest_end, scenario.refused)
    found += _fault_of_end("server", seen.server, scenario.server, scenario.guest, server_end, scenario.refused)
    if seen.held != (scenario.guest.late or scenario.server.late):
        found.append("the late reader held nobody up" if not seen.held else "somebody was held up")
    if seen.troubles:
        found.append(seen.troubles)
    return found


def comparable(play: Play, seen: Seen) -> Seen:
    """What must be equal between guests: all, but how many bytes were under way before an abort."""
    if not play.scenario.guest.aborts_at and not play.scenario.server.aborts_at:
        return seen
    return Seen(EndSeen(0, seen.guest.right, seen.guest.end), EndSeen(0, seen.server.right, seen.server.end),
                seen.held, seen.troubles)
