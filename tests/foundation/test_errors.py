"""The tree of errors."""

import inspect
import re

import pytest

from lk_agents.foundation import errors
from lk_agents.foundation.errors import APIConnectionError, APIError, APIStatusError, APITimeoutError, LkAgentsError


def test_every_error_is_in_the_tree_that_the_module_draws() -> None:
    drawn = set(re.findall(r"\b([A-Z]\w+Error)\b", errors.__doc__ or ""))
    defined = {
        name
        for name, value in vars(errors).items()
        if inspect.isclass(value) and issubclass(value, LkAgentsError) and value.__module__ == errors.__name__
    }

    assert defined <= drawn
    assert set(errors.__all__) == defined


@pytest.mark.parametrize(
    ("status", "retryable"),
    [
        (-1, True),
        (400, False),
        (401, False),
        (408, True),
        (409, True),
        (429, True),
        (499, False),
        (500, True),
        (503, True),
    ],
)
def test_whether_to_try_again_follows_from_the_status(status: int, retryable: bool) -> None:
    assert APIStatusError("failed", status_code=status).retryable is retryable
    assert APIStatusError("failed", status_code=status, retryable=not retryable).retryable is not retryable


def test_a_status_error_tells_what_a_providers_support_asks_for() -> None:
    error = APIStatusError("too many", status_code=429, request_id="r1", body={"code": 7})

    assert str(error) == "too many (status_code=429, request_id=r1, body={'code': 7})"


def test_a_timeout_is_a_failed_connection_and_that_a_failed_request() -> None:
    assert issubclass(APITimeoutError, APIConnectionError)
    assert issubclass(APIConnectionError, APIError)
    assert (APITimeoutError().message, APIConnectionError().message) == ("Request timed out.", "Connection error.")


def test_a_wrong_setup_is_a_value_error_too() -> None:
    with pytest.raises(ValueError, match="wrong"):
        raise errors.ConfigError("wrong")
