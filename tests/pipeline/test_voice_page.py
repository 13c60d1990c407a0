"""The page about voice cannot drift from the code: its examples run, its tables are complete and measured.

``python tests/pipeline/test_voice_page.py`` writes the table of endpointing anew.
"""

from __future__ import annotations

import ast
import asyncio
import inspect
import re
import wave
from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING, fields
from pathlib import Path
from types import SimpleNamespace
from typing import Any, get_args

import pytest

from lk_agents.job.process import JobProcess
from lk_agents.llm import FallbackAdapter
from lk_agents.media import EndPolicy
from lk_agents.media.surroundings import GRACE_SECONDS, use_session_io
from lk_agents.metrics import PipelineEOUMetrics
from lk_agents.pipeline import DeadAir, EventTypes, SpeechOutcome, Stage, VoicePipelineAgent
from lk_agents.pipeline.settings import AgentSettings, TurnRules
from lk_agents.testing.clock import VirtualClock
from lk_agents.testing.providers import Answer, Heard, ScriptedLLM, ScriptedSTT, ScriptedVAD, voice
from lk_agents.testing.session import ScriptedCall
from lk_agents.testing.session_io import MemorySessionIO
from lk_agents.turns import Decision, Evidence, TurnDetector
from lk_agents.voice.dead_air import DEFAULT_STEPS, Action
from lk_agents.voice.options import TurnOptions
from lk_agents.voice.session_options import SessionOptions

PAGE = Path(__file__).resolve().parents[2] / "docs" / "voice.md"
TEXT = PAGE.read_text(encoding="utf-8")
SNIPPETS = re.findall(r"^```python\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)

MakeCall = Callable[..., ScriptedCall]


def table(name: str) -> list[list[str]]:
    """Return the cells of a table's rows, without its head."""
    _, _, rest = TEXT.partition(f"<!-- {name}: begin -->\n")
    text, _, _ = rest.partition(f"<!-- {name}: end -->")
    rows = [line.strip().strip("|").split("|") for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in row] for row in rows[2:]]


def plain(cell: str) -> str:
    return cell.replace("`", "").strip()


@pytest.fixture
def page() -> dict[str, Any]:
    """What the page's snippets define, one after the other, as a reader would."""
    names: dict[str, Any] = {"__name__": "page"}
    for code in SNIPPETS:
        exec(compile(code, "docs/voice.md", "exec"), names)
    return names


# --- tables ----------------------------------------------------------------------------------------------------------


def defaults() -> Iterator[tuple[str, Any]]:
    """Yield each option of the agent with its default, in its order."""
    for name, parameter in inspect.signature(VoicePipelineAgent).parameters.items():
        if parameter.kind is parameter.KEYWORD_ONLY:
            yield name, parameter.default
    found: dict[str, Any] = {}
    for record in (TurnOptions, SessionOptions):
        found |= {each.name: each.default for each in fields(record)}
    of_the_agent = {
        "interruption": None,
        "dead_air_policy": None,
        "speculative_recognition": True,
        "end_policy": EndPolicy.MANUAL,
        "grace_seconds": GRACE_SECONDS,
    }
    for name in AgentSettings.__annotations__:
        default = of_the_agent.get(name, found.get(name, MISSING))
        assert default is not MISSING, f"nobody knows the default of {name}"
        yield name, default


def test_every_option_is_in_the_table_with_its_default() -> None:
    def written(default: Any) -> str:
        if default is inspect.Parameter.empty:
            return "required"
        return repr(str(default)) if isinstance(default, EndPolicy) else repr(default)

    listed = [(plain(name).removesuffix("↻").strip(), plain(default)) for name, default, _ in table("options")]

    assert listed == [(name, written(default)) for name, default in defaults()]


def test_the_table_marks_the_options_that_can_be_changed() -> None:
    marked = {plain(name).removesuffix("↻").strip() for name, *_ in table("options") if "↻" in name}

    assert marked == set(TurnRules.__annotations__)


