"""The help for providers that flags a segment's last frame."""

from __future__ import annotations

from tests.tts.speakers import frame_of, heard

from lk_agents.streams.words import TimedWord
from lk_agents.tts import SynthesizedAudio, SynthesizedAudioEmitter
from lk_agents.utils.aio import Chan


def emitted(channel: Chan[SynthesizedAudio]) -> list[tuple[str, bool]]:
    sent = [channel.recv_nowait() for _ in range(channel.qsize())]
    return [(heard([audio]), audio.is_final) for audio in sent]


def test_one_frame_is_held_back_so_that_the_last_is_final() -> None:
    channel = Chan[SynthesizedAudio]()
    emitter = SynthesizedAudioEmitter(event_ch=channel, request_id="request", segment_id="segment")
    emitter.push(frame_of("a"))
    assert emitted(channel) == []
    emitter.push(frame_of("b"))
    assert emitted(channel) == [("a", False)]
    emitter.flush()
    assert emitted(channel) == [("b", True)]


def test_nothing_held_means_nothing_sent() -> None:
    channel = Chan[SynthesizedAudio]()
    emitter = SynthesizedAudioEmitter(event_ch=channel, request_id="request")
    emitter.flush()
    emitter.push(frame_of("a"))
    emitter.flush()
    emitter.flush()

    assert emitted(channel) == [("a", True)]


def test_no_frame_sends_what_is_held() -> None:
    channel = Chan[SynthesizedAudio]()
    emitter = SynthesizedAudioEmitter(event_ch=channel, request_id="request")
    emitter.push(frame_of("a"))
    emitter.push(None)
    emitter.flush()

    assert emitted(channel) == [("a", False)]


def test_an_empty_frame_is_not_the_last() -> None:
    channel = Chan[SynthesizedAudio]()
    emitter = SynthesizedAudioEmitter(event_ch=channel, request_id="request")
    emitter.push(frame_of("a"))
    emitter.push(frame_of(""))
    emitter.flush()

    assert emitted(channel) == [("a", True)]


def test_ids_text_and_words_go_with_their_frame() -> None:
    channel = Chan[SynthesizedAudio]()
    emitter = SynthesizedAudioEmitter(event_ch=channel, request_id="request", segment_id="segment")
    words = [TimedWord("hi", 0, 0.1)]
    emitter.push(frame_of("hi"), delta_text="hi ", words=words)
    emitter.push(frame_of("you"))
    emitter.flush()

    first, last = channel.recv_nowait(), channel.recv_nowait()
    assert (first.request_id, first.segment_id, first.delta_text, first.words) == ("request", "segment", "hi ", words)
    assert (last.delta_text, last.words, last.is_final) == ("", None, True)
