"""The vendor's own SDK as a second client of the fake, and as the judge of what the fake says."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from deepgram import AsyncDeepgramClient
from deepgram.environment import DeepgramClientEnvironment
from deepgram.listen.v1 import types
from deepgram.listen.v2 import types as flux_types
from deepgram.speak.v1 import types as speak_types
from deepgram.types.listen_v1response import ListenV1Response
from deepgram_bench import KEY, SPEECH, WORDS, speech
from deepgram_fake import (
    PATH,
    Ear,
    Manner,
    ear,
    live_script,
    metadata,
    recording,
    recording_answer,
    results,
    speech_started,
    utterance_end,
)
from deepgram_flux_fake import FluxEar, FluxManner, configure_success, connected, flux_ear, flux_script, numbered
from deepgram_speak_fake import cleared, flushed, mouth, pcm_of, speak_metadata, speak_script, speaking, warning

from lk_agents.foundation.secret import Secret
from lk_agents.testing.vendor import Script, VendorServer
from lk_agents.utils.audio import combine_frames

# The vendor's client imports old names of the library that it stands on.
pytestmark = pytest.mark.filterwarnings("ignore:websockets.* deprecated:DeprecationWarning")

TYPES: dict[str, Any] = {
    "Results": types.ListenV1Results,
    "SpeechStarted": types.ListenV1SpeechStarted,
    "UtteranceEnd": types.ListenV1UtteranceEnd,
    "Metadata": types.ListenV1Metadata,
}
FLUX_TYPES: dict[str, Any] = {
    "Connected": flux_types.ListenV2Connected,
    "TurnInfo": flux_types.ListenV2TurnInfo,
    "ConfigureSuccess": flux_types.ListenV2ConfigureSuccess,
    "ConfigureFailure": flux_types.ListenV2ConfigureFailure,
    "Warning": flux_types.ListenV2Warning,
    "Error": flux_types.ListenV2FatalError,
}
SPEAK_TYPES: dict[str, Any] = {
    "Metadata": speak_types.SpeakV1Metadata,
    "Flushed": speak_types.SpeakV1Flushed,
    "Cleared": speak_types.SpeakV1Cleared,
    "Warning": speak_types.SpeakV1Warning,
}


def pieces() -> list[bytes]:
    """Return what is said in pieces of 50 ms."""
    audio = bytes(combine_frames(speech()).data.cast("B"))
    return [audio[start : start + 1600] for start in range(0, len(audio), 1600)]


@pytest.mark.parametrize(
    "message", [results("hello", languages=["en"]), speech_started(1.0), utterance_end(1.0), metadata(3.0)]
)
def test_each_message_of_the_fake_is_one_of_the_vendors(message: dict[str, Any]) -> None:
    TYPES[message["type"]].model_validate(message)


def test_all_that_the_fake_says_in_a_conversation_is_the_vendors() -> None:
    heard = Ear(SPEECH, Manner(utterance_end=True, empty_finals=True, languages=("en",), speaker=0), 16_000)

    said = [message for piece in pieces() for message in heard.listen(piece)] + heard.finalize()

    assert {message["type"] for message in said} == {"Results", "SpeechStarted", "UtteranceEnd"}
    for message in said:
        TYPES[message["type"]].model_validate(message)


def test_the_fakes_answer_about_a_recording_is_the_vendors() -> None:
    ListenV1Response.model_validate(recording("hello", SPEECH[0].words))


@pytest.mark.parametrize("message", [speak_metadata(), flushed(), cleared(), warning("SLOW")], ids=str)
def test_each_message_of_the_fake_that_speaks_is_one_of_the_vendors(message: dict[str, Any]) -> None:
    SPEAK_TYPES[message["type"]].model_validate(message)


def test_all_that_the_fake_of_flux_says_is_the_vendors() -> None:
    heard = FluxEar(SPEECH, 16_000, FluxManner(end_seconds=1.5, languages=("en",)), eager=True)
    said = [message for piece in pieces() for message in heard.listen(piece)] + heard.force() + heard.close()
    others = [connected(), configure_success({"thresholds": {"eot_threshold": 0.8}, "keyterms": ["Ada"]})]

    assert {each["event"] for each in said} == {
        "StartOfTurn",
        "Update",
        "EagerEndOfTurn",
        "TurnResumed",
        "EndOfTurn",
    }
    for message in [*said, *others]:
        FLUX_TYPES[message["type"]].model_validate(numbered(message))


def client(vendor: VendorServer, http: httpx.AsyncClient) -> AsyncDeepgramClient:
    here = DeepgramClientEnvironment(
        base=vendor.url, production=vendor.ws_url, agent=vendor.ws_url, agent_rest=vendor.url
    )
    return AsyncDeepgramClient(api_key=KEY, environment=here, httpx_client=http)


@pytest.mark.e2e
async def test_the_vendors_client_hears_the_same_from_the_fake() -> None:
    async with VendorServer(live_script(ear(SPEECH), key=KEY)) as vendor, httpx.AsyncClient() as http:
        listening = client(vendor, http).listen.v1.connect(
            model="nova-3", encoding="linear16", sample_rate=16_000, channels=1, interim_results=True
        )
        async with listening as connection:
            await connection.send_keep_alive()
            for piece in pieces():
                await connection.send_media(piece)
            await connection.send_finalize()
            await connection.send_close_stream()
            said_to_it = [message async for message in connection]
        said = vendor.journal[0]

    finals = [each for each in said_to_it if isinstance(each, types.ListenV1Results) and each.is_final]
    assert " ".join(each.channel.alternatives[0].transcript for each in finals).split() == WORDS
    assert isinstance(said_to_it[-1], types.ListenV1Metadata)
    assert said.headers["authorization"].startswith("Token ")
    assert dict(said.query)["interim_results"] == "true"


@pytest.mark.e2e
async def test_the_vendors_client_reads_the_same_of_a_recording() -> None:
    headers = {"Authorization": Secret(f"Token {KEY}")}
    script = Script().http("POST", PATH, recording_answer(SPEECH), query=None, headers=headers)
    async with VendorServer(script) as vendor, httpx.AsyncClient() as http:
        answer: Any = await client(vendor, http).listen.v1.media.transcribe_file(
            request=combine_frames(speech()).to_wav_bytes(), model="nova-3", smart_format=True
        )

    assert answer.results.channels[0].alternatives[0].transcript.split() == WORDS
    assert dict(vendor.journal[0].query)["smart_format"] == "true"


@pytest.mark.e2e
async def test_the_vendors_client_hears_the_same_turns_from_the_fake() -> None:
    script = flux_script(flux_ear(SPEECH, piece_seconds=0.05), key=KEY)
    async with VendorServer(script) as vendor, httpx.AsyncClient() as http:
        listening = client(vendor, http).listen.v2.connect(
            model="flux-general-en", encoding="linear16", sample_rate=16_000, eot_threshold=0.7, keyterm=["Ada", "Bob"]
        )
        async with listening as connection:
            for piece in pieces():
                await connection.send_media(piece)
            await connection.send_configure({"type": "Configure", "thresholds": {"eot_threshold": 0.8}})
            await connection.send_force_end_turn()
            await connection.send_close_stream()
            said_to_it = [message async for message in connection]
        asked = vendor.journal[0]

    ends = [each for each in said_to_it if isinstance(each, flux_types.ListenV2TurnInfo) and each.event == "EndOfTurn"]
    assert " ".join(each.transcript for each in ends).split() == WORDS
    assert [word.end for each in ends for word in each.words][-1] == pytest.approx(SPEECH[-1].end, abs=0.06)
    assert isinstance(said_to_it[0], flux_types.ListenV2Connected)
    assert [each for each in said_to_it if isinstance(each, flux_types.ListenV2ConfigureSuccess)]
    assert [value for name, value in asked.query if name == "keyterm"] == ["Ada", "Bob"]
    assert asked.headers["authorization"].startswith("Token ")


@pytest.mark.e2e
async def test_the_vendors_client_is_spoken_to_by_the_fake() -> None:
    texts: list[str] = []
    async with VendorServer(speak_script(mouth(texts), key=KEY)) as vendor, httpx.AsyncClient() as http:
        talking = client(vendor, http).speak.v1.connect(
            model="aura-2-thalia-en", encoding="linear16", sample_rate="24000"
        )
        async with talking as connection:
            await connection.send_text(speak_types.SpeakV1Text(text="Hello you. "))
            await connection.send_flush()
            audio, said_to_it = b"", []
            async for message in connection:
                if isinstance(message, bytes):
                    audio += message
                    continue
                said_to_it.append(message.type)  # the client knows several messages of one form by this alone
                if message.type == "Flushed":
                    await connection.send_clear()
                elif message.type == "Cleared":
                    await connection.send_close()
        asked = vendor.journal[0]

    assert audio == pcm_of("Hello you. ")
    assert said_to_it == ["Metadata", "Flushed", "Cleared"]
    assert dict(asked.query) == {"model": "aura-2-thalia-en", "encoding": "linear16", "sample_rate": "24000"}


@pytest.mark.e2e
async def test_the_vendors_client_gets_the_same_speech_for_a_text() -> None:
    script = speak_script(answers=[speaking()], key=KEY)
    async with VendorServer(script) as vendor, httpx.AsyncClient() as http:
        generated = client(vendor, http).speak.v1.audio.generate(
            text="Hello you.", model="aura-2-thalia-en", encoding="linear16", sample_rate=24_000, container="none"
        )
        audio = b"".join([chunk async for chunk in generated])

    assert audio == pcm_of("Hello you.")
    assert dict(vendor.journal[0].query)["container"] == "none"
