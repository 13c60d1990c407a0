"""Recorded evidence, and what each strategy is to make of it: one table."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from lk_agents.turns import (
    Backchannels,
    Decision,
    Evidence,
    InstantInterruption,
    SpeechLength,
    default_interruption,
    is_self_speech,
    words_or_length,
)

FOLDER: Final = Path(__file__).parent / "evidence"
WINDOW_SECONDS: Final = 0.032
RECORDED: Final = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(FOLDER.glob("*.json"))}

STRATEGIES: Final[dict[str, InstantInterruption]] = {
    "default": default_interruption(),
    "two words": default_interruption(0.5, 2),
    "one second": SpeechLength(1.0),
    "words only": Backchannels(),
    "backchannels": words_or_length(),
}


def moments(recorded: dict[str, Any]) -> Iterator[tuple[float, Evidence]]:
    """Yield what is known after each window and after each text, as long as there was any voice."""
    onset, last, silent, text, final = None, 0.0, 2, "", False
    words = list(recorded["words"])
    for number, verdict in enumerate(recorded["windows"], 1):
        at = number * WINDOW_SECONDS
        if verdict == "#":
            if silent >= 2:
                onset = at - WINDOW_SECONDS
            last, silent = at, 0
        else:
            silent += 1
        news = [word for word in words if word["at"] <= at]
        words = words[len(news) :]
        if news:
            text, final = news[-1]["text"], news[-1]["final"]
        if onset is not None and (silent < 2 or news):
            yield (
                at,
                Evidence(
                    turn=1,
                    speech_seconds=last - onset,
                    silence_seconds=max(at - last, 0.0),
                    speaking=silent < 2,
                    text=text,
                    final=final,
                    language=recorded["language"],
                    agent_state="speaking",
                    playout_text=recorded["playing"],
                ),
            )


def verdict_of(strategy: InstantInterruption, recorded: dict[str, Any]) -> str:
    """Return when it acts, else the last that it says; ``echo`` where the words were the agent's own."""
    said = "-"
    for at, evidence in moments(recorded):
        if is_self_speech(evidence.text, evidence.playout_text, final=evidence.final):
            said = "echo"
            continue
        decision = strategy.judge_now(evidence)
        if decision is Decision.ACT:
            return f"act {at:.2f}"
        said = decision.value
    return said


@pytest.mark.parametrize("name", RECORDED)
def test_each_strategy_decides_about_recorded_evidence_as_wanted(name: str) -> None:
    recorded = RECORDED[name]

    assert {each: verdict_of(strategy, recorded) for each, strategy in STRATEGIES.items()} == recorded["wanted"]
