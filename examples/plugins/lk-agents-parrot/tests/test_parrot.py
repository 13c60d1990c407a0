"""What is Parrot's own: its query, its messages, its key."""

from __future__ import annotations

import logging

import aiohttp
import pytest

from lk_agents import APIConnectOptions, APIError, stt
from lk_agents.foundation.errors import ConfigError
from lk_agents.stt import SpeechEventType
from lk_agents.testing.providers import Heard, voice
from lk_agents.testing.vendor import Say, Script, Stay, VendorServer, conversation
from lk_agents_parrot import STT
from lk_agents_parrot.stt import decode
from parrot import parrot

KEY = "feathers"
QUICK = APIConnectOptions(max_retry=1, retry_interval=0.01, timeout=1)


async def test_a_stream_connects_anew_when_its_language_changes(lk_no_leaks: None) -> None:
    said = [Heard("hello", 0.2, 0.6), Heard("goodbye", 1.2, 1.8)]
    audio = voice(said, 2.0)
    async with (
        VendorServer(parrot(said, KEY), strict=False) as vendor,
        aiohttp.ClientSession() as session,
        STT(model="ara", api_key=KEY, base_url=vendor.url, http_session=session) as recogniser,
        recogniser.stream(language="de", conn_options=QUICK) as stream,
    ):
        finals = []
        for frame in audio[:50]:
            stream.push_frame(frame)
        async for event in stream:
            if event.type is SpeechEventType.FINAL_TRANSCRIPT:
                finals.append((event.alternatives[0].language, event.alternatives[0].text))
                if len(finals) == 1:
                    recogniser.update_options(language="fr")
                    for frame in audio[50:]:
                        stream.push_frame(frame)
                    stream.end_input()
        vendor.check()

    queries = [dict(exchange.query) for exchange in vendor.journal]
    assert queries == [{"model": "ara", "language": each, "sample_rate": "16000"} for each in ("de", "fr")]
    assert finals == [("de", "hello"), ("fr", "goodbye")]


@pytest.mark.parametrize(("temporary", "attempts"), [(True, 2), (False, 1)])
async def test_an_error_that_parrot_reports_is_tried_again_if_it_is_temporary(temporary: bool, attempts: int) -> None:
    report = {"type": "error", "code": "seed", "text": "no seed left", "temporary": temporary}
    script = Script().socket("/v1/listen", conversation(Say(report), Stay()), query=None, repeat=True)
    async with (
        VendorServer(script) as vendor,
        aiohttp.ClientSession() as session,
        STT(api_key=KEY, base_url=vendor.url, http_session=session).stream(conn_options=QUICK) as stream,
    ):
        stream.push_frame(voice([], 0.02)[0])
        with pytest.raises(APIError) as caught:
            await anext(stream)

    assert len(vendor.journal) == attempts
    assert "no seed left" in f"{caught.value} {caught.value.__cause__}"


@pytest.mark.parametrize("message", ["no JSON", b"\x00", "[]", '{"type": "final", "text": "half of it"}'])
def test_a_message_that_is_not_understood_is_logged_without_its_content(
    message: str | bytes, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        assert decode(message, "en") == []

    assert caplog.messages == ["a message of Parrot's is not understood"]
    assert "half of it" not in str(vars(caplog.records[0]))


def test_a_message_of_a_new_type_is_ignored(caplog: pytest.LogCaptureFixture) -> None:
    assert decode('{"type": "plumage"}', "en") == []
    assert not caplog.messages


def test_without_a_key_it_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PARROT_API_KEY", raising=False)

    with pytest.raises(ConfigError, match="set PARROT_API_KEY"):
        STT()


def test_it_is_built_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PARROT_API_KEY", KEY)

    built = stt.create("parrot/ara", language="fr")

    assert isinstance(built, STT)
    assert (built.provider, built.model, built.language) == ("parrot", "ara", "fr")
    assert KEY not in repr(vars(built))
