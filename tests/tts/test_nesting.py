"""Adapters are synthesizers like any other: they can be put into each other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.tts.members import SENTENCES, TEXT, fallback, push, whole
from tests.tts.speakers import Ears, Fault, Speaker, frame_of, heard, read, segments

from lk_agents.foundation.types import APIConnectOptions
from lk_agents.streams.words import TimedWord
from lk_agents.testing import VirtualClock
from lk_agents.tokenize.basic import SentenceTokenizer
from lk_agents.tts import TTS, StreamAdapter, SynthesizedAudio, SynthesizeStream, TTSCapabilities


def adapted(tts: TTS[Any], min_sentence_len: int = 5) -> StreamAdapter:
    return StreamAdapter(tts=tts, sentence_tokenizer=SentenceTokenizer(min_sentence_len=min_sentence_len))


NESTS: dict[str, Callable[[], TTS[Any]]] = {
    "a stream adapter": lambda: adapted(whole()),
    "a fallback adapter": lambda: fallback(Speaker()),
    "a fallback adapter over a stream adapter": lambda: fallback(adapted(whole())),
    "a stream adapter over a fallback adapter": lambda: adapted(fallback(whole())),
    "a fallback adapter over fallback adapters": lambda: fallback(fallback(Speaker()), fallback(Speaker())),
    "a stream adapter over a stream adapter": lambda: adapted(adapted(whole())),
    # The inner one cuts finer than the outer one, and the other way round.
    "adapters that cut differently": lambda: fallback(adapted(whole(), 1), sentence_tokenizer=SentenceTokenizer()),
    "adapters that cut differently the other way": lambda: fallback(adapted(whole(), 40)),
}


@pytest.mark.parametrize("nest", NESTS.values(), ids=NESTS.keys())
async def test_adapters_say_what_a_synthesizer_says_in_the_same_segments(nest: Callable[[], TTS[Any]]) -> None:
    tts = nest()
    ears = Ears.on(tts)

    audio = await read(push(tts.stream(), TEXT, " ", "Bye.", "Go. No. So."))

    expected = ["".join(SENTENCES), "Bye.", "Go.No.So."]
    assert [said.replace(" ", "") for said in segments(audio)] == [text.replace(" ", "") for text in expected]
    assert sum(record.characters_count for record in ears.metrics) >= sum(map(len, expected))


@pytest.mark.parametrize("nest", NESTS.values(), ids=NESTS.keys())
async def test_adapters_say_whole_texts(nest: Callable[[], TTS[Any]]) -> None:
    said = heard(await read(nest().synthesize(TEXT)))

    assert said.replace(" ", "") == TEXT.replace(" ", "")


@pytest.mark.parametrize("at", range(12))
async def test_a_fault_in_a_nested_member_is_made_good_by_the_next(lk_clock: VirtualClock, at: int) -> None:
    inner = fallback(adapted(whole(*[None] * (at // 3), Fault(at % 3))), adapted(whole()))
    outer = adapted(inner)

    said = heard(await read(push(fallback(outer).stream(), TEXT)))

    assert said.replace(" ", "").endswith(SENTENCES[-1].replace(" ", ""))
    assert all(said.count(sentence) == 1 for sentence in SENTENCES)
    await inner.aclose()


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_no_sentence_is_lost_or_said_twice_whatever_fails(data: st.DataObject) -> None:
    texts = data.draw(
        st.lists(st.lists(st.sampled_from(SENTENCES), max_size=3).map(" ".join), min_size=1, max_size=4), "texts"
    )
    size = data.draw(st.integers(1, 30), "size of tokens")
    faults = data.draw(st.lists(st.none() | st.integers(0, 10), min_size=1, max_size=3), "faults")
    characters = data.draw(st.sampled_from([1, 5, 100]), "characters in a frame")
    numbered = [
        " ".join(f"{index}{number} {sentence}" for number, sentence in enumerate(text.split(". ")))
        for index, text in enumerate(texts)
    ]

    async def speak() -> list[str]:
        first = Speaker(*(fault if fault is None else Fault(fault) for fault in faults), characters=characters)
        adapter = fallback(first, Speaker(characters=characters), no_fallback_after_audio_duration=None)
        stream = adapter.stream()
        for text in numbered:
            for at in range(0, len(text), size):
                stream.push_text(text[at : at + size])
            stream.flush()
        stream.end_input()
        said = segments(await read(stream))
        await adapter.aclose()
        return said

    said = VirtualClock().run(speak())

    spoken = [text for text in numbered if any(map(str.isalnum, text))]
    assert len(said) == len(spoken)
    for text, segment in zip(spoken, said, strict=True):
        for sentence in SentenceTokenizer(min_sentence_len=5).tokenize(text):
            assert segment.count(sentence) == 1


class Timed(Speaker):
    """Tells when the first word of each segment is spoken."""

    def __init__(self) -> None:
        super().__init__()
        self._capabilities = TTSCapabilities(streaming=True, aligned_words=True)

    def stream(self, *, conn_options: APIConnectOptions | None = None) -> SynthesizeStream:
        return _TimedStream(tts=self, conn_options=conn_options)


class _TimedStream(SynthesizeStream):
    async def _run(self) -> None:
        text = ""
        async for item in self._input_ch:
            if isinstance(item, str):
                text += item
                continue
            words = [TimedWord(text.split()[0], 0.0, 0.03)]
            self._event_ch.send_nowait(SynthesizedAudio(frame_of(text), "", is_final=True, words=words))
            text = ""


async def test_times_of_words_count_from_the_start_of_the_segment_through_all_adapters() -> None:
    tts = fallback(fallback(Timed()))

    audio = await read(push(tts.stream(), TEXT, "Bye now."))

    starts = [(word.text, round(word.start_time, 6)) for piece in audio for word in piece.words or ()]
    assert starts == [("The", 0.0), ("The", 0.14), ("And", 0.35), ("A", 0.47), ("Bye", 0.0)]
    assert tts.capabilities.aligned_words
