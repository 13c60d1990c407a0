"""Transcripts where there is no room."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import cast

import pytest
from livekit import rtc
from tests.transcription.stage import sound

from lk_agents.foundation.errors import ConfigError
from lk_agents.media import TextSegment
from lk_agents.stt import SpeechData, SpeechEvent, SpeechEventType
from lk_agents.testing import VirtualClock
from lk_agents.testing.room import FakePublication
from lk_agents.testing.text import MemoryTextIO
from lk_agents.transcription import STTSegmentsForwarder, TTSSegmentsForwarder


def heard(text: str, *, final: bool) -> SpeechEvent:
    kind = SpeechEventType.FINAL_TRANSCRIPT if final else SpeechEventType.INTERIM_TRANSCRIPT
    return SpeechEvent(kind, alternatives=[SpeechData("en", text)])


async def test_what_the_user_says_is_shown_without_a_room(lk_clock: VirtualClock) -> None:
    text_io = MemoryTextIO()
    forwarder = STTSegmentsForwarder(participant="ada", track="TR_1", text_io=text_io)
    for text, final in (("how", False), ("how are you", True), ("fine", True)):
        forwarder.update(heard(text, final=final))
    await forwarder.aclose()
    first, second = (segment.id for segment in text_io.shown)

    assert text_io.published == [
        TextSegment(participant="ada", track="TR_1", id=first, text="how", final=False),
        TextSegment(participant="ada", track="TR_1", id=first, text="how are you", final=True),
        TextSegment(participant="ada", track="TR_1", id=second, text="fine", final=True),
    ]


async def test_what_the_agent_says_is_shown_without_a_room_as_it_is_heard(lk_clock: VirtualClock) -> None:
    text_io = MemoryTextIO()
    forwarder = TTSSegmentsForwarder(participant="agent", text_io=text_io, language="en")
    forwarder.push_text("Good morning everybody.")
    forwarder.mark_text_segment_end()
    forwarder.push_audio(sound(1.5))
    forwarder.mark_audio_segment_end()
    forwarder.segment_playout_started()
    await asyncio.sleep(1.5)
    forwarder.segment_playout_finished()
    await forwarder.aclose()
    (segment_id,) = {segment.id for segment in text_io.published}

    assert text_io.published[-1] == TextSegment(
        participant="agent", id=segment_id, text="Good morning everybody.", final=True, language="en"
    )
    assert [segment.text for segment in text_io.published[:2]] == ["Good", "Good morning"]
    assert 0 <= text_io.published_at[0] < text_io.published_at[1] < 1.5


async def test_a_track_may_be_given_as_what_has_an_id(lk_clock: VirtualClock) -> None:
    text_io, track = MemoryTextIO(), FakePublication()
    forwarder = STTSegmentsForwarder(participant="ada", track=cast("rtc.TrackPublication", track), text_io=text_io)
    forwarder.update(heard("yes", final=True))
    await forwarder.aclose()

    assert [segment.track for segment in text_io.published] == [track.sid]


@pytest.mark.parametrize(
    ("change", "shown"),
    [
        (lambda segment: setattr(segment, "text", segment.text.upper()), ["SECRET"]),
        (lambda segment: None, ["secret"]),
    ],
    ids=["changes", "does not"],
)
async def test_the_callback_may_change_what_is_shown(
    lk_clock: VirtualClock, change: Callable[[rtc.TranscriptionSegment], None], shown: list[str]
) -> None:
    text_io = MemoryTextIO()

    def before(_forwarder: object, transcription: rtc.Transcription) -> rtc.Transcription:
        for segment in transcription.segments:
            change(segment)
        return transcription

    forwarder = STTSegmentsForwarder(participant="ada", text_io=text_io, before_forward_cb=before)
    forwarder.update(heard("secret", final=True))
    await forwarder.aclose()

    assert [segment.text for segment in text_io.published] == shown


async def test_the_callback_may_keep_it_to_itself(lk_clock: VirtualClock) -> None:
    text_io = MemoryTextIO()

    def before(_forwarder: object, transcription: rtc.Transcription) -> rtc.Transcription:
        transcription.segments = []
        return transcription

    forwarder = STTSegmentsForwarder(participant="ada", text_io=text_io, before_forward_cb=before)
    forwarder.update(heard("secret", final=True))
    await forwarder.aclose()

    assert text_io.published == []


async def test_a_place_for_text_that_fails_is_told_of_and_the_next_piece_is_shown(
    lk_clock: VirtualClock, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken(MemoryTextIO):
        broken = True

        async def publish(self, segment: TextSegment) -> None:
            if self.broken:
                self.broken = False
                raise RuntimeError("no screen")
            await super().publish(segment)

    text_io = Broken()
    forwarder = STTSegmentsForwarder(participant="ada", text_io=text_io)
    for text in ("one", "two"):
        forwarder.update(heard(text, final=True))
    await forwarder.aclose()

    assert [segment.text for segment in text_io.published] == ["two"]
    assert "a segment of a transcript was not published" in caplog.messages


@pytest.mark.parametrize("forwarder", [STTSegmentsForwarder, TTSSegmentsForwarder])
async def test_there_must_be_a_room_or_another_place(
    lk_clock: VirtualClock, forwarder: type[STTSegmentsForwarder | TTSSegmentsForwarder]
) -> None:
    with pytest.raises(ConfigError, match="room and text_io are both None"):
        forwarder(participant="ada")
