"""Small helpers, and how the package exports them."""

import re
import subprocess
import sys

import pytest

from lk_agents import utils
from lk_agents.foundation.clock import use_clock
from lk_agents.foundation.errors import ConfigError
from lk_agents.foundation.types import NOT_GIVEN
from lk_agents.utils import MovingAverage


class FixedClock:
    def monotonic(self) -> float:
        return 0.0

    def wall_seconds(self) -> float:
        return 12.3456


def test_time_ms_is_the_rounded_wall_time() -> None:
    with use_clock(FixedClock()):
        assert utils.time_ms() == 12346


def test_shortuuid_is_a_prefix_and_twelve_digits_and_never_the_same() -> None:
    made = {utils.shortuuid("AJ_") for _ in range(100)}

    assert len(made) == 100
    assert all(re.fullmatch(r"AJ_[0-9a-f]{12}", one) for one in made)


def test_none_is_given_and_not_given_is_not() -> None:
    assert utils.is_given(None)
    assert utils.is_given(0)
    assert not utils.is_given(NOT_GIVEN)


def test_moving_average_is_the_mean_of_the_window() -> None:
    average = MovingAverage(3)
    assert (average.get_avg(), average.size()) == (0.0, 0)

    for sample in (100.0, 1.0, 2.0, 3.0):
        average.add_sample(sample)
    assert (average.get_avg(), average.size()) == (2.0, 3)

    average.reset()
    assert (average.get_avg(), average.size()) == (0.0, 0)


def test_a_moving_average_needs_a_window() -> None:
    with pytest.raises(ConfigError, match="window_size is 0"):
        MovingAverage(0)


def test_the_package_exports_what_it_lists_and_nothing_else() -> None:
    for name in utils.__all__:
        assert getattr(utils, name) is not None
    assert dir(utils) == sorted(utils.__all__)
    with pytest.raises(AttributeError, match="no attribute 'missing'"):
        _ = utils.missing


def test_importing_the_package_loads_none_of_its_modules() -> None:
    script = "import sys, lk_agents.utils; print([name for name in sys.modules if name.startswith('lk_agents.utils.')])"

    shown = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=20)

    assert shown.stdout.strip() == "[]"
