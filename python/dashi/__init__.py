"""Dashi's laboratory: a NAT, its guest and the internet, on a virtual clock and from one seed.

>>> import dashi
>>> lab = dashi.Experiment(seed=1, wan=dashi.Link(rate="50mbit", delay="20ms", loss=0.01))
>>> transfer = lab.download("1MB")
>>> lab.run()
>>> transfer.ok
True

Two experiments of the same values and verbs run the same, bit for bit, and their ``digest`` says so.
"""

from __future__ import annotations

from ._dashi import __version__
from .errors import ConfigError, DashiError, LimitReached, WorldError
from .experiment import ENGINES, Experiment
from .link import Link
from .results import Echoes, Lease, Outcome, Resolution, Samples, Transfer

__all__ = [
    "ENGINES",
    "ConfigError",
    "DashiError",
    "Echoes",
    "Experiment",
    "Lease",
    "LimitReached",
    "Link",
    "Outcome",
    "Resolution",
    "Samples",
    "Transfer",
    "WorldError",
    "__version__",
]
