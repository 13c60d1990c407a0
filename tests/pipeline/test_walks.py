"""Four conversations from the first sound to the last, with a whole agent.

Each was measured of the older framework with the same script: the model answers after 0.1 s, a word is 0.3 s of audio.
The times expected here are derived from the rules by the constants below, to the 2 ms that the event loop and whole
samples cost. Beside them stands what was measured; where both go by the same rule they agree within 0.1 s.
"""

from __future__ import annotations

import asyncio

import pytest
from tests.pipeline.calls import Functions, MakeCall, PromptTTS, asked, begun, happens, lines, model_of, windows

from lk_agents.llm import FunctionContext, ai_callable
from lk_agents.metrics import PipelineEOUMetrics, PipelineLLMMetrics
from lk_agents.pipeline import AgentCallContext, SpeechOutcome
from lk_agents.testing.providers import Answer, Heard, ScriptedLLM, ScriptedSTT, ScriptedTTS, ScriptedVAD
from lk_agents.testing.session import ScriptedCall

FIRST_TOKEN = 0.1
LETTER = 0.06
WORD = 5 * LETTER
"""Of four letters, with the space behind it; the last one has none."""
ENDPOINTING = 0.5
INTERRUPTS = 0.5
COMMITS = 1.5
START = windows(2)
"""After so much speech the detector says START."""
ALIKE = 0.1
EIGHT = "this that them they with from some here."
TWENTY = "each word that this text says will take just that long when some have read them here with this pace also"


def heard(text: str, start: int, end: int, final_at: float) -> Heard:
    """Return an utterance from one window to another, of which the recogniser is sure at a moment."""
    return Heard(text, windows(start), windows(end), final_seconds=final_at - windows(end))


def conversation(make: MakeCall, caller: list[Heard], answers: list[Answer | str], **options: object) -> ScriptedCall:
    """Return a call with a recogniser that gives final texts alone, and with a detector that says END after 0.5 s."""
    return make(
        caller,
        stt=ScriptedSTT(caller, interim_results=False),
        vad=ScriptedVAD(caller, min_silence_duration=0.5),
        llm=ScriptedLLM([each if isinstance(each, Answer) else Answer(each, first_seconds=0.1) for each in answers]),
        chat_ctx=begun(),
        **{"tts": ScriptedTTS(seconds_per_character=LETTER), **options},
    )


def as_measured(call: ScriptedCall, measured: dict[str, float], *, shift: float = 0.0) -> None:
    """Compare with the older framework what goes by the same rule.

    :param shift: how much earlier all of it is, for the sake of a row that goes by another rule.
    """
    found = lines(call)
    for what, moment in measured.items():
        at = next(at for at, line in found if line.startswith(what))
        assert at + shift == pytest.approx(moment, abs=ALIKE), f"{what}: {at}, measured {moment}"


# --- a plain turn ----------------------------------------------------------------------------------------------------


async def test_walk_a_plain_turn(lk_session: MakeCall) -> None:
    onset, silent, final = windows(7), windows(34), windows(41)
    call = conversation(lk_session, [heard("Hello there.", 7, 34, final)], [EIGHT])
    await call.run(10)

    decision = silent + ENDPOINTING
    audio = decision + FIRST_TOKEN
    over = audio + len(EIGHT) * LETTER
    happens(
        call,
        [
            (0.0, "state: initializing"),
            (0.0, "state: listening"),
            (onset + START, "user starts"),
            (decision, "user stops"),  # measured 1.71: the detector's END, from which the delay counted
            (audio, "state: speaking"),  # thinking is never shown
            (audio, "agent starts"),
            (audio + COMMITS, "user said: Hello there."),
            (over, "agent stops"),
            (over, f"agent said: {EIGHT}"),
            (over, "state: listening"),
        ],
        states=True,
    )
    as_measured(call, {"user starts": 0.30})
    as_measured(call, {"agent starts": 1.82, "user said": 3.32, "agent stops": 4.22}, shift=1.71 - decision)
    assert asked(call) == ["system: Be kind.", "user: Hello there."]
    (eou,) = [each for each in call.told("metrics_collected") if isinstance(each, PipelineEOUMetrics)]
    assert eou.end_of_utterance_delay == pytest.approx(ENDPOINTING)
    assert eou.transcription_delay == pytest.approx(final - silent)
    (thought,) = [each for each in call.told("metrics_collected") if isinstance(each, PipelineLLMMetrics)]
    assert thought.sequence_id == eou.sequence_id
    assert thought.ttft == pytest.approx(FIRST_TOKEN)


# --- an interrupted turn ---------------------------------------------------------------------------------------------