def test_every_event_is_in_the_table() -> None:
    assert [plain(name) for name, *_ in table("events")] == list(get_args(EventTypes))


def test_every_outcome_is_in_the_table() -> None:
    assert [plain(name) for name, _ in table("outcomes")] == [each.name for each in SpeechOutcome]


def test_every_end_policy_is_in_the_table() -> None:
    assert [plain(name) for name, _ in table("end policies")] == [str(each) for each in EndPolicy]


def test_the_table_of_dead_air_has_what_is_done_by_default() -> None:
    def written(stage: Stage, alarm: int) -> str:
        steps = DEFAULT_STEPS[stage]
        return ", ".join(action.name for action in steps[min(alarm, len(steps) - 1)])

    assert [[plain(cell) for cell in row] for row in table("dead air")] == [
        [stage.value, written(stage, 0), written(stage, 1)] for stage in Stage
    ]


# --- the endpointing delay, measured ---------------------------------------------------------------------------------


class NeverOver(TurnDetector):
    """Always says that the user has not finished."""

    async def judge(self, evidence: Evidence) -> Decision:
        return Decision.WAIT


def hello(text: str = "Hello there", **how: Any) -> Heard:
    return Heard(text, 0.96, 1.92, **how)


GOES_ON = Heard("and good morning", 2.304, 3.2)

CASES: Mapping[str, Callable[[], dict[str, Any]]] = {
    "a streaming recogniser that is sure after 0.2 s": lambda: {"caller": [hello()]},
    "one that is sure after 0.9 s": lambda: {"caller": [hello(final_seconds=0.9)]},
    "one that is never sure: the interim counts after `transcript_timeout`": lambda: {
        "caller": [hello(final_seconds=60.0)]
    },
    "a recogniser of recordings that answers at once": lambda: {"caller": [hello()], "streaming": False},
    "one that takes 0.5 s": lambda: {
        "caller": [hello()],
        "stt": ScriptedSTT([hello()], streaming=False, recognition_seconds=0.5),
    },
    "the same without `speculative_recognition`": lambda: {
        "caller": [hello()],
        "stt": ScriptedSTT([hello()], streaming=False, recognition_seconds=0.5),
        "speculative_recognition": False,
    },
    "a detector that tells the end of speech only after 2 s": lambda: {
        "caller": [hello()],
        "vad": ScriptedVAD([hello()], min_silence_duration=2.0),
    },
    'a turn detector that says "not finished"': lambda: {"caller": [hello()], "turn_detector": NeverOver()},
    "the same with `max_endpointing_delay=2.0`": lambda: {
        "caller": [hello()],
        "turn_detector": NeverOver(),
        "max_endpointing_delay": 2.0,
    },
    "`punctuation_factor=0.5`, and the text ends with a full stop": lambda: {
        "caller": [hello("Hello there.")],
        "punctuation_factor": 0.5,
    },
    "the user goes on after a pause of 0.4 s: counted from the last word": lambda: {"caller": [hello(), GOES_ON]},
}


async def measured(case: str) -> str:
    """Return the delay that the agent tells of, as the page has it."""
    call = ScriptedCall(answers=["Hello to you."], **CASES[case]())
    try:
        await call.run()
    finally:
        await call.aclose()
    (delay,) = [
        told.end_of_utterance_delay for told in call.told("metrics_collected") if isinstance(told, PipelineEOUMetrics)
    ]
    return f"{delay:.2f} s"


@pytest.mark.parametrize(("case", "written"), table("endpointing"))
async def test_the_endpointing_delay_means_what_the_table_says(lk_clock: VirtualClock, case: str, written: str) -> None:
    assert await measured(case) == written


def test_the_table_of_endpointing_has_all_cases() -> None:
    assert [case for case, _ in table("endpointing")] == list(CASES)


# --- snippets --------------------------------------------------------------------------------------------------------


