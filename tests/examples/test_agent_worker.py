"""What the demo understands of a worker's log."""

import pytest

from demo.agent_worker import AVAILABLE, FULL, REGISTERED, _takes_jobs


@pytest.mark.parametrize(
    ("messages", "takes_jobs"),
    [
        ([REGISTERED], True),
        ([FULL, REGISTERED], False),
        ([FULL, REGISTERED, AVAILABLE], True),
        ([REGISTERED, FULL, AVAILABLE, FULL, "something else"], False),
    ],
)
def test_a_worker_takes_jobs_unless_it_last_said_that_it_is_full(messages: list[str], takes_jobs: bool) -> None:
    assert _takes_jobs([{"message": message} for message in messages]) is takes_jobs
