"""Whatever happens, in whatever order: the machine comes to rest, nothing the user said is lost, nobody talks at once.

What holds of each single command is watched by the ledger; here it is fed with chance.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule
from tests.voice.turn_driver import WINDOW, Shell, Spoken

from lk_agents.turns.evidence import Decision
from lk_agents.turns.words import count_words
from lk_agents.voice import signals as s
from lk_agents.voice.options import TurnOptions
from lk_agents.voice.signals import SpeechKind
from lk_agents.voice.user_turn import VERDICT_SECONDS

pytestmark = pytest.mark.timeout(120)  # chance takes its time on a busy machine

LONGEST_SPEECH = 3.0
SPEECH_WITHIN = LONGEST_SPEECH + 3.0 + 0.1 + 1.0
"""So long takes a speech with its functions and its answer."""
DECIDES_WITHIN = 3.0 + 2.0 + VERDICT_SECONDS
"""The longest delay of the options below, a text that is not final, a judge who is silent."""

Words = set[str]


def words_of(text: str) -> Words:
    return set(text.split())


class Watched(Shell):
    """A conversation that watches where the user's words go."""

    said: Words
    answered: Words
    unsaid: Words

    def __init__(self, options: TurnOptions, **given: Any) -> None:
        super().__init__(options, **given)
        self.said, self.answered, self.unsaid = set(), set(), set()

    def handle(self, event: s.Input) -> list[s.Command]:
        turn, active = self.machine.turn, self.machine.floor.active
        text, new = words_of(turn.text), words_of(turn.new_text)
        commands = super().handle(event)
        self._text_stays(event, text - words_of(turn.text))
        if isinstance(event, s.InterruptionVerdict) and event.is_echo:
            self.unsaid |= new - words_of(turn.new_text)
        if isinstance(event, s.Final | s.Typed):
            self.said |= words_of(event.text)
            self.unsaid -= words_of(turn.text)
            missing = words_of(event.text) - words_of(turn.text)
            assert missing <= self.unsaid | self.answered, f"{missing} was not taken in"
        for command in commands:
            if isinstance(command, s.BeginReply):
                self.replies[command.speech] = command.text
            elif isinstance(command, s.TurnDecided):
                self.answered |= words_of(self.replies[command.speech])
        unasked = new - words_of(turn.new_text) - self.answered - self.unsaid
        if unasked and not isinstance(event, s.Final | s.Interim | s.InterruptionVerdict):
            enough = count_words(" ".join(new)) >= self.options.interrupt_min_words
            assert active is not None, f"{unasked} is not asked"
            assert not (active.interruptible and enough), f"{unasked} is not asked"
        return commands

    def _text_stays(self, event: s.Input, gone: Words) -> None:
        match event:
            case s.InterruptionVerdict(is_echo=True):
                assert gone <= words_of(self.asked[-1][1].text), f"{gone} was not asked about"
            case s.Final():
                self.unsaid |= gone  # it was heard anew
            case s.UserCommitted(_, speech) if speech in self.replies:
                assert gone <= words_of(self.replies[speech]), f"{gone} is not what {speech} answers"
            case _:
                # An interim that counts may be replaced by a longer one.
                assert all(word.startswith("i") for word in gone), f"{gone} is lost by {event}"


