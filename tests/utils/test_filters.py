"""Exponential smoothing."""

import pytest

from lk_agents.foundation.errors import ConfigError
from lk_agents.utils import ExpFilter


def test_the_first_sample_is_the_value_and_each_further_one_moves_it() -> None:
    smooth = ExpFilter(0.35)
    values = [smooth.apply(1, sample) for sample in (0, 1, 1, 1, 0, 0, 0)]

    assert values == pytest.approx([0, 0.65, 0.8775, 0.957125, 0.33499375, 0.1172478, 0.0410367], abs=1e-6)


def test_the_weight_is_an_exponent() -> None:
    twice, once = ExpFilter(0.5), ExpFilter(0.5)
    for smooth in (twice, once):
        smooth.apply(1, 8.0)
    twice.apply(1, 0.0)

    assert twice.apply(1, 0.0) == once.apply(2, 0.0) == 2.0


def test_the_value_has_an_upper_limit_where_one_is_given() -> None:
    assert ExpFilter(0.5, max_val=3.0).apply(1, 10.0) == 3.0
    assert ExpFilter(0.5).apply(1, 10.0) == 10.0


def test_there_is_no_value_before_the_first_sample_and_after_a_reset() -> None:
    smooth = ExpFilter(0.5)
    assert smooth.filtered() == -1.0
    smooth.apply(1, 4.0)
    assert smooth.filtered() == 4.0
    smooth.reset()

    assert smooth.filtered() == -1.0
    assert smooth.apply(1, 7.0) == 7.0


def test_a_value_of_minus_one_is_a_value() -> None:
    smooth = ExpFilter(0.5)
    smooth.apply(1, -1.0)

    assert smooth.apply(1, 1.0) == 0.0


def test_alpha_can_be_replaced_with_and_without_a_reset() -> None:
    smooth = ExpFilter(0.5)
    smooth.apply(1, 0.0)
    smooth.update_base(0.75)
    assert smooth.apply(1, 4.0) == 1.0
    smooth.reset(0.25)
    smooth.apply(1, 0.0)

    assert smooth.apply(1, 4.0) == 3.0


@pytest.mark.parametrize("alpha", [-0.1, 1.1])
def test_alpha_is_between_0_and_1(alpha: float) -> None:
    with pytest.raises(ConfigError, match="between 0 and 1"):
        ExpFilter(alpha)
    with pytest.raises(ConfigError):
        ExpFilter(0.5).update_base(alpha)
