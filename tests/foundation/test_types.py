"""Shared public types."""

from typing import Any

import pytest

from lk_agents.foundation.errors import ConfigError
from lk_agents.foundation.types import NOT_GIVEN, APIConnectOptions


def test_not_given_is_false_and_shows_its_name() -> None:
    assert not NOT_GIVEN
    assert repr(NOT_GIVEN) == "NOT_GIVEN"


NAN, INFINITE = float("nan"), float("inf")


@pytest.mark.parametrize(
    "wrong",
    [
        *({"max_retry": value} for value in (-1, NAN, INFINITE)),
        *({"retry_interval": value} for value in (-0.1, NAN, INFINITE)),
        *({"timeout": value} for value in (-1, 0, 0.0, NAN, INFINITE)),
    ],
    ids=str,
)
def test_options_that_cannot_be_are_refused_by_name(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        APIConnectOptions(**wrong)


def test_the_first_retry_comes_soon_and_the_others_after_the_interval() -> None:
    options = APIConnectOptions(retry_interval=3.0)

    assert [options._interval_for_retry(number) for number in range(3)] == [0.1, 3.0, 3.0]
