"""What is done about dead air, and that the agent listens again in time whatever stalls."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lk_agents.foundation.errors import ConfigError
from lk_agents.voice.dead_air import DEFAULT_STEPS, Action, DeadAirPolicy, actions_for
from lk_agents.voice.records import Mark
from lk_agents.voice.watchdog import DeadAir, Stage, UserState, Watchdog


def alarm(stage: Stage, count: int = 1, *, speech: str = "S", given_up: int = 0) -> DeadAir:
    return DeadAir(stage=stage, since=0.0, seconds=4.0 * count, turn=1, speech=speech, count=count, given_up=given_up)


# --- the default -----------------------------------------------------------------------------------------------------


def test_every_stage_has_steps() -> None:
    assert set(DEFAULT_STEPS) == set(Stage)


@pytest.mark.parametrize("stage", [stage for stage in Stage if stage is not Stage.TOOL])
def test_at_the_second_alarm_everything_but_a_function_is_given_up(stage: Stage) -> None:
    policy = DeadAirPolicy(end_after=None)

    assert Action.GIVE_UP not in policy(alarm(stage, 1))
    assert Action.GIVE_UP in policy(alarm(stage, 2))
    assert Action.GIVE_UP in policy(alarm(stage, 7))


@pytest.mark.parametrize("count", [1, 2, 50])
def test_a_function_is_bridged_and_never_given_up(count: int) -> None:
    assert DeadAirPolicy()(alarm(Stage.TOOL, count, given_up=9)) == (Action.FILLER,)


def test_only_what_was_not_heard_is_generated_again() -> None:
    retried = {stage for stage in Stage if Action.RETRY in DeadAirPolicy()(alarm(stage))}

    assert retried == {Stage.LLM_FIRST_TOKEN, Stage.TTS_FIRST_BYTE}


def test_a_recogniser_that_hangs_is_built_anew() -> None:
    assert DeadAirPolicy()(alarm(Stage.STT_FINAL, speech="")) == (Action.REBUILD,)


def test_the_third_reply_in_a_row_that_is_given_up_ends_the_session() -> None:
    policy = DeadAirPolicy()

    assert Action.END not in policy(alarm(Stage.TTS_FIRST_BYTE, 2, given_up=1))
    assert policy(alarm(Stage.TTS_FIRST_BYTE, 2, given_up=2)) == (Action.GIVE_UP, Action.END)


def test_noise_that_is_given_up_never_ends_the_session() -> None:
    assert DeadAirPolicy()(alarm(Stage.STT_FINAL, 2, speech="", given_up=9)) == (Action.GIVE_UP,)


# --- one's own -------------------------------------------------------------------------------------------------------


def test_steps_of_ones_own_replace_those_of_their_stage_only() -> None:
    policy = DeadAirPolicy(steps={Stage.PLAYOUT: [[Action.GIVE_UP]]})

    assert policy(alarm(Stage.PLAYOUT)) == (Action.GIVE_UP,)
    assert policy(alarm(Stage.STT_FINAL)) == (Action.REBUILD,)


def test_the_last_step_is_repeated() -> None:
    policy = DeadAirPolicy(steps={Stage.TOOL: [[Action.REPORT], [Action.FILLER]]})

    assert [policy(alarm(Stage.TOOL, count)) for count in (1, 2, 3)] == [
        (Action.REPORT,),
        (Action.FILLER,),
        (Action.FILLER,),
    ]


@pytest.mark.parametrize("answer", [Action.RETRY, "retry", [Action.RETRY], ("retry",)])
def test_a_function_may_decide_in_the_place_of_a_policy(answer: Action | Sequence[Action]) -> None:
    assert actions_for(lambda _: answer, alarm(Stage.PLAYOUT)) == (Action.RETRY,)


def test_a_function_that_wants_nothing_done_is_obeyed() -> None:
    assert actions_for(lambda _: (), alarm(Stage.PLAYOUT, 2)) == ()


def _fails(_: DeadAir) -> Action:
    raise ZeroDivisionError


@pytest.mark.parametrize("decider", [_fails, lambda _: "dance", lambda _: None])
def test_where_a_function_fails_the_default_stands(decider: object, caplog: pytest.LogCaptureFixture) -> None:
    assert callable(decider)
    with caplog.at_level(logging.ERROR, "lk_agents"):
        assert actions_for(decider, alarm(Stage.PLAYOUT, 2)) == (Action.GIVE_UP,)
    assert "a policy for dead air failed; the default is used" in caplog.messages


@pytest.mark.parametrize("options", [{"end_after": 0}, {"steps": {Stage.TOOL: []}}])
def test_a_policy_that_means_nothing_is_refused(options: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match=r"end_after|steps"):
        DeadAirPolicy(**options)  # type: ignore[arg-type]


# --- in time ---------------------------------------------------------------------------------------------------------


class Call:
    """One question of the user's and what comes of it, where any stage may take any time, or for ever.

    :param delays: of one step after the other; None and the end mean that it never comes.
    """

    def __init__(self, timeout: float, delays: Sequence[float | None]) -> None:
        self.dog = Watchdog(timeout_seconds=timeout)
        self.delays = iter(delays)
        self.now = 100.0
        self.audible_at = 100.0
        self.over = ""
        self.acted: list[Action] = []
        self.position = 0.0
        self.dog.user(self.now, UserState(turn=1, last_speech_at=self.now, speech_seconds=2.0))
        self.steps = self._all_of_it()

    def run(self) -> None:
        """Let time pass until the reply is over, or given up, or nobody would ever look again."""
        while not self.over:
            delay = next(self.delays, None)
            comes_at = float("inf") if delay is None else self.now + delay
            if self._nothing_ends_it_before(comes_at):
                self.now = comes_at
                next(self.steps)

    def _nothing_ends_it_before(self, comes_at: float) -> bool:
        while (looks_at := self.dog.next_deadline) is not None and looks_at <= comes_at:
            self.now = max(self.now, looks_at)
            if self._look():
                return False
        assert comes_at != float("inf"), "the agent stays silent for good"
        return True

    def _look(self) -> bool:
        """Look, and do what is to be done; tells whether what was to come does not come any more."""
        found = self.dog.check(self.now)
        if found is None:
            return False
        actions = actions_for(DeadAirPolicy(), found)
        self.acted += actions
        if Action.GIVE_UP in actions:
            self.dog.gave_up(found)
            self.over = "given up"
            return True
        elif Action.RETRY in actions and not self.position:
            self.dog.restarted("S")
            self.steps = self._generated()
            return True
        elif Action.REBUILD in actions:
            self.steps = self._all_of_it()
            return True
        return False

    def _all_of_it(self) -> Iterator[None]:
        self.dog.user(self.now, UserState(turn=1, last_speech_at=100.0, understood=True))
        yield
        self.dog.turn_decided(self.now, turn=1, speech="S", last_speech_at=100.0)
        self.dog.user(self.now, UserState(turn=1, last_speech_at=100.0))
        yield from self._generated()

    def _generated(self) -> Iterator[None]:
        for mark in (Mark.LLM_REQUESTED, Mark.FIRST_TOKEN, Mark.FIRST_SENTENCE, Mark.FIRST_AUDIO, Mark.FIRST_PLAYED):
            yield
            self.dog.mark(self.now, "S", mark)
        self.audible_at = self.now
        for has_audio in (True, True, False, True):
            yield
            self.position += 0.5
            self.audible_at = self.now
            self.dog.position(self.now, "S", self.position, has_audio=has_audio)
        yield
        self.dog.silent(self.now, "S")
        yield
        self.dog.closed("S")
        self.over = "heard"
        yield


DELAYS = st.one_of(st.floats(0.0, 0.9), st.floats(0.0, 20.0), st.none())


@settings(deadline=None)
@given(timeout=st.floats(0.2, 10.0), delays=st.lists(DELAYS, max_size=40))
def test_whatever_stalls_the_agent_listens_again_two_timeouts_and_a_second_after_the_last_sound(
    timeout: float, delays: list[float | None]
) -> None:
    call = Call(timeout, delays)

    call.run()

    if call.over == "given up":
        assert call.now - call.audible_at <= 2 * timeout + 1.0 + 1e-6


@settings(deadline=None)
@given(timeout=st.floats(2.5, 10.0), delays=st.lists(st.floats(0.0, 0.2), min_size=30, max_size=30))
def test_a_conversation_without_stalls_raises_no_alarm(timeout: float, delays: list[float]) -> None:
    call = Call(timeout, delays)

    call.run()

    assert (call.over, call.acted) == ("heard", [])