class Conversation(RuleBasedStateMachine):
    """Evidence, speeches and failures by chance."""

    @initialize(
        options=st.builds(
            TurnOptions,
            allow_interruptions=st.booleans(),
            interrupt_min_words=st.sampled_from([0, 0, 2]),
            preemptive_synthesis=st.booleans(),
            turn_detector=st.booleans(),
            empty_turn_timeout=st.sampled_from([None, 0.3, 2.0]),
            resume_false_interruption=st.booleans(),
            max_endpointing_delay=st.just(3.0),
        ),
        commits_after=st.sampled_from([None, 0.5]),
        stop_seconds=st.sampled_from([0.0, 0.2]),
    )
    def begin(self, options: TurnOptions, commits_after: float | None, stop_seconds: float) -> None:
        self.verdict: tuple[Decision, bool] | Decision | None = Decision.WAIT
        self.verdict_after = 0.0
        self.detected: Decision | None = Decision.ACT
        self.shell = Watched(
            options,
            judge=lambda _: self.verdict,
            detect=lambda _: self.detected,
            reply_after=0.1,
            reply_seconds=1.5,
            commits_after=commits_after,
            stop_seconds=stop_seconds,
        )
        self.run_open = self.vad_speaking = False
        self.onset = self.last = 0.0
        self.ids = 0
        self.open: set[int] = set()
        self.said_interim = ""

    def post(self, make: Callable[[float], s.Input]) -> None:
        self.shell.post(make(self.shell.now))

    def next_id(self) -> int:
        self.ids += 1
        return self.ids

    # --- time and judges ---------------------------------------------------------------------------------------------

    @rule(seconds=st.sampled_from([0.01, 0.1, 0.3, 0.6, 1.0, 2.5]))
    def time_passes(self, seconds: float) -> None:
        self.shell.pass_to(self.shell.now + seconds)

    @rule(
        verdict=st.sampled_from([None, *Decision, (Decision.IGNORE, True)]),
        after=st.sampled_from([0.0, 0.0, 0.2, 1.0]),
    )
    def the_strategy_changes_its_mind(self, verdict: Any, after: float) -> None:
        self.verdict = verdict
        self.shell._judge_after = after

    @rule(detected=st.sampled_from([None, *Decision]))
    def the_detector_changes_its_mind(self, detected: Decision | None) -> None:
        self.detected = detected

    @rule(behind=st.integers(0, 3), decision=st.sampled_from(Decision))
    def a_verdict_is_out_of_date(self, behind: int, decision: Decision) -> None:
        serial = self.shell.machine.turn.serial - behind
        self.post(lambda at: s.TurnVerdict(at, serial, decision))

    @rule(behind=st.integers(1, 3), decision=st.sampled_from(Decision), is_echo=st.booleans())
    def a_strategy_is_out_of_date(self, behind: int, decision: Decision, is_echo: bool) -> None:
        if len(self.shell.asked) > behind:
            serial = self.shell.asked[-1 - behind][1].serial
            self.post(lambda at: s.InterruptionVerdict(at, serial, decision, is_echo))

    # --- the user ----------------------------------------------------------------------------------------------------

    @rule(windows=st.integers(1, 25))
    def the_user_speaks(self, windows: int) -> None:
        for _ in range(windows):
            self.shell.pass_to(self.shell.now + WINDOW)
            self.last = self.shell.now
            if not self.run_open:
                self.run_open, self.onset = True, self.shell.now - WINDOW
                self.post(lambda at: s.VoiceRunBegan(at, self.onset))
            self.post(lambda at: s.VoiceWindow(at, True, self.last))
            if not self.vad_speaking:
                self.vad_speaking = True
                self.post(s.SpeechStarted)

    @precondition(lambda self: self.run_open)
    @rule(windows=st.integers(1, 2))
    def the_user_falls_silent(self, windows: int) -> None:
        for _ in range(windows):
            self.shell.pass_to(self.shell.now + WINDOW)
            self.post(lambda at: s.VoiceWindow(at, False, self.last))
        if windows == 2:
            self.run_open = False
            self.post(lambda at: s.VoiceRunEnded(at, self.onset, self.last))

    @precondition(lambda self: self.vad_speaking and not self.run_open)
    @rule()
    def the_detector_says_end(self) -> None:
        self.vad_speaking = False
        self.post(s.SpeechStopped)

    @rule(count=st.integers(1, 3))
    def something_is_understood_perhaps(self, count: int) -> None:
        self.said_interim = " ".join(f"i{self.next_id()}" for _ in range(count))
        self.post(lambda at: s.Interim(at, self.said_interim))

    @rule()
    def nothing_after_all(self) -> None:
        self.post(lambda at: s.Interim(at, ""))

    @rule(count=st.integers(0, 4), key=st.integers(1, 3))
    def something_is_understood(self, count: int, key: int) -> None:
        text = " ".join(f"w{self.next_id()}" for _ in range(count))
        self.post(lambda at: s.Final(at, key, text))

    @rule()
    def what_was_understood_becomes_final(self) -> None:
        self.post(lambda at: s.Final(at, 100 + self.next_id(), self.said_interim))

    @rule(key=st.integers(1, 3))
    def a_recognition_begins(self, key: int) -> None:
        self.open.add(key)
        self.post(lambda at: s.RecognitionOpened(at, key))

    @precondition(lambda self: self.open)
    @rule()
    def a_recognition_ends(self) -> None:
        key = self.open.pop()
        self.post(lambda at: s.RecognitionClosed(at, key))

    @rule()
    def the_recogniser_says_end_of_turn(self) -> None:
        self.post(s.EndOfTurn)

    @rule()
    def the_user_types(self) -> None:
        text = f"t{self.next_id()}"
        self.post(lambda at: s.Typed(at, text))

    # --- the agent ---------------------------------------------------------------------------------------------------

    @rule(
        seconds=st.floats(0.0, LONGEST_SPEECH),
        after=st.sampled_from([0.0, 0.3]),
        interruptible=st.booleans(),
        functions=st.sampled_from([None, 0.0, 1.0]),
        first=st.booleans(),
        data=st.data(),
    )
    def the_program_says_something(
        self, seconds: float, after: float, interruptible: bool, functions: float | None, first: bool, data: Any
    ) -> None:
        speech = f"s{self.next_id()}"
        alive = [each for each in self.shell.ledger.where if each not in self.shell.ledger.closed]
        parent = data.draw(st.sampled_from([None, *alive]))
        self.shell.script[speech] = Spoken(SpeechKind.SAY, seconds, functions=functions, interruptible=interruptible)
        self.shell.say(self.shell.now, speech, after=after, interruptible=interruptible, parent=parent, first=first)
        self.shell.pass_to(self.shell.now)

    @rule(functions=st.sampled_from([None, 0.5, 3.0]), answer=st.sampled_from([None, 1.0]), seconds=st.floats(0.0, 2.0))
    def the_next_reply_calls_functions(self, functions: float | None, answer: float | None, seconds: float) -> None:
        speech = f"r{len(self.shell.replies) + 1}"
        self.shell.script[speech] = Spoken(SpeechKind.REPLY, seconds, functions=functions, answer=answer)

    @rule(after=st.sampled_from([None, 0.0, 0.1, 0.7]))
    def replies_take_so_long(self, after: float | None) -> None:
        self.shell._reply_after = after

    @precondition(lambda self: self.shell.ledger.unended())
    @rule(data=st.data(), silent=st.booleans())
    def a_speech_fails(self, data: Any, silent: bool) -> None:
        self.shell.fail(data.draw(st.sampled_from(sorted(self.shell.ledger.unended()))), silent=silent)

    @precondition(lambda self: self.shell.ledger.where)
    @rule(data=st.data(), nested=st.booleans())
    def one_speech_is_cancelled(self, data: Any, nested: bool) -> None:
        speech = data.draw(st.sampled_from(sorted(self.shell.ledger.where)))
        self.post(lambda at: s.SpeechCancelled(at, speech, nested))

    @rule(everything=st.booleans())
    def the_program_wants_silence(self, everything: bool) -> None:
        self.post(lambda at: s.InterruptAll(at, everything))

    # --- the end -----------------------------------------------------------------------------------------------------

    def teardown(self) -> None:
        """The user falls silent and speeches end; then nothing is left, within the delays."""
        if not hasattr(self, "shell") or self.shell.is_busy:
            return  # it has failed already
        shell = self.shell
        if self.run_open:
            self.the_user_falls_silent(windows=2)
        if self.vad_speaking:
            self.the_detector_says_end()
        self.nothing_after_all()
        while self.open:
            self.a_recognition_ends()
        shell._reply_after = 0.1
        shell.pass_to(shell.now + 1.0)
        for speech in set(shell.ledger.unended()) - shell.ledger.ready:
            shell.fail(speech)  # its provider has given nothing
        shell.pass_to(shell.now + DECIDES_WITHIN + (len(shell.ledger.unended()) + 1) * SPEECH_WITHIN)
        assert not shell.ledger.unended()
        assert not len(shell.machine.floor)
        assert shell.machine.next_deadline is None
        assert not shell.machine.turn.fresh
        assert not shell.ledger.user_speaks
        assert not shell.states or shell.states[-1][1] == "listening"
        assert shell.said <= shell.answered | shell.unsaid | words_of(shell.machine.turn.text)


