"""The extension module: see python/module.cc. Times are virtual nanoseconds."""

from typing import Protocol

__version__: str

class LinkValues:
    rate_bps: int
    delay_ns: int
    jitter_ns: int
    queue_frames: int
    mtu: int
    loss: float
    duplicate: float
    reorder: float
    corrupt: float
    def __init__(self) -> None: ...

class EngineConfig:
    seed: int
    wan: LinkValues
    guest_link: LinkValues
    direct: bool
    def __init__(self) -> None: ...

class EchoesSpec:
    def __init__(self, to: str, ipv6: bool, count: int, size: int, interval_ns: int) -> None: ...

class VerbResult:
    done: bool
    error: str
    start_ns: int
    end_ns: int
    size: int
    received: int
    sent: int
    answered: int
    rtt_ns: list[int]
    addresses: list[str]
    address: str
    gateway: str
    mtu: int
    lease_seconds: int

class Engine(Protocol):
    def download(self, size: int, ipv6: bool) -> int: ...
    def upload(self, size: int, ipv6: bool) -> int: ...
    def ping(self, spec: EchoesSpec) -> int: ...
    def udp_echo(self, spec: EchoesSpec) -> int: ...
    def resolve(self, name: str, ipv6: bool) -> int: ...
    def dhcp(self) -> int: ...
    def run(self, until_ns: int, whatever: bool, max_events: int) -> bool: ...
    def result(self, verb: int) -> VerbResult: ...
    def counters(self) -> dict[str, int]: ...
    def capture(self, path: str) -> None: ...
    def flush_capture(self) -> None: ...
    def dump(self) -> str: ...
    def violations(self) -> list[str]: ...
    @property
    def now_ns(self) -> int: ...
    @property
    def events(self) -> int: ...
    @property
    def digest(self) -> str: ...

class NativeEngine(Engine):
    def __init__(self, config: EngineConfig) -> None: ...

class Ns3Engine(Engine):
    def __init__(self, config: EngineConfig) -> None: ...
