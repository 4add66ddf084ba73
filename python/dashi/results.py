"""What an experiment's verbs give back. A result is empty until ``Experiment.run`` has got that far."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field


class Samples:
    """Numbers with their percentiles; seconds, unless their giver says otherwise."""

    def __init__(self, values: Iterable[float] = ()) -> None:
        self._values = tuple(values)

    def __len__(self) -> int:
        return len(self._values)

    def __iter__(self) -> Iterator[float]:
        return iter(self._values)

    def __getitem__(self, index: int) -> float:
        return self._values[index]

    def __repr__(self) -> str:
        if not self._values:
            return "Samples(none)"
        return f"Samples({len(self)}: p50 {self.p50:.6g}, p90 {self.p90:.6g}, p99 {self.p99:.6g})"

    def percentile(self, percent: float) -> float:
        """The value below or at which `percent` of the samples lie (nearest rank); NaN if there is none."""
        if not 0 <= percent <= 100:
            raise ValueError(f"{percent!r}: a percentile is from 0 to 100")
        if not self._values:
            return math.nan
        rank = max(1, math.ceil(percent / 100 * len(self._values)))
        return sorted(self._values)[rank - 1]

    @property
    def p50(self) -> float:
        """The median."""
        return self.percentile(50)

    @property
    def p90(self) -> float:
        """Nine of ten are no more than this."""
        return self.percentile(90)

    @property
    def p99(self) -> float:
        """Ninety-nine of a hundred are no more than this."""
        return self.percentile(99)

    @property
    def mean(self) -> float:
        """The arithmetic mean; NaN if there is none."""
        return math.fsum(self._values) / len(self._values) if self._values else math.nan


@dataclass
class Outcome:
    """What all verbs share."""

    verb: str
    """``"download"``, ``"ping"`` and so on."""
    done: bool = False
    """Whether it has come to its end, good or bad."""
    error: str = ""
    """Why it failed, in words; empty while it has not."""

    @property
    def ok(self) -> bool:
        """Whether it ended well."""
        return self.done and not self.error


@dataclass
class Transfer(Outcome):
    """A download or an upload over one TCP connection."""

    size: int = 0
    """Bytes asked for."""
    received: int = 0
    """Bytes that arrived, checked against what was sent."""
    start: float = math.nan
    """Virtual seconds at which the guest began to connect."""
    end: float = math.nan
    """Virtual seconds at which the last byte had arrived and both sides had closed."""

    @property
    def completion_time(self) -> float:
        """Seconds from connecting to the end; NaN while it has not ended."""
        return self.end - self.start

    @property
    def goodput(self) -> float:
        """Bits a second of payload over the completion time; NaN while it has not ended."""
        duration = self.completion_time
        if duration == 0:
            return math.inf  # a perfect link takes no time
        return self.received * 8 / duration if duration > 0 else math.nan


@dataclass
class Echoes(Outcome):
    """Pings, or UDP datagrams to an echo server and back."""

    sent: int = 0
    received: int = 0
    rtt: Samples = field(default_factory=Samples)
    """Seconds from each request to its reply, in the order of the replies."""

    @property
    def lost(self) -> int:
        """Requests that were not answered."""
        return self.sent - self.received


@dataclass
class Resolution(Outcome):
    """A name asked of the gateway's DNS."""

    name: str = ""
    addresses: tuple[str, ...] = ()
    time: float = math.nan
    """Seconds from question to answer."""


@dataclass
class Lease(Outcome):
    """What DHCPv4 gave the guest."""

    address: str = ""
    gateway: str = ""
    dns: tuple[str, ...] = ()
    mtu: int = 0
    seconds: int = 0
    """The lease's length."""
    time: float = math.nan
    """Seconds from Discover to Ack."""