TestConversation = Conversation.TestCase
TestConversation.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)

Segment = tuple[float, float, float, int]
segments = st.lists(
    st.tuples(
        st.floats(0.02, 1.2),  # silence before it
        st.floats(0.1, 1.5),  # its length
        st.floats(0.0, 1.0),  # how long the recogniser takes
        st.integers(0, 3),  # its words
    ),
    min_size=1,
    max_size=6,
)


@given(
    spoken=segments,
    reply_after=st.floats(0.0, 0.8),
    interims=st.booleans(),
    preemptive=st.booleans(),
    hangover=st.sampled_from([0.0, 0.08]),
)
@pytest.mark.timeout(120)
@settings(max_examples=150, deadline=None)
def test_no_reply_is_heard_to_a_turn_that_the_user_continues(
    spoken: list[Segment], reply_after: float, interims: bool, preemptive: bool, hangover: float
) -> None:
    """The ledger refuses such a reply; here the last one answers all that is not part of the conversation."""
    shell = Watched(TurnOptions(preemptive_synthesis=preemptive), reply_after=reply_after, reply_seconds=2.0)
    at, loud, said = 0.0, [], []
    for i, (silence, length, late, count) in enumerate(spoken):
        begins, at = at + silence, at + silence + length
        loud.append((begins, at))
        text = " ".join(f"w{i}.{n}" for n in range(count))
        if text and interims:
            shell.interim(at, text)
        shell.final(at + late, text, key=i)
        said += text.split()
    shell.voice(*loud, hangover=hangover)

    shell.run()

    assert shell.at_rest()
    assert set(said) == shell.answered
    assert not shell.machine.turn.text
    if said:
        heard = [speech for speech in shell.played if f"silent {speech}" in [line for _, line in shell.log]]
        assert said[-1] in shell.replies[heard[-1]].split()
