"""The desks of the supervisor: connect permits, and inference requests of all jobs."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lk_agents.foundation.errors import InferenceError, InferenceOverloadedError
from lk_agents.ipc.inference_desk import QUEUE_LIMIT, REQUEST_SECONDS, InferenceDesk
from lk_agents.ipc.messages import InferenceAnswer, InferenceAsk
from lk_agents.ipc.permits import PermitDesk
from lk_agents.testing import VirtualClock


def test_permits_go_to_the_first_who_asked() -> None:
    granted: list[int] = []
    desk = PermitDesk(2, granted.append)
    for executor in (5, 3, 9, 1):
        desk.ask(executor)
    assert granted == [5, 3]

    desk.give_back(3)
    desk.give_back(5)

    assert granted == [5, 3, 9, 1]


def test_who_is_tired_of_waiting_is_passed_over() -> None:
    granted: list[int] = []
    desk = PermitDesk(1, granted.append)
    for executor in (1, 2, 3):
        desk.ask(executor)

    desk.give_back(2)
    desk.give_back(1)

    assert granted == [1, 3]


def test_a_permit_that_is_given_back_twice_is_one() -> None:
    granted: list[int] = []
    desk = PermitDesk(1, granted.append)
    desk.ask(1)
    desk.give_back(1)
    desk.give_back(1)

    desk.ask(2)
    desk.ask(3)

    assert granted == [1, 2]


def test_asking_again_neither_takes_a_second_permit_nor_a_second_place() -> None:
    granted: list[int] = []
    desk = PermitDesk(2, granted.append)
    for executor in (1, 1, 2, 3, 3):
        desk.ask(executor)
    desk.give_back(1)
    desk.give_back(2)

    desk.ask(4)

    assert granted == [1, 2, 3, 4]


@given(permits=st.integers(1, 3), steps=st.lists(st.tuples(st.booleans(), st.integers(0, 5)), max_size=40))
def test_never_more_hold_one_than_there_are_and_none_is_lost(permits: int, steps: list[tuple[bool, int]]) -> None:
    holding: set[int] = set()
    desk = PermitDesk(permits, holding.add)
    for asks, executor in steps:
        if asks:
            desk.ask(executor)
        else:
            holding.discard(executor)
            desk.give_back(executor)
        assert len(holding) <= permits
    for executor in range(6):
        holding.discard(executor)
        desk.give_back(executor)

    for executor in range(100, 100 + permits + 1):
        desk.ask(executor)

    assert len(holding) == permits


class Office:
    """A desk whose inference process is this test."""

    def __init__(self, *, warm: bool = True) -> None:
        self.sent: list[InferenceAsk] = []
        self.stuck: list[str] = []
        self.desk = InferenceDesk(self.sent.append, self.stuck.append)
        self.desk.exists = True
        self.desk.available = warm
        self.answers: list[InferenceAnswer] = []

    def ask(self, request_id: str, owner: int = 1) -> None:
        """Ask as a job does."""
        self.desk.ask(InferenceAsk(request_id=request_id, method="m", data=b"d"), self.answers.append, owner=owner)


async def test_an_answer_goes_to_who_asked_under_the_name_it_was_asked_by() -> None:
    office = Office()
    office.ask("a")
    office.ask("a", owner=2)  # two jobs may call their requests the same

    office.desk.answered(InferenceAnswer(request_id=office.sent[1].request_id, data=b"two"))
    office.desk.answered(InferenceAnswer(request_id=office.sent[0].request_id, data=b"one"))

    assert [(answer.request_id, answer.data) for answer in office.answers] == [("a", b"two"), ("a", b"one")]


async def test_x26_an_unexpected_answer_is_ignored() -> None:
    office = Office()
    office.ask("a")

    office.desk.answered(InferenceAnswer(request_id="nobody's", data=b"?"))
    office.desk.answered(InferenceAnswer(request_id=office.sent[0].request_id, data=b"one"))
    office.desk.answered(InferenceAnswer(request_id=office.sent[0].request_id, data=b"again"))

    assert [answer.data for answer in office.answers] == [b"one"]


async def test_x26_an_answer_that_comes_while_the_question_is_being_sent_is_not_lost() -> None:
    def answer_at_once(ask: InferenceAsk) -> None:
        desk.answered(InferenceAnswer(request_id=ask.request_id, data=b"at once"))

    desk = InferenceDesk(answer_at_once, lambda why: None)
    desk.exists = desk.available = True

    assert await desk.do_inference("m", b"") == b"at once"


async def test_x26_a_process_that_is_gone_answers_everybody() -> None:
    office = Office()
    office.ask("a")
    office.ask("b", owner=2)
    worker = asyncio.create_task(office.desk.do_inference("m", b""), name="worker's own request")
    await asyncio.sleep(0)

    office.desk.process_gone("killed by SIGKILL")

    assert [answer.error for answer in office.answers] == ["the inference process is gone: killed by SIGKILL"] * 2
    with pytest.raises(InferenceError, match="m: the inference process is gone"):
        await worker
    office.ask("c")
    office.desk.available = True
    office.desk.answered(InferenceAnswer(request_id=office.sent[-1].request_id, data=b"three"))
    assert (office.answers[-1].request_id, office.answers[-1].data) == ("c", b"three")


async def test_requests_wait_for_a_process_that_starts_and_are_sent_once() -> None:
    office = Office(warm=False)
    office.ask("a")
    office.ask("b", owner=2)
    assert (office.sent, office.answers) == ([], [])
    office.desk.owner_gone(2)

    office.desk.available = True
    office.desk.available = True
    office.ask("c")

    assert len(office.sent) == 2
    for ask in office.sent:
        office.desk.answered(InferenceAnswer(request_id=ask.request_id, data=b"ok"))
    assert [answer.request_id for answer in office.answers] == ["a", "c"]


async def test_more_requests_than_the_bound_are_overload_also_while_the_process_starts() -> None:
    office = Office(warm=False)
    for number in range(QUEUE_LIMIT + 1):
        office.ask(str(number))

    assert [(answer.request_id, answer.overloaded) for answer in office.answers] == [(str(QUEUE_LIMIT), True)]
    office.desk.process_gone("end of test")


async def test_a_process_that_never_gets_warm_is_named_at_the_deadline(lk_clock: VirtualClock) -> None:
    office = Office(warm=False)

    with pytest.raises(InferenceError, match=f"no answer within {REQUEST_SECONDS:g} s; the inference process is still"):
        await office.desk.do_inference("m", b"")


async def test_more_requests_than_the_bound_are_answered_as_overload_at_once() -> None:
    office = Office()
    for number in range(QUEUE_LIMIT + 1):
        office.ask(str(number))

    assert len(office.sent) == QUEUE_LIMIT
    assert [(answer.request_id, answer.overloaded) for answer in office.answers] == [(str(QUEUE_LIMIT), True)]
    with pytest.raises(InferenceOverloadedError, match=f"{QUEUE_LIMIT} requests wait"):
        await office.desk.do_inference("m", b"")
    office.desk.process_gone("end of test")


async def test_a_request_without_an_answer_ends_with_an_error_at_its_deadline(lk_clock: VirtualClock) -> None:
    office = Office()
    started = asyncio.get_running_loop().time()

    with pytest.raises(InferenceError, match=f"no answer within {REQUEST_SECONDS:g} s"):
        await office.desk.do_inference("m", b"")

    assert asyncio.get_running_loop().time() - started == pytest.approx(REQUEST_SECONDS)


async def test_a_process_that_answers_nobody_for_a_whole_deadline_is_called_hung(lk_clock: VirtualClock) -> None:
    office = Office()

    with pytest.raises(InferenceError):
        await office.desk.do_inference("slow", b"")

    assert office.stuck == [f"the runner of 'slow' has not answered for {REQUEST_SECONDS:g} s"]


async def test_a_process_that_answers_others_is_not_called_hung(lk_clock: VirtualClock) -> None:
    office = Office()
    office.ask("other")
    asyncio.get_running_loop().call_later(
        1.0, lambda: office.desk.answered(InferenceAnswer(request_id=office.sent[0].request_id))
    )

    with pytest.raises(InferenceError):
        await office.desk.do_inference("slow", b"")

    assert office.stuck == []


async def test_the_requests_of_an_executor_that_is_gone_are_forgotten(lk_clock: VirtualClock) -> None:
    office = Office()
    for number in range(QUEUE_LIMIT):
        office.ask(str(number), owner=7)

    office.desk.owner_gone(7)
    office.ask("next", owner=8)

    assert len(office.sent) == QUEUE_LIMIT + 1
    await asyncio.sleep(REQUEST_SECONDS + 1)
    assert [answer.request_id for answer in office.answers] == ["next"]


async def test_a_worker_without_an_inference_process_says_so() -> None:
    office = Office()
    office.desk.exists = False

    with pytest.raises(InferenceError, match="no plugin in use registered a runner"):
        await office.desk.do_inference("m", b"")
