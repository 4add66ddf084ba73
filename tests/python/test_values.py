"""Units, links and samples: values alone, no world."""

from __future__ import annotations

import math

import dashi
import pytest
from dashi.units import parse_rate, parse_size, parse_time
from hypothesis import given, settings
from hypothesis import strategies as st


def test_units_are_read_as_people_write_them() -> None:
    assert [parse_size(s) for s in (1500, "64KiB", "10MB", "1.5k", "7")] == [1500, 65536, 10**7, 1536, 7]
    assert [parse_rate(r) for r in (50e6, "50mbit", "1gbit", "9600bit/s")] == [50_000_000, 50_000_000, 10**9, 9600]
    assert [parse_time(t) for t in (0.02, "20ms", "5us", "1.5s", "2min")] == [
        20_000_000, 20_000_000, 5000, 1_500_000_000, 120 * 10**9,
    ]


@pytest.mark.parametrize("text", ["", "fast", "10 furlongs", "-5ms", "1e3ms", "ms", "20 m s", "\N{ARABIC-INDIC DIGIT FIVE}ms"])
def test_what_is_no_unit_is_named(text: str) -> None:
    for parse in (parse_size, parse_rate, parse_time):
        with pytest.raises(dashi.ConfigError) as error:
            parse(text)
        assert repr(text) in str(error.value)


@pytest.mark.parametrize("value", [-1, math.nan, math.inf, True])
def test_numbers_that_measure_nothing_are_refused(value: float) -> None:
    for parse in (parse_rate, parse_time):
        with pytest.raises(dashi.ConfigError):
            parse(value)


@pytest.mark.parametrize("value", [None, [1], b"1ms", "9" * 400, 10**400, 1e300, "99999999h", "2000gbit", "2000GiB"])
def test_what_is_no_number_or_beyond_all_measure_is_a_config_error(value: object) -> None:
    for parse in (parse_size, parse_rate, parse_time):
        with pytest.raises(dashi.ConfigError):
            parse(value)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "wrong", [{"loss": 1.1}, {"loss": -0.1}, {"loss": "much"}, {"queue": -1}, {"mtu": 100}, {"mtu": 70000},
              {"delay": "soon"}, {"rate": -1}, {"corrupt": True}],
)
def test_a_link_that_cannot_be_is_refused_when_it_is_made(wrong: dict[str, object]) -> None:
    with pytest.raises(dashi.ConfigError):
        dashi.Link(**wrong)  # type: ignore[arg-type]


def test_config_errors_are_value_errors_too() -> None:
    with pytest.raises(ValueError):
        dashi.Link(loss=2)
    assert issubclass(dashi.WorldError, RuntimeError)


def test_percentiles_are_of_the_nearest_rank() -> None:
    samples = dashi.Samples([5, 1, 4, 2, 3])
    assert (samples.p50, samples.p90, samples.percentile(0), samples.percentile(100)) == (3, 5, 1, 5)
    assert samples.mean == 3 and len(samples) == 5 and list(samples) == [5, 1, 4, 2, 3]
    assert math.isnan(dashi.Samples().p50) and math.isnan(dashi.Samples().mean)
    with pytest.raises(ValueError):
        samples.percentile(101)


@settings(database=None)
@given(st.lists(st.floats(0, 1e9), min_size=1), st.floats(0, 100))
def test_a_percentile_is_a_sample_with_that_share_at_or_below_it(values: list[float], percent: float) -> None:
    got = dashi.Samples(values).percentile(percent)
    assert got in values
    assert sum(v <= got for v in values) >= percent / 100 * len(values) - 1e-6
