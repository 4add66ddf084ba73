"""The experiment: a world made from values, verbs of its guest, and what came out."""

from __future__ import annotations

import os
from typing import Optional, TypeVar, Union

from . import _dashi
from .errors import ConfigError, LimitReached, WorldError
from .link import Link
from .results import Echoes, Lease, Outcome, Resolution, Samples, Transfer
from .units import Size, Time, parse_size, parse_time

ENGINES = tuple(name for name, cls in (("native", "NativeEngine"), ("ns3", "Ns3Engine")) if hasattr(_dashi, cls))
"""The engines this build has."""

_UNTIL_DONE = -1
_EVENTS_MAX = 2**63
_TRANSFERS_MAX = 20_000

AnyOutcome = TypeVar("AnyOutcome", bound=Outcome)


def _values(link: Link) -> _dashi.LinkValues:
    values = _dashi.LinkValues()
    values.rate_bps = link.rate_bps
    values.delay_ns = link.delay_ns
    values.jitter_ns = link.jitter_ns
    values.queue_frames = link.queue
    values.mtu = link.mtu_bytes
    values.loss = link.loss
    values.duplicate = link.duplicate
    values.reorder = link.reorder
    values.corrupt = link.corrupt
    return values


def _whole(value: int, name: str, least: int, most: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise ConfigError(f"{name}={value!r}: a whole number from {least:,} to {most:,}")
    return value


def _seconds(ns: int) -> float:
    return ns / 1e9 if ns >= 0 else float("nan")


class Experiment:
    """A guest behind Dashi's NAT, and a server beyond it, on a virtual clock.

    Verbs (:meth:`download`, :meth:`ping` ...) say what the guest shall do and give an empty result at
    once; :meth:`run` moves time, and fills the results in. Verbs given before the same ``run`` happen
    side by side.

    Parameters
    ----------
    seed:
        All chance of the world comes from it: 0 to 2^64 - 1.
    engine:
        ``"native"``: in-memory hosts, quick, for swarms of seeds. ``"ns3"``: ns-3's TCP at both ends;
        one live experiment in a process, see :meth:`close`.
    wan:
        The link between the NAT's host and the world.
    guest_link:
        The link between the guest and the NAT.
    direct:
        ``"ns3"`` only: the same hosts without guest and NAT, to compare with.

    Raises
    ------
    ConfigError
        For values that make no world, before anything is built.
    WorldError
        If the world cannot be built, as for a second live ns-3 experiment.
    """

    def __init__(
        self,
        seed: int = 1,
        engine: str = "native",
        wan: Optional[Link] = None,
        guest_link: Optional[Link] = None,
        direct: bool = False,
    ) -> None:
        if engine not in ENGINES:
            raise ConfigError(f"engine={engine!r}: this build has {', '.join(ENGINES)}")
        config = _dashi.EngineConfig()
        config.seed = _whole(seed, "seed", 0, 2**64 - 1)
        config.wan = _values(wan or Link())
        config.guest_link = _values(guest_link or Link())
        config.direct = bool(direct)
        self._engine: Optional[_dashi.Engine]
        self._engine = _dashi.Ns3Engine(config) if engine == "ns3" else _dashi.NativeEngine(config)
        self._outcomes: list[tuple[int, Outcome]] = []
        self.seed = seed
        self.engine = engine

    # --- Verbs ---

    def download(self, size: Size, *, ipv6: bool = False) -> Transfer:
        """The guest takes `size` bytes from the server over one TCP connection."""
        count = self._transfer_size(size)
        return self._begun(self._world().download(count, ipv6), Transfer("download", size=count))

    def upload(self, size: Size, *, ipv6: bool = False) -> Transfer:
        """The guest sends `size` bytes to the server over one TCP connection."""
        count = self._transfer_size(size)
        return self._begun(self._world().upload(count, ipv6), Transfer("upload", size=count))

    def ping(
        self, count: int = 1, *, to: str = "server", size: Size = 56, interval: Time = 1, ipv6: bool = False
    ) -> Echoes:
        """The guest sends `count` echo requests of `size` bytes, one each `interval`.

        `to` is ``"server"`` or ``"gateway"``. A request that is not answered within ten seconds of
        the last one is lost.
        """
        spec = self._echoes(count, to, size, interval, ipv6)
        return self._begun(self._world().ping(spec), Echoes("ping"))

    def udp_echo(self, count: int = 1, *, size: Size = 56, interval: Time = 1, ipv6: bool = False) -> Echoes:
        """The guest sends `count` UDP datagrams of `size` bytes to the server's echo service."""
        spec = self._echoes(count, "server", size, interval, ipv6)
        return self._begun(self._world().udp_echo(spec), Echoes("udp_echo"))

    def resolve(self, name: str, *, ipv6: bool = False) -> Resolution:
        """The guest asks the gateway's DNS for the addresses of `name` (``"server.example"`` exists)."""
        if not name or len(name) > 253 or any(not 0 < len(label) <= 63 for label in name.rstrip(".").split(".")):
            raise ConfigError(f"{name!r} is not a name: labels of 1 to 63 bytes, 253 in all")
        return self._begun(self._world().resolve(name, ipv6), Resolution("resolve", name=name))

    def dhcp(self) -> Lease:
        """What DHCP gave the guest when it started."""
        return self._begun(self._world().dhcp(), Lease("dhcp"))

    # --- Time ---

    def run(self, until: Optional[Time] = None, limit: Optional[int] = None) -> None:
        """Moves virtual time, and fills in the results of the verbs.

        `until`: seconds (or ``"10s"``) since the world began, at which to stop, whatever is done or not
        then. Without it the run ends when every verb is done.
        `limit`: the most events to run. When they have run and it is not the end,
        :class:`LimitReached` says what had not finished; the run may be continued.

        Ctrl-C raises KeyboardInterrupt as always; the run may be continued after it too. Other Python
        threads go on while it runs.
        """
        until_ns = _UNTIL_DONE if until is None else parse_time(until)
        events = _EVENTS_MAX if limit is None else _whole(limit, "limit", 1, _EVENTS_MAX)
        world = self._world()
        try:
            finished = world.run(until_ns, until is not None, events)
        finally:
            self._fill_in()
        if not finished:
            waiting = [outcome.verb for _, outcome in self._outcomes if not outcome.done]
            raise LimitReached(f"{events:,} events ran; not finished: {', '.join(waiting) or 'nothing'}")
        if until is None:
            for _, outcome in self._outcomes:
                if not outcome.done:
                    outcome.error = "nothing more happens, and it is not done"

    @property
    def now(self) -> float:
        """Virtual seconds since the world began."""
        return self._world().now_ns / 1e9

    # --- What came out ---

    @property
    def digest(self) -> str:
        """128 bits, in hexadecimal, over all that happened: equal digests mean equal runs."""
        return self._world().digest

    @property
    def events(self) -> int:
        """The number of events the world has run."""
        return self._world().events

    @property
    def counters(self) -> dict[str, int]:
        """The NAT's counters by name; drops as ``drop-REASON``, those that happened."""
        return self._world().counters()

    @property
    def violations(self) -> list[str]:
        """What may happen in no run, and did. Empty, unless Dashi has a defect."""
        return self._world().violations()

    def flows(self) -> str:
        """The NAT's flows, one line each, for people."""
        return self._world().dump()

    def capture(self, path: Union[str, os.PathLike[str]]) -> None:
        """Writes all that crosses the NAT to a pcapng file, nanoseconds and comments included.

        Interfaces: ``guest`` (its frames), ``host`` (the NAT's socket calls drawn as packets), and with
        ns-3 ``wan`` (its packets). Before the first run; the file is whole after each run.
        """
        self._world().capture(os.fspath(path))

    def close(self) -> None:
        """Ends the world, so that another ns-3 experiment can be made. Results stay."""
        if self._engine is not None:
            self._engine.flush_capture()
        self._engine = None

    def __enter__(self) -> Experiment:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # --- Within ---

    def _world(self) -> _dashi.Engine:
        if self._engine is None:
            raise WorldError("the experiment is closed")
        return self._engine

    def _transfer_size(self, size: Size) -> int:
        if len(self._outcomes) >= _TRANSFERS_MAX:
            raise ConfigError(f"more than {_TRANSFERS_MAX:,} verbs in one experiment")
        return _whole(parse_size(size), "size", 1, 2**40)

    def _echoes(self, count: int, to: str, size: Size, interval: Time, ipv6: bool) -> _dashi.EchoesSpec:
        if to not in ("server", "gateway"):
            raise ConfigError(f"to={to!r}: 'server' or 'gateway'")
        _whole(count, "count", 1, 65535)
        _whole(parse_size(size), "size", 8, 65000)
        return _dashi.EchoesSpec(to, ipv6, count, parse_size(size), parse_time(interval))

    def _begun(self, verb: int, outcome: AnyOutcome) -> AnyOutcome:
        self._outcomes.append((verb, outcome))
        return outcome

    def _fill_in(self) -> None:
        world = self._world()
        world.flush_capture()
        for verb, outcome in self._outcomes:
            if not outcome.done:
                _fill(outcome, world.result(verb))


def _fill(outcome: Outcome, seen: _dashi.VerbResult) -> None:
    outcome.done = seen.done
    outcome.error = seen.error
    if isinstance(outcome, Transfer):
        outcome.received = seen.received
        outcome.start, outcome.end = _seconds(seen.start_ns), _seconds(seen.end_ns)
    elif isinstance(outcome, Echoes):
        outcome.sent, outcome.received = seen.sent, seen.answered
        outcome.rtt = Samples(ns / 1e9 for ns in seen.rtt_ns)
    elif isinstance(outcome, Resolution):
        outcome.addresses = tuple(seen.addresses)
        outcome.time = _seconds(seen.end_ns - seen.start_ns) if seen.end_ns >= 0 else float("nan")
    elif isinstance(outcome, Lease):
        outcome.address, outcome.gateway = seen.address, seen.gateway
        outcome.dns, outcome.mtu, outcome.seconds = tuple(seen.addresses), seen.mtu, seen.lease_seconds
        outcome.time = _seconds(seen.end_ns - seen.start_ns) if seen.end_ns >= 0 else float("nan")