def test_the_program_loads_the_detector_before_there_is_a_call(page: dict[str, Any]) -> None:
    proc = JobProcess()
    page["prewarm"](proc)

    assert type(proc.userdata["vad"]).__module__.startswith("lk_agents_silero")


async def test_the_program_holds_a_conversation(
    lk_clock: VirtualClock, page: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    caller = [Heard("Where is my parcel?", 3.0, 4.5)]
    offered: list[str] = []

    def create(spec: str, **_: Any) -> ScriptedSTT:
        offered.append(spec)
        return ScriptedSTT(caller)

    monkeypatch.setattr("lk_agents.stt.create", create)  # nobody reaches the vendor here
    proc = JobProcess()
    proc.userdata["vad"] = ScriptedVAD(caller)
    agents: list[VoicePipelineAgent] = []

    class Watched(VoicePipelineAgent):
        def __init__(self, **options: Any) -> None:
            super().__init__(**options)
            agents.append(self)

    page["VoicePipelineAgent"] = Watched
    io = MemorySessionIO()
    ctx = SimpleNamespace(connect=_nothing, wait_for_participant=_nothing, proc=proc, room=None)
    with use_session_io(lambda request: io):
        await page["entrypoint"](ctx)
        call = ScriptedCall(caller, agent=lambda **_: agents[0], io=io)
        assert call.io.voice is not None
        call.io.voice.feed(voice(caller, 14.0, frame_seconds=0.032))
        await asyncio.sleep(14.0)
        await agents[0].aclose()

    assert offered == ["deepgram/nova-3"]
    assert call.said() == ["Where is my parcel?"]
    assert call.heard() == ["Good morning, how can I help?", "I do not know, but I will ask."]


async def _nothing() -> None:
    return None


@pytest.mark.parametrize(
    ("playing", "text", "seconds", "decision"),
    [
        ("These are our terms and conditions.", "well", 2.0, Decision.IGNORE),
        ("These are our terms and conditions.", "help me", 0.3, Decision.ACT),
        ("The ferry leaves at nine.", "mhm", 0.4, Decision.IGNORE),
        ("The ferry leaves at nine.", "no, wait", 0.4, Decision.ACT),
        ("The ferry leaves at nine.", "", 0.4, Decision.WAIT),
        ("The ferry leaves at nine.", "", 1.6, Decision.ACT),
    ],
)
def test_the_strategy_says_what_the_page_tells(
    page: dict[str, Any], playing: str, text: str, seconds: float, decision: Decision
) -> None:
    evidence = Evidence(turn=1, speech_seconds=seconds, speaking=True, text=text, playout_text=playing)

    assert page["polite"].judge_now(evidence) is decision


async def test_an_announcement_is_heard_to_its_end_and_not_remembered(
    lk_session: MakeCall, page: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    call = lk_session()
    call.start()
    await page["announce"](call.agent)

    assert call.io.audio_out.position() > 1.0
    assert call.heard() == []
    assert capsys.readouterr().out == ""


async def test_an_announcement_that_is_silenced_says_how_far_it_was_heard(
    lk_session: MakeCall, page: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    call = lk_session()
    call.start()
    announcing = asyncio.create_task(page["announce"](call.agent))
    await call.until(0.7)
    call.agent.interrupt()
    await announcing

    assert capsys.readouterr().out == "heard was only: This call is\n"


async def test_the_functions_of_the_page_are_called(lk_session: MakeCall, page: dict[str, Any]) -> None:
    bookings = page["Bookings"]()
    answers = [Answer("Let me see.", calls=[("book", {"guests": 4})]), "It is done."]
    call = await lk_session([Heard("A table for four", 1.0, 2.0)], answers, fnc_ctx=bookings).run()

    assert [(each.name, each.output) for each in call.called()] == [("book", "A table for 4 is booked.")]
    assert list(bookings.booked.values()) == [4]
    assert call.heard() == ["Let me see.", "It is done."]


async def test_the_callback_before_the_model_adds_what_is_known_or_wants_no_reply(
    lk_session: MakeCall, page: dict[str, Any]
) -> None:
    caller = [Heard("When does it leave?", 1.0, 2.0), Heard("goodbye", 8.0, 8.5)]
    call = await lk_session(caller, ["At nine."], before_llm_cb=page["add_what_is_known"]).run()

    (asked,) = call.agent.llm.calls  # type: ignore[attr-defined]
    assert [str(message.content) for message in asked.messages] == ["The ferry leaves at nine.", "When does it leave?"]
    assert call.heard() == ["At nine."]


async def test_the_callback_before_the_voice_changes_only_what_is_spoken(
    lk_session: MakeCall, page: dict[str, Any]
) -> None:
    call = lk_session([Heard("Where do you live?", 1.0, 2.0)], ["In St. Ives."], before_tts_cb=page["spell_out"])
    call.start()
    await call.agent.say("From St. Ives.")
    await call.run()

    assert call.agent.tts.spoken == ["From Saint Ives.", "In Saint Ives."]  # type: ignore[attr-defined]
    assert call.heard() == ["From St. Ives.", "In St. Ives."]


def test_the_policies_of_the_page_are_policies(page: dict[str, Any]) -> None:
    def alarm(stage: Stage, count: int) -> DeadAir:
        return DeadAir(stage=stage, since=0.0, seconds=4.0 * count, turn=1, speech="SP", count=count, given_up=5)

    assert page["patient"](alarm(Stage.TOOL, 1)) == (Action.REPORT,)
    assert page["patient"](alarm(Stage.TOOL, 2)) == (Action.FILLER,)
    assert page["patient"](alarm(Stage.LLM_FIRST_TOKEN, 2)) == (Action.GIVE_UP,)
    assert page["hang_up_at_once"](alarm(Stage.PLAYOUT, 3)) is Action.END


async def test_a_recording_is_heard_as_the_filler(lk_session: MakeCall, page: dict[str, Any], tmp_path: Path) -> None:
    with wave.open(str(tmp_path / "one_moment.wav"), "wb") as file:
        file.setparams((1, 2, 16_000, 0, "NONE", ""))
        file.writeframes(b"\x00\x20" * 16_000)
    filler = page["recorded"](str(tmp_path / "one_moment.wav"))
    slow = Answer("There you are.", first_seconds=5.0)
    call = await lk_session([Heard("Hello", 1.0, 1.5)], [slow, slow], filler=filler).run(9.0)

    assert [alarm.stage for alarm in call.told("dead_air")] == [Stage.LLM_FIRST_TOKEN]
    assert call.io.audio_out.position() >= 1.0


async def test_the_test_of_the_page_passes(lk_session: MakeCall, page: dict[str, Any]) -> None:
    await page["test_it_tells_when_the_ferry_leaves"](lk_session)


def test_a_slow_model_is_hedged(page: dict[str, Any]) -> None:
    quick = page["quick"](ScriptedLLM(), ScriptedLLM())

    assert isinstance(quick, FallbackAdapter)


def test_every_function_and_class_of_the_page_is_tried_here(page: dict[str, Any]) -> None:
    defined = {
        node.name
        for code in SNIPPETS
        for node in ast.parse(code).body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
    }
    used = set(re.findall(r'page\["(\w+)"\]', Path(__file__).read_text(encoding="utf-8")))

    assert defined - used == {"NotDuringTheTerms"}  # a part of ``polite``


if __name__ == "__main__":
    rows = [f"| {case} | {VirtualClock().run(measured(case))} |" for case in CASES]
    head, _, rest = TEXT.partition("<!-- endpointing: begin -->\n")
    _, _, tail = rest.partition("<!-- endpointing: end -->")
    title = ["| engines and rules | decision after the last sample |", "|---|---|"]
    PAGE.write_text(
        f"{head}<!-- endpointing: begin -->\n{chr(10).join([*title, *rows])}\n<!-- endpointing: end -->{tail}",
        encoding="utf-8",
    )
