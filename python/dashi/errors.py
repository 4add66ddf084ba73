"""What can go wrong, each with its cause in the message."""

from __future__ import annotations


class DashiError(Exception):
    """The base of all errors of this package."""


class ConfigError(DashiError, ValueError):
    """A value that makes no world: found before anything was built."""


class WorldError(DashiError, RuntimeError):
    """The world cannot be built or go on, although its values are sound."""


class LimitReached(DashiError, RuntimeError):
    """``Experiment.run`` ran the most events it was allowed to, and not everything had finished."""
