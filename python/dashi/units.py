"""Sizes, rates and times as people write them: ``"64KiB"``, ``"50mbit"``, ``"20ms"``.

A plain number is taken in the base unit: bytes, bits a second, seconds. What cannot be understood
raises :class:`dashi.ConfigError` with the text in question.
"""

from __future__ import annotations

import math
import re
from typing import Union

from .errors import ConfigError

Size = Union[int, str]
Rate = Union[int, float, str]
Time = Union[int, float, str]

_NUMBER = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([A-Za-z/]*)\s*")

_YEAR_NS = 365 * 24 * 3600 * 10**9
_MOST = {"size": 2**40, "rate": 10**12, "time": _YEAR_NS}
"""A tebibyte, a terabit a second, a year: far beyond any experiment, and far below what wraps around."""

_SIZES = {
    "": 1, "b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9,
    "kib": 2**10, "mib": 2**20, "gib": 2**30, "k": 2**10, "m": 2**20, "g": 2**30,
}
_RATES = {"": 1, "bit": 1, "kbit": 10**3, "mbit": 10**6, "gbit": 10**9}
_TIMES = {"ns": 1, "us": 10**3, "ms": 10**6, "s": 10**9, "min": 60 * 10**9, "h": 3600 * 10**9}


def _scaled(text: str, units: dict[str, int], what: str) -> int:
    match = _NUMBER.fullmatch(text)
    unit = match.group(2).lower().removesuffix("/s") if match else ""
    if match is None or unit not in units:
        raise ConfigError(f"{text!r} is not a {what}: a number and one of {', '.join(k for k in units if k)}")
    return _whole(float(match.group(1)) * units[unit], text, what)


def _whole(amount: float, value: object, what: str) -> int:
    if not amount <= _MOST[what]:
        most = {"size": "1 TiB", "rate": "1 Tbit/s", "time": "a year"}[what]
        raise ConfigError(f"{value!r} is not a {what}: the most is {most}")
    return round(amount)


def _checked(value: object, what: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ConfigError(f"{value!r} is not a {what}: a number, or text with a unit")
    if value < 0 or (isinstance(value, float) and not math.isfinite(value)):
        raise ConfigError(f"{value!r} is not a {what}: it must be finite and not negative")
    return value


def parse_size(value: Size) -> int:
    """Bytes: ``1500``, ``"64KiB"``, ``"10MB"`` (KiB, MiB, GiB and K, M, G are powers of 1,024)."""
    if isinstance(value, str):
        return _scaled(value, _SIZES, "size")
    if isinstance(value, float):
        raise ConfigError(f"{value!r} is not a size: bytes are whole")
    return _whole(_checked(value, "size"), value, "size")


def parse_rate(value: Rate) -> int:
    """Bits a second: ``50e6``, ``"50mbit"``, ``"1gbit"``."""
    if isinstance(value, str):
        return _scaled(value, _RATES, "rate")
    return _whole(_checked(value, "rate"), value, "rate")


def parse_time(value: Time) -> int:
    """Nanoseconds from seconds (``0.02``) or text (``"20ms"``)."""
    if isinstance(value, str):
        return _scaled(value, _TIMES, "time")
    seconds = _checked(value, "time")
    return _whole(min(seconds, _YEAR_NS) * 10**9, value, "time")
