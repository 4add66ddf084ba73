"""The experiment: a world made from values, verbs of its guest, and what came out."""

from __future__ import annotations

import os
import re
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
_LASTING_MAX_NS = 10 * 365 * 24 * 3600 * 10**9
_MTU = 1500

_NAME = re.compile(r"(?:[!-\-/-~]{1,63}\.)*[!-\-/-~]{1,63}\.?")
_FRAME_HEADERS = {False: 28, True: 48}
"""Bytes of IP and of UDP or echo before the payload, by ipv6."""

AnyOutcome = TypeVar("AnyOutcome", bound=Outcome)


def _values(name: str, link: Optional[Link]) -> _dashi.LinkValues:
    link = Link() if link is None else link
    if not isinstance(link, Link):
        raise ConfigError(f"{name}={link!r}: a dashi.Link")
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
        ``"native"``: in-memory hosts, quick, for swarms of seeds; no congestion control on the wan.
        ``"ns3"``: ns-3's TCP at both ends; one live experiment in a process, see :meth:`close`.
    wan:
        The link between the NAT's host and the world. How fast TCP is over one that loses packets is a
        question for ``"ns3"``; see :class:`Link` for what loss means in a native world.
    guest_link:
        The link between the guest and the NAT.
    direct:
        ``"ns3"`` only: the same hosts without guest and NAT, to compare with.
    congestion:
        Of ns-3's TCP: ``"reno"`` as Linux has it, or ``"cubic"``, which is ns-3's own default.

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
        congestion: str = "reno",
    ) -> None:
        if engine not in ENGINES:
            raise ConfigError(f"engine={engine!r}: this build has {', '.join(ENGINES)}")
        config = _dashi.EngineConfig()
        config.seed = _whole(seed, "seed", 0, 2**64 - 1)
        config.wan = _values("wan", wan)
        config.guest_link = _values("guest_link", guest_link)
        config.direct = bool(direct)
        if congestion not in ("reno", "cubic"):
            raise ConfigError(f"congestion={congestion!r}: 'reno' or 'cubic'")
        config.cubic = congestion == "cubic"
        self._engine: Optional[_dashi.Engine]
        self._engine = _dashi.Ns3Engine(config) if engine == "ns3" else _dashi.NativeEngine(config)
        self._outcomes: list[tuple[int, Outcome]] = []
        self._guest_mtu = (guest_link.mtu_bytes if guest_link else 0) or _MTU
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
        if not isinstance(name, str) or _NAME.fullmatch(name) is None or len(name.rstrip(".")) > 253:
            raise ConfigError(f"{name!r} is not a name: labels of 1 to 63 visible ASCII characters, 253 in all")
        return self._begun(self._world().resolve(name.removesuffix("."), ipv6), Resolution("resolve", name=name))

    def dhcp(self) -> Lease:
        """What DHCP gave the guest when it started."""
        return self._begun(self._world().dhcp(), Lease("dhcp"))

    # --- Time ---

    def run(self, until: Optional[Time] = None, limit: Optional[int] = None) -> None:
        """Moves virtual time, and fills in the results of the verbs.

        `until`: seconds (or ``"10s"``) since the world began, at which to stop, whatever is done or not
        then; :attr:`now` tells where it is (an ns-3 world has taken some seconds for its guest's
        addresses before the first verb). Without it the run ends when every verb is done.
        `limit`: the most events to run. When they have run and it is not the end,
        :class:`LimitReached` says what had not finished; the run may be continued.

        Ctrl-C raises KeyboardInterrupt as always; the run may be continued after it too. Other Python
        threads go on while it runs.
        """
        until_ns = _UNTIL_DONE if until is None else parse_time(until)
        events = _EVENTS_MAX if limit is None else _whole(limit, "limit", 1, _EVENTS_MAX)
        world = self._world()
        if until is not None and until_ns + 1000 < world.now_ns:  # a float of seconds is not exact
            raise ConfigError(f"until={until!r}: the world is at {self.now:g} s already")
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
        try:
            name = os.fspath(path)
        except TypeError:
            raise ConfigError(f"{path!r} is not a path: text, bytes or a pathlib.Path") from None
        if (b"\0" if isinstance(name, bytes) else "\0") in name:
            raise ConfigError(f"{name!r} is not a path: it holds a zero byte")
        self._world().capture(name)

    def close(self) -> None:
        """Ends the world, so that another ns-3 experiment can be made. Results stay.

        Raises :class:`WorldError` if a capture could not be written; the world has ended even so.
        """
        engine, self._engine = self._engine, None
        if engine is None:
            return
        try:
            engine.flush_capture()
        finally:
            engine.close()

    def __enter__(self) -> Experiment:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        try:
            self.close()
        except WorldError:
            if kind is None:  # else what ended the block is the cause, and is told
                raise

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
        room = self._guest_mtu - _FRAME_HEADERS[ipv6]  # no guest here fragments what it sends
        _whole(parse_size(size), "size", 8, min(room, 65000))
        if count * parse_time(interval) > _LASTING_MAX_NS:
            raise ConfigError(f"interval={interval!r}: {count:,} of them last longer than ten years")
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
