"""Which member of a fallback adapter is asked, when the next one is, and how one comes back."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from lk_agents.foundation.errors import APIConnectionError, APIError, APIStatusError, APITimeoutError, ConfigError
from lk_agents.foundation.types import APIConnectOptions
from lk_agents.streams.base import InputStream
from lk_agents.streams.fallback import PROBE_WAIT_SECONDS, Members, NoFallbackError
from lk_agents.streams.inputs import FlushSentinel, TextInput
from lk_agents.testing import VirtualClock

QUICK = 0.1


class Voice:
    """A member that works, or does not."""

    def __init__(self, label: str, *, error: Exception | None = None) -> None:
        self.label = label
        self.error = error
        self.asked_at: list[float] = []
        self.probed_at: list[float] = []
        self.probing_now = 0
        self.most_probes = 0
        self.probe_seconds = 0.0

    async def ask(self) -> str:
        self.asked_at.append(asyncio.get_running_loop().time())
        await asyncio.sleep(0)
        if self.error is not None:
            raise self.error
        return self.label

    async def probe(self) -> None:
        self.probed_at.append(asyncio.get_running_loop().time())
        self.probing_now += 1
        self.most_probes = max(self.most_probes, self.probing_now)
        await asyncio.sleep(self.probe_seconds)
        self.probing_now -= 1
        if self.error is not None:
            raise self.error


class Adapter:
    """Asks the first member that works."""

    def __init__(self, *voices: Voice) -> None:
        self.changes: list[tuple[str, bool]] = []
        self.members: Members[Voice] = Members(voices, on_change=self._changed)

    def _changed(self, voice: Voice, available: bool) -> None:
        self.changes.append((voice.label, available))

    async def ask(self, attempt: Callable[[Voice], Awaitable[str]] = Voice.ask) -> str:
        return await self.members.first(attempt, probe=Voice.probe)


def broken(label: str, error: Exception | None = None) -> Voice:
    return Voice(label, error=error or APIConnectionError(f"{label} is broken"))


def test_an_adapter_without_members_is_refused() -> None:
    with pytest.raises(ConfigError, match="was given no member"):
        Members([], on_change=lambda member, available: None)


async def test_the_first_that_works_answers_and_nobody_after_it_is_asked() -> None:
    one, two, three = Voice("1"), Voice("2"), Voice("3")
    adapter = Adapter(one, two, three)

    assert await adapter.ask() == "1"
    assert [len(voice.asked_at) for voice in (one, two, three)] == [1, 0, 0]
    assert adapter.changes == []
    assert list(adapter.members) == [one, two, three]
    assert len(adapter.members) == 3


@pytest.mark.parametrize(
    "error",
    [
        APIConnectionError(),
        APIStatusError("no", status_code=401),
        TimeoutError(),
        ValueError("a defect"),
    ],
    ids=lambda error: type(error).__name__,
)
@pytest.mark.usefixtures("lk_clock")
async def test_whatever_a_member_raises_the_next_one_is_asked(error: Exception) -> None:
    adapter = Adapter(broken("1", error), Voice("2"))

    assert await adapter.ask() == "2"
    assert adapter.changes == [("1", False)]
    await adapter.members.aclose()


@pytest.mark.usefixtures("lk_clock")
async def test_whoever_failed_is_passed_over_until_it_works_again_and_only_changes_are_told() -> None:
    one, two = broken("1"), Voice("2")
    adapter = Adapter(one, two)

    for _ in range(3):
        assert await adapter.ask() == "2"
    assert len(one.asked_at) == 1
    assert not adapter.members.is_available(one)
    assert adapter.changes == [("1", False)]

    one.error = None
    await asyncio.sleep(60)
    assert await adapter.ask() == "1"
    assert adapter.changes == [("1", False), ("1", True)]
    await adapter.members.aclose()


@pytest.mark.usefixtures("lk_clock")
async def test_if_all_are_unavailable_all_are_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    one, two = broken("1"), broken("2")
    adapter = Adapter(one, two)
    with pytest.raises(APIConnectionError):
        await adapter.ask()
    two.error = None

    assert await adapter.ask() == "2"
    assert [len(voice.asked_at) for voice in (one, two)] == [2, 2]
    assert "all members of a fallback adapter are unavailable; all are tried again" in caplog.messages
    assert adapter.changes == [("1", False), ("2", False), ("2", True)], "the one that has answered works again"
    await adapter.members.aclose()


@pytest.mark.usefixtures("lk_clock")
async def test_if_all_fail_the_error_names_them_and_has_the_last_failure_as_its_cause() -> None:
    last = APIStatusError("no", status_code=401).located(
        phase="connect", code="E1", request_id="r-1", retry_after_seconds=7.0
    )
    adapter = Adapter(broken("one.STT"), broken("two.STT", last))

    with pytest.raises(APIConnectionError, match=r"all members failed \(one\.STT, two\.STT\) within 0\.00 s") as caught:
        await adapter.ask()

    error = caught.value
    assert error.__cause__ is last
    assert (error.phase, error.code, error.request_id, error.retryable) == ("connect", "E1", "r-1", False)
    assert error.retry_after_seconds == 7.0
    await adapter.members.aclose()


@pytest.mark.usefixtures("lk_clock")
async def test_a_failure_that_no_other_can_make_good_is_the_callers_at_once() -> None:
    cause = OSError("the wire")
    failure = APITimeoutError("it stopped in the middle of a word")
    failure.__cause__ = cause

    async def attempt(voice: Voice) -> str:
        await voice.ask()
        raise NoFallbackError from failure

    one, two = Voice("1"), Voice("2")
    adapter = Adapter(one, two)
    with pytest.raises(APITimeoutError, match="in the middle of a word") as caught:
        await adapter.ask(attempt)

    assert caught.value is failure
    assert caught.value.__cause__ is cause
    assert two.asked_at == []
    assert adapter.changes == [("1", False)]
    await adapter.members.aclose()


@pytest.mark.usefixtures("lk_clock")
async def test_such_a_failure_without_a_cause_is_told_itself() -> None:
    adapter = Adapter(broken("1", NoFallbackError("half a word")), Voice("2"))

    with pytest.raises(NoFallbackError, match="half a word"):
        await adapter.ask()
    await adapter.members.aclose()


@pytest.mark.usefixtures("lk_clock")
async def test_a_member_that_gave_something_and_was_found_broken_all_the_same_stays_unavailable() -> None:
    one = Voice("1")
    adapter = Adapter(one, Voice("2"))

    async def partly(voice: Voice) -> str:
        adapter.members.failed(voice, Voice.probe, APIConnectionError())
        return "a part"

    assert await adapter.ask(partly) == "a part"
    assert not adapter.members.is_available(one)
    await adapter.members.aclose()


async def test_a_member_that_another_call_finds_broken_in_the_meantime_is_asked_all_the_same(
    lk_clock: VirtualClock,
) -> None:
    one, two = broken("1"), broken("2")
    adapter = Adapter(one, two)

    async def slowly(voice: Voice) -> str:
        await asyncio.sleep(1)
        return await voice.ask()

    asking = asyncio.create_task(adapter.ask(slowly), name="asking")
    await asyncio.sleep(0.5)
    adapter.members.failed(two, Voice.probe, APIConnectionError())
    two.error = None

    assert await asking == "2"
    await adapter.members.aclose()


async def test_probes_begin_at_once_and_come_more_and_more_rarely(lk_clock: VirtualClock) -> None:
    one = broken("1")
    adapter = Adapter(one, Voice("2"))
    await adapter.ask()
    await asyncio.sleep(300)

    expected = [sum(PROBE_WAIT_SECONDS[: number + 1]) for number in range(len(PROBE_WAIT_SECONDS))]
    assert one.probed_at == pytest.approx(expected)
    assert one.probed_at[0] == 0
    assert not adapter.members.is_available(one)


@pytest.mark.usefixtures("lk_clock")
async def test_after_the_last_probe_the_next_call_begins_to_probe_again() -> None:
    one = broken("1")
    adapter = Adapter(one, Voice("2"))
    await adapter.ask()
    await asyncio.sleep(300)
    before = len(one.probed_at)
    one.error = None

    assert await adapter.ask() == "2"
    await asyncio.sleep(0.01)

    assert len(one.probed_at) == before + 1
    assert await adapter.ask() == "1"


@pytest.mark.usefixtures("lk_clock")
async def test_a_member_is_probed_once_at_a_time_however_many_ask() -> None:
    one = broken("1")
    one.probe_seconds = 3
    adapter = Adapter(one, Voice("2"))

    for _ in range(20):
        await asyncio.gather(*(adapter.ask() for _ in range(5)))
        await asyncio.sleep(0.5)

    assert one.most_probes == 1
    await adapter.members.aclose()


@pytest.mark.usefixtures("lk_clock")
async def test_a_member_that_works_again_is_not_probed_any_more() -> None:
    one = broken("1")
    adapter = Adapter(one, Voice("2"))
    await adapter.ask()
    await asyncio.sleep(1)
    probed = len(one.probed_at)

    adapter.members.recovered(one)
    adapter.members.recovered(one)
    await asyncio.sleep(300)

    assert len(one.probed_at) == probed
    assert adapter.changes == [("1", False), ("1", True)]


@pytest.mark.usefixtures("lk_clock")
async def test_closing_ends_the_probes_and_begins_none() -> None:
    one = broken("1")
    one.probe_seconds = 10
    adapter = Adapter(one, Voice("2"))
    await adapter.ask()
    await asyncio.sleep(0.01)
    assert one.probing_now == 1

    await adapter.members.aclose()
    await adapter.members.aclose()
    assert await adapter.ask() == "2"
    await asyncio.sleep(300)

    assert len(one.probed_at) == 1
    assert asyncio.all_tasks() == {asyncio.current_task()}


@pytest.mark.usefixtures("lk_clock")
async def test_whoever_is_cancelled_blames_nobody() -> None:
    async def hang(voice: Voice) -> str:
        await asyncio.Event().wait()
        return ""

    one = Voice("1")
    adapter = Adapter(one)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(adapter.ask(hang), 1)

    assert adapter.changes == []
    assert one.probed_at == []


@pytest.mark.usefixtures("lk_clock")
async def test_a_failure_is_logged_with_what_is_known_and_without_any_text(caplog: pytest.LogCaptureFixture) -> None:
    error = APIStatusError("a text of the provider's", status_code=500).located(phase="send", code="E1")
    adapter = Adapter(broken("1", error), Voice("2"))
    await adapter.ask()
    await adapter.members.aclose()

    record = caplog.records[0]
    assert record.getMessage() == "a member of a fallback adapter failed"
    assert [getattr(record, name) for name in ("provider", "error", "phase", "code")] == [
        "1", "APIStatusError", "send", "E1",
    ]  # fmt: skip
    assert "a text of the provider" not in str(record.__dict__)


class Words(InputStream[TextInput, str]):
    """Gives each word back, and fails at the word ``fail``; over members, if it has any."""

    def __init__(self, name: str, *, good: bool = True, members: list[Callable[[], Words]] | None = None) -> None:
        self.good = good
        self.members: Members[Inner] | None = None
        if members is not None:
            self.members = Members([Inner(make) for make in members], on_change=lambda member, available: None)
        super().__init__(conn_options=APIConnectOptions(max_retry=0), label=name)

    def _make_input(self) -> TextInput:
        return TextInput(self._event_ch)

    def _flush(self) -> None:
        self._input_ch.flush()

    def push(self, text: str) -> None:
        self._check_open()
        self._input_ch.push(text)

    async def _run(self) -> None:
        if self.members is not None:
            return await self.members.first(self._with_member, probe=self._probe)
        async for item in self._input_ch:
            if item == "fail" and not self.good:
                raise APIConnectionError(f"{self._label} cannot say it")
            if isinstance(item, str):
                await self._event_ch.send(item)
        return None

    async def aclose(self) -> None:
        await super().aclose()
        if self.members is not None:
            await self.members.aclose()

    async def _with_member(self, inner: Inner) -> None:
        self._attempt_begins()
        async with inner.make() as member:
            async for item in self._input_ch:
                if isinstance(item, FlushSentinel):
                    member.flush()
                else:
                    member.push(item)
            member.end_input()
            said = [word async for word in member]
        for word in said:
            await self._event_ch.send(word)

    async def _probe(self, inner: Inner) -> None:
        raise APIConnectionError


class Inner:
    """A member that is a stream, or another adapter."""

    def __init__(self, make: Callable[[], Words]) -> None:
        self.make = make
        self.label = "inner"


@pytest.mark.usefixtures("lk_clock")
async def test_adapters_nest_and_say_every_word_once() -> None:
    def bad() -> Words:
        return Words("bad", good=False)

    def nested() -> Words:
        return Words("nested", members=[bad, bad, lambda: Words("good")])

    stream = Words("outer", members=[bad, nested])
    for word in ("a", "fail", "b"):
        stream.push(word)
    stream.end_input()

    assert [word async for word in stream] == ["a", "fail", "b"]
    await stream.aclose()


@pytest.mark.usefixtures("lk_clock")
async def test_if_a_nested_adapter_fails_as_well_the_causes_lead_to_the_first_failure() -> None:
    def bad() -> Words:
        return Words("bad", good=False)

    stream = Words("outer", members=[lambda: Words("nested", members=[bad])])
    stream.push("fail")
    stream.end_input()

    with pytest.raises(APIConnectionError, match="all members failed") as caught:
        await anext(stream)
    chain: list[BaseException] = []
    error: BaseException | None = caught.value
    while error is not None:
        chain.append(error)
        error = error.__cause__
    assert str(chain[-1]) == "bad cannot say it"
    assert all(isinstance(each, APIError) for each in chain)
    await stream.aclose()
