"""Links: what lies between the guest and the NAT, and between the NAT's host and the world."""

from __future__ import annotations

from dataclasses import dataclass

from .errors import ConfigError
from .units import Rate, Size, Time, parse_rate, parse_size, parse_time


@dataclass(frozen=True)
class Link:
    """A link, the same in both directions. The default is perfect: no delay, no loss, no bound.

    Probabilities are from 0 to 1, each frame on its own. Not every engine knows every fault: one that
    the engine of an experiment cannot make is a :class:`ConfigError` when the experiment is made,
    never ignored.

    What `loss` of a `wan` means for TCP: with ``engine="ns3"``, what it means to ns-3's TCP, congestion
    control and all. With ``engine="native"`` the server's streams are an abstraction: a lost chunk is sent
    again, 200 ms (or a round trip) later and then after twice as long each time, each try as likely to be
    lost, until the sender gives up. So what loses all carries nothing, but a transfer only waits for its
    losses and never slows down: take its goodput for a comparison of seeds, not for TCP's. The guest's
    own TCP, over `guest_link`, is real in both.
    """

    rate: Rate = 0
    """Bits a second (``"50mbit"``); 0 means without bound."""
    delay: Time = 0
    """One way, in seconds (``0.02``) or as text (``"20ms"``)."""
    loss: float = 0.0
    """The chance that a frame (of a native `wan`: a datagram, or a chunk of a stream) is lost."""
    jitter: Time = 0
    """A delay of up to this much more, drawn for each frame; order is kept."""
    queue: int = 0
    """Frames that wait for the link before the next is dropped; 0: as many as the engine takes."""
    mtu: Size = 0
    """Bytes of IP packet; 0: the engine's default."""
    duplicate: float = 0.0
    """The chance that a frame arrives twice."""
    reorder: float = 0.0
    """The chance that a frame is held until up to three later ones have passed it."""
    corrupt: float = 0.0
    """The chance that one bit of a frame is flipped."""

    def __post_init__(self) -> None:
        for name in ("loss", "duplicate", "reorder", "corrupt"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 1:
                raise ConfigError(f"{name}={value!r}: a chance is from 0 to 1")
        if isinstance(self.queue, bool) or not isinstance(self.queue, int) or not 0 <= self.queue < 2**32:
            raise ConfigError(f"queue={self.queue!r}: a number of frames")
        parse_rate(self.rate), parse_time(self.delay), parse_time(self.jitter), parse_size(self.mtu)
        if self.mtu != 0 and not 576 <= parse_size(self.mtu) <= 65535:
            raise ConfigError(f"mtu={self.mtu!r}: from 576 to 65,535 bytes")

    @property
    def rate_bps(self) -> int:
        """Bits a second; 0: without bound."""
        return parse_rate(self.rate)

    @property
    def delay_ns(self) -> int:
        """Nanoseconds, one way."""
        return parse_time(self.delay)

    @property
    def jitter_ns(self) -> int:
        """Nanoseconds, at most."""
        return parse_time(self.jitter)

    @property
    def mtu_bytes(self) -> int:
        """Bytes of IP packet; 0: the engine's default."""
        return parse_size(self.mtu)