async def test_walk_b_interrupted_turn(lk_session: MakeCall) -> None:
    first = heard("Question one.", 6, 27, windows(33))
    second = heard("wait stop", 123, 157, windows(163))
    call = conversation(lk_session, [first, second], [TWENTY, "this stop"])
    await call.run(10)

    decision = windows(27) + ENDPOINTING
    audio = decision + FIRST_TOKEN
    cut = windows(123) + INTERRUPTS  # measured 4.52: 0.5 s counted from the detector's START
    heard_words = " ".join(TWENTY.split()[:10])  # the middle of the tenth is at 9 * 0.3 + 0.12 s, and 2.97 s were heard
    again = windows(157) + ENDPOINTING
    over = again + FIRST_TOKEN + len("this stop") * LETTER
    happens(
        call,
        [
            (windows(6) + START, "user starts"),
            (decision, "user stops"),
            (audio, "agent starts"),
            (audio + COMMITS, "user said: Question one."),
            (windows(123) + START, "user starts"),
            (cut, "agent stops"),
            (windows(163), f"agent was cut: {heard_words}..."),  # words have come: it was an interruption
            (again, "user stops"),  # measured 5.62: END
            (again + FIRST_TOKEN, "agent starts"),
            (over, "agent stops"),
            (over, "user said: wait stop"),
            (over, "agent said: this stop"),
        ],
    )
    as_measured(call, {"agent starts": 1.48, "user said": 2.99, "agent stops": 4.52})
    assert asked(call) == [
        "system: Be kind.",
        "user: Question one.",
        f"assistant: {heard_words}...",
        "user: wait stop",
    ]
    assert cut - audio == pytest.approx(2.972)


async def test_walk_b_interrupted_before_the_question_counts_it_is_asked_again_with_the_rest(
    lk_session: MakeCall,
) -> None:
    caller = [heard("Question one.", 6, 27, windows(33)), heard("wait stop", 72, 106, windows(112))]
    call = conversation(lk_session, caller, [TWENTY, "this stop"])
    await call.run(10)

    audio = windows(27) + ENDPOINTING + FIRST_TOKEN
    assert windows(72) + INTERRUPTS - audio == pytest.approx(1.34)  # measured with 1.33 s of the reply heard
    assert [what for _, what in lines(call)] == [
        "user starts",
        "user stops",
        "agent starts",
        "user starts",
        "agent stops",
        "user stops",
        "agent starts",
        "agent stops",
        "user said: Question one. wait stop",
        "agent said: this stop",
    ]
    assert asked(call) == ["system: Be kind.", "user: Question one. wait stop"]


# --- a turn with a function ------------------------------------------------------------------------------------------

CALL = 0.1
"""So much behind its text the model asks for the call."""
CALLS = [("weather", {"place": "Rome"})]
ASKS = Answer(["let me check."], calls=CALLS, first_seconds=FIRST_TOKEN, piece_seconds=CALL)
SUNNY = "it is sunny in rome now, all of it"


async def test_walk_c_function_call_turn(lk_session: MakeCall) -> None:
    letter = 0.07
    functions = Functions(seconds=1.0)
    call = conversation(
        lk_session,
        [heard("weather please", 6, 27, windows(33))],
        [ASKS, SUNNY],
        fnc_ctx=functions,
        tts=PromptTTS(seconds_per_character=letter),
    )
    await call.run(10)

    decision = windows(27) + ENDPOINTING
    audio = decision + FIRST_TOKEN
    silent = audio + len("let me check.") * letter
    answer = silent + functions.seconds + FIRST_TOKEN
    over = answer + len(SUNNY) * letter
    happens(
        call,
        [
            (windows(6) + START, "user starts"),
            (decision, "user stops"),
            (audio, "agent starts"),
            (audio + CALL, "user said: weather please"),  # early: a call is seen
            (silent, "agent stops"),
            (silent, "agent said: let me check."),
            (silent, "calls: weather"),
            (silent + functions.seconds, "called: weather"),
            (answer, "agent starts"),
            (over, "agent stops"),
            (over, f"agent said: {SUNNY}"),
        ],
    )
    as_measured(call, {"user stops": 1.38, "agent starts": 1.48, "user said": 1.58})
    as_measured(call, {"agent stops": 2.39, "called": 3.39, f"agent said: {SUNNY}": 5.90})
    assert [each.functions for each in model_of(call).calls] == [("weather",), ()]
    assert asked(call) == [
        "system: Be kind.",
        "user: weather please",
        "assistant: let me check.",
        "tool: sunny in Rome",
    ]
    roles = [(each.role, each.content, bool(each.tool_calls)) for each in call.agent.chat_ctx.messages[1:]]
    assert roles == [
        ("user", "weather please", False),
        ("assistant", "let me check.", True),
        ("tool", "sunny in Rome", False),
        ("assistant", SUNNY, False),
    ]


async def test_walk_c_without_a_text_the_agent_is_thinking_until_it_answers(lk_session: MakeCall) -> None:
    silent_call = Answer("", calls=CALLS, first_seconds=FIRST_TOKEN)
    caller = [heard("weather please", 6, 27, windows(33))]
    call = conversation(lk_session, caller, [silent_call, SUNNY], fnc_ctx=Functions(seconds=1.0))
    await call.run(10)

    decision = windows(27) + ENDPOINTING
    answer = decision + FIRST_TOKEN + 1.0 + FIRST_TOKEN
    assert [(at, what) for at, what in lines(call, states=True) if what.startswith(("state", "user said"))] == [
        (0.0, "state: initializing"),
        (0.0, "state: listening"),
        (pytest.approx(decision + FIRST_TOKEN), "user said: weather please"),
        (pytest.approx(decision + 0.2), "state: thinking"),
        (pytest.approx(answer), "state: speaking"),
        (pytest.approx(answer + len(SUNNY) * LETTER, abs=0.002), "state: listening"),
    ]
    assert len(call.at("agent_started_speaking")) == 1


async def test_walk_c_what_a_function_says_is_heard_at_once_and_the_answer_behind_it(lk_session: MakeCall) -> None:
    class Slow(FunctionContext):
        @ai_callable()
        async def weather(self, place: str) -> str:
            """Look at the weather."""
            await AgentCallContext.get_current().agent.say("still looking for it")
            await asyncio.sleep(1.0)
            return f"sunny in {place}"

    caller = [heard("weather please", 6, 27, windows(33))]
    call = conversation(lk_session, caller, [ASKS, SUNNY], fnc_ctx=Slow(), tts=PromptTTS())
    await call.run(12)

    silent = windows(27) + ENDPOINTING + FIRST_TOKEN + len("let me check.") * LETTER
    said = silent + len("still looking for it") * LETTER
    assert call.at("agent_started_speaking")[1:] == [
        pytest.approx(silent, abs=0.002),
        pytest.approx(said, abs=0.002),  # the answer is ready after 1.1 s, and waits for 1.2 s of speech
    ]
    assert [(each.role, each.content, bool(each.tool_calls)) for each in call.agent.chat_ctx.messages[2:]] == [
        ("assistant", "let me check.", False),
        ("assistant", "still looking for it", False),
        ("assistant", "", True),
        ("tool", "sunny in Rome", False),
        ("assistant", SUNNY, False),
    ]


# --- something is said while the user speaks -------------------------------------------------------------------------

SAID = "they will hear this when they have been here"


async def test_walk_d_something_interruptible_is_said_while_the_user_speaks(lk_session: MakeCall) -> None:
    caller = [heard("what do they say", 7, 54, 2.0)]
    call = conversation(lk_session, caller, ["this here."])
    call.start()
    await call.until(0.60)
    speech = await call.agent.say(SAID)
    await call.until(0.75)
    assert not speech.done
    await call.run(10)

    cut = windows(7) + INTERRUPTS  # the run counts from its first sample, and so 0.12 s of the speech are heard
    final, decision = windows(63), windows(54) + ENDPOINTING
    over = decision + FIRST_TOKEN + len("this here.") * LETTER
    happens(
        call,
        [
            (windows(7) + START, "user starts"),
            (0.60, "agent starts"),
            (cut, "agent stops"),
            (final, "agent was cut: they..."),
            (decision, "user stops"),
            (decision + FIRST_TOKEN, "agent starts"),
            (over, "agent stops"),
            (over, "user said: what do they say"),
            (over, "agent said: this here."),
        ],
    )
    as_measured(call, {"user starts": 0.30, "agent starts": 0.60, "agent stops": 0.81})
    assert await speech is SpeechOutcome.INTERRUPTED
    assert asked(call) == ["system: Be kind.", "assistant: they...", "user: what do they say"]


async def test_walk_d_what_is_said_under_an_uninterruptible_speech_stays_for_the_next_turn(
    lk_session: MakeCall,
) -> None:
    caller = [heard("what do they say", 7, 54, 2.0)]
    call = conversation(lk_session, caller, ["this here."])
    call.start()
    await call.until(0.60)
    speech = await call.agent.say(SAID, allow_interruptions=False)
    await call.until(5.0)

    over = 0.60 + len(SAID) * LETTER
    happens(
        call,
        [
            (windows(7) + START, "user starts"),
            (0.60, "agent starts"),
            (windows(54 + 16), "user stops"),  # no decision precedes END
            (over, "agent stops"),
            (over, f"agent said: {SAID}"),
        ],
    )
    assert await speech is SpeechOutcome.FINISHED
    assert model_of(call).calls == []

    call.io.text.write("tell me")
    await call.run(10)

    assert call.said() == ["what do they say tell me"]
    assert call.heard() == [SAID, "this here."]


async def test_walk_d_with_a_number_of_words_the_cut_waits_for_them(lk_session: MakeCall) -> None:
    caller = [heard("what do they say", 7, 54, 2.0)]
    call = conversation(lk_session, caller, ["this here."], interrupt_min_words=3)
    call.start()
    await call.until(0.60)
    await call.agent.say(SAID)
    await call.run(10)

    assert call.at("agent_stopped_speaking")[0] == pytest.approx(windows(63))
    assert call.heard()[0] == "they will hear this when..."  # 1.42 s; the middle of the fifth word is at 1.32 s
