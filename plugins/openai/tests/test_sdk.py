"""The fake of these tests is OpenAI to OpenAI's own client as well, and speaks its types."""

from __future__ import annotations

import asyncio
import io
import json
from dataclasses import replace
from typing import Any

import pytest
from openai import AsyncAzureOpenAI, AsyncOpenAI, AuthenticationError
from openai.types import CreateEmbeddingResponse
from openai.types.audio import Transcription, TranscriptionVerbose
from openai.types.chat import ChatCompletionChunk
from openai.types.realtime import RealtimeClientEvent, RealtimeServerEvent, SessionUpdateEvent
from openai_bench import KEY, UTTERANCES, WORDS, Calls, Weather, asking, model, read, speech, text_of
from openai_fake import (
    CHAT,
    REALTIME,
    SPEECH,
    SPEECH_RATE,
    TRANSCRIPTIONS,
    Ear,
    Manner,
    answer_chunks,
    answering,
    bearer,
    committed,
    completed,
    delta,
    ear,
    error,
    event,
    failed,
    pcm_of,
    session_of,
    speaking,
    speech_started,
    speech_stopped,
    transcribing,
    transcription,
    verbose,
)
from pydantic import TypeAdapter
from realtime_bench import VAD, Vendor, held
from realtime_fake import World, realtime_script
from test_embeddings import answer, vector

from lk_agents.foundation.secret import Secret
from lk_agents.llm import ChatAudio, ChatContext, ChatMessage
from lk_agents.testing.providers.realtime import RealtimeAnswer
from lk_agents.testing.providers.speech import Heard
from lk_agents.testing.vendor import Script, VendorServer, reply
from lk_agents.utils.audio import combine_frames
from lk_agents_openai import STT
from lk_agents_openai.realtime import RealtimeSessionOptions, SemanticVadOptions
from lk_agents_openai.realtime.session_format import session_record

# The vendor's client imports old names of the library that it stands on.
pytestmark = pytest.mark.filterwarnings("ignore:websockets.* deprecated:DeprecationWarning")

TEXT = "It is sunny in Paris."
CALLS: Calls = [("get_weather", {"city": "Paris"}), ("get_weather", {"city": "Rome", "day": 2})]
SERVER_EVENT: TypeAdapter[Any] = TypeAdapter(RealtimeServerEvent)
CLIENT_EVENT: TypeAdapter[Any] = TypeAdapter(RealtimeClientEvent)


def client(vendor: VendorServer, key: str = KEY) -> AsyncOpenAI:
    return AsyncOpenAI(api_key=key, base_url=f"{vendor.url}/v1", max_retries=0)


@pytest.mark.parametrize("said", answer_chunks(TEXT, CALLS))
def test_each_chunk_of_the_fake_is_one_of_the_vendors(said: dict[str, Any]) -> None:
    ChatCompletionChunk.model_validate(said)


@pytest.mark.parametrize(
    "said",
    [
        delta("i1", "hi"),
        completed("i1", "hi", languages=[{"code": "en"}]),
        failed("i1"),
        error("invalid_value", caused_by="event_1"),
        speech_started("i1", 1.0),
        speech_stopped("i1", 2.0),
        committed("i1"),
        event("input_audio_buffer.cleared"),
    ],
)
def test_each_live_message_of_the_fake_is_one_of_the_vendors(said: dict[str, Any]) -> None:
    SERVER_EVENT.validate_python(said)


def test_all_that_the_fake_says_in_a_conversation_is_the_vendors() -> None:
    turns = {"type": "server_vad", "prefix_padding_ms": 300, "silence_duration_ms": 500}
    heard = Ear(UTTERANCES, Manner(), turns)
    audio = bytes(combine_frames(speech(rate=SPEECH_RATE)).data.cast("B"))
    said = [each for at in range(0, len(audio), 2400) for each in heard.listen(audio[at : at + 2400])]
    said += [*heard.commit("event_1"), *heard.clear()]

    assert len({each["type"] for each in said}) == 8
    for each in said:
        SERVER_EVENT.validate_python(each)


def test_the_other_answers_of_the_fake_are_the_vendors() -> None:
    Transcription.model_validate(transcription("hi", languages=[{"code": "en"}]))
    TranscriptionVerbose.model_validate(verbose(UTTERANCES, 4.6))
    CreateEmbeddingResponse.model_validate(answer([1.0]))


@pytest.mark.parametrize("options", [{}, {"prompt": "p", "keywords": ["Ada"], "noise_reduction_type": "near_field"}])
def test_our_first_live_message_is_one_of_the_vendors(options: dict[str, Any]) -> None:
    update = json.loads(json.dumps(STT(api_key=KEY, **options).opts.session_update()))

    assert SessionUpdateEvent.model_validate(update).session.type == "transcription"


@pytest.mark.e2e
async def test_the_vendors_client_is_answered_as_ours_is() -> None:
    script = Script().http("POST", CHAT, answering(TEXT), headers=bearer(KEY), repeat=True)
    async with VendorServer(script) as vendor, client(vendor) as theirs:
        stream = await theirs.chat.completions.create(
            model="gpt-4o",
            messages=[{"role": "system", "content": "Be brief."}, {"role": "user", "content": "How is the weather?"}],
            n=1,
            stream=True,
            stream_options={"include_usage": True},
        )
        said = [chunk async for chunk in stream]
        async with model(answering(TEXT)) as (llm, ours):
            assert text_of(await read(llm)) == TEXT
        asked, mine = vendor.journal[0], ours.journal[0]

    assert "".join(choice.delta.content or "" for chunk in said for choice in chunk.choices) == TEXT
    assert said[-1].usage is not None
    assert asked.json() == mine.json()


@pytest.mark.e2e
async def test_our_description_of_functions_is_what_the_vendors_client_would_send() -> None:
    async with model(answering("", CALLS)) as (llm, ours):
        await read(llm, asking(), fnc_ctx=Weather())
    body = ours.journal[0].json()
    script = Script().http("POST", CHAT, answering("", CALLS), headers=bearer(KEY))
    async with VendorServer(script) as vendor, client(vendor) as theirs:
        async with theirs.chat.completions.stream(
            model="gpt-4o",
            messages=body["messages"],
            tools=body["tools"],
            tool_choice=body["tool_choice"],
            n=1,
            stream_options={"include_usage": True},
        ) as stream:
            final = await stream.get_final_completion()
        asked = vendor.journal[0].json()

    calls = [
        (call.function.name, json.loads(call.function.arguments)) for call in final.choices[0].message.tool_calls or ()
    ]
    assert calls == CALLS
    assert asked["tools"] == body["tools"]


@pytest.mark.e2e
async def test_the_vendors_client_hears_the_same_voice() -> None:
    script = Script().http("POST", SPEECH, speaking(), headers=bearer(KEY))
    async with VendorServer(script) as vendor, client(vendor) as theirs:
        spoken = await theirs.audio.speech.create(
            input="Hello.", model="tts-1", voice="alloy", response_format="pcm", speed=1.0
        )

    assert spoken.content == pcm_of("Hello.")


@pytest.mark.e2e
async def test_the_vendors_client_reads_the_same_of_a_recording() -> None:
    script = Script().http("POST", TRANSCRIPTIONS, transcribing(UTTERANCES), headers=bearer(KEY))
    wav = io.BytesIO(combine_frames(speech()).to_wav_bytes())
    async with VendorServer(script) as vendor, client(vendor) as theirs:
        found = await theirs.audio.transcriptions.create(
            file=("file.wav", wav, "audio/wav"),
            model="gpt-4o-transcribe",
            language="en",
            response_format="json",
            keywords=["Ada"],
        )

    assert found.text.split() == WORDS


@pytest.mark.e2e
async def test_the_vendors_client_gets_the_same_vectors() -> None:
    script = Script().http("POST", "/v1/embeddings", reply(answer(vector(0.5, -1.0))), headers=bearer(KEY))
    async with VendorServer(script) as vendor, client(vendor) as theirs:
        found = await theirs.embeddings.create(input=["a"], model="text-embedding-3-small")

    assert found.data[0].embedding == [0.5, -1.0]
    assert vendor.journal[0].json()["encoding_format"] == "base64"


@pytest.mark.e2e
async def test_the_vendors_client_of_azure_asks_at_the_same_address() -> None:
    path = "/openai/deployments/voice/chat/completions"
    script = Script().http("POST", path, answering(TEXT), query={"api-version": "1"}, headers={"api-key": Secret(KEY)})
    async with (
        VendorServer(script) as vendor,
        AsyncAzureOpenAI(
            api_key=KEY, azure_endpoint=vendor.url, azure_deployment="voice", api_version="1", max_retries=0
        ) as theirs,
    ):
        stream = await theirs.chat.completions.create(
            model="gpt-4o",
            messages=[{"role": "user", "content": "Hi."}],
            stream=True,
            stream_options={"include_usage": True},
        )
        assert [chunk async for chunk in stream]


@pytest.mark.e2e
async def test_the_vendors_client_understands_the_fakes_refusal() -> None:
    refused = reply({"error": {"message": "no", "type": "t", "code": "invalid_api_key"}}, status=401)
    script = Script().http("POST", "/v1/embeddings", refused)
    async with VendorServer(script) as vendor, client(vendor) as theirs:
        with pytest.raises(AuthenticationError) as caught:
            await theirs.embeddings.create(input=["a"], model="m")

    assert caught.value.code == "invalid_api_key"


@pytest.mark.e2e
async def test_the_vendors_client_hears_the_same_live() -> None:
    script = Script().socket(REALTIME, ear(UTTERANCES), query=None, headers=bearer(KEY))
    update: Any = json.loads(json.dumps(STT(api_key=KEY).opts.session_update()))
    audio = bytes(combine_frames(speech(rate=SPEECH_RATE)).data.cast("B"))
    heard = []
    async with VendorServer(script) as vendor, client(vendor) as theirs:
        connecting = theirs.realtime.connect(extra_query={"intent": "transcription"})
        async with connecting as connection:
            await connection.session.update(session=update["session"])
            for at in range(0, len(audio), 2400):
                await connection.input_audio_buffer.append(audio=_base64(audio[at : at + 2400]))
            await connection.input_audio_buffer.clear()
            async for told in connection:
                heard.append(told)
                if told.type == "input_audio_buffer.cleared":
                    break

    finals = [each.transcript for each in heard if each.type == "conversation.item.input_audio_transcription.completed"]
    assert " ".join(finals).split() == WORDS
    assert heard[0].type == session_of("session.created", {})["type"]


def _base64(data: bytes) -> str:
    import base64

    return base64.b64encode(data).decode()


# --- speech to speech ------------------------------------------------------------------------------------------------

SAID: list[RealtimeAnswer] = [
    RealtimeAnswer(text="Good day to you."),
    RealtimeAnswer(text="I write.", as_text=True),
    RealtimeAnswer(text="Let me look.", calls=[("get_weather", {"city": "Paris"})]),
    RealtimeAnswer(text="I", status="failed"),
]


@pytest.mark.usefixtures("lk_clock")
async def test_all_that_the_fake_says_in_a_spoken_conversation_is_the_vendors() -> None:
    caller = (Heard("hello there", 0.2, 0.8),)
    vendor = Vendor(World(SAID, caller))
    async with held(vendor=vendor, opts=VAD, functions=Weather()) as desk:
        told: list[dict[str, Any]] = []
        send = vendor.socket.send

        async def noting(message: Any) -> None:
            told.append(json.loads(json.dumps(message)))
            await send(message)

        vendor.socket.send = noting  # type: ignore[method-assign]
        await desk.say(caller)
        await desk.answered()
        for number in range(3):
            desk.session.create_response()
            await desk.answered(number + 2)
        item_id = desk.watch.parts[0].content.item_id
        desk.session._truncate_conversation_item(item_id=item_id, content_index=0, audio_end_ms=100)
        desk.session.conversation.item.delete(item_id=item_id)
        desk.session.input_audio_buffer.clear()
        desk.session.conversation.item.delete(item_id="unknown")
        await asyncio.sleep(1.0)

    assert len({each["type"] for each in told}) >= 24
    for each in told:
        SERVER_EVENT.validate_python(each)


@pytest.mark.usefixtures("lk_clock")
@pytest.mark.parametrize(
    "opts",
    [
        VAD,
        replace(VAD, turn_detection=SemanticVadOptions(), speed=1.2, noise_reduction_type="near_field"),
        replace(VAD, turn_detection=None, input_audio_transcription=None, modalities=("text",)),
        replace(VAD, reasoning_effort="low", truncation="disabled", tracing="auto", max_response_output_tokens=100),
    ],
)
async def test_all_that_we_say_in_a_spoken_conversation_is_the_vendors(opts: RealtimeSessionOptions) -> None:
    async with held(World(SAID, UTTERANCES), opts, chat_ctx=asking(), functions=Weather()) as desk:
        sound = ChatMessage(role="user", content=[ChatAudio(combine_frames(speech(1.0)))])
        desk.session.conversation.item.create(sound)
        desk.session._push_audio(combine_frames(speech(1.0, rate=SPEECH_RATE)))
        desk.session.commit_audio_buffer()
        for number in range(3):
            desk.session.response.create(instructions="Be brief.", metadata={"of": "no use"})
            await desk.answered(number + 1)
        item_id = desk.watch.parts[0].content.item_id
        desk.session.cancel_response()
        desk.session.create_response()
        desk.session.create_response("cancel_existing")
        desk.session._truncate_conversation_item(item_id=item_id, content_index=0, audio_end_ms=100)
        desk.session.session_update(instructions="Be kind.")
        desk.session.fnc_ctx = None
        desk.session.input_audio_buffer.clear()
        await desk.session.set_chat_ctx(ChatContext())
    told = desk.vendor.socket.sent

    assert {each["type"] for each in told} == {
        "session.update",
        "input_audio_buffer.append",
        "input_audio_buffer.commit",
        "input_audio_buffer.clear",
        "conversation.item.create",
        "conversation.item.delete",
        "conversation.item.truncate",
        "response.create",
        "response.cancel",
    }
    for each in told:
        CLIENT_EVENT.validate_python(each)
        known = CLIENT_EVENT.validate_python(each).model_dump(exclude_unset=True)
        assert not [name for name in each if name not in known]


@pytest.mark.e2e
async def test_the_vendors_client_is_spoken_with_as_ours_is() -> None:
    world = World(SAID)
    script = realtime_script(world, key=KEY, query={"model": "gpt-realtime"})
    told = []
    async with (
        VendorServer(script) as vendor,
        client(vendor) as theirs,
        theirs.realtime.connect(model="gpt-realtime") as connection,
    ):
        update: Any = session_record(replace(VAD, turn_detection=None), None, dialect="ga")
        await connection.session.update(session=update, event_id="event_1")
        item: Any = {"id": "i1", "type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hi."}]}
        await connection.conversation.item.create(item=item, event_id="event_2")
        await connection.response.create(event_id="event_3", response={})
        async for each in connection:
            told.append(each)
            if each.type == "response.done":
                break

    assert told[0].type == "session.created"
    assert "".join(each.delta for each in told if each.type == "response.output_audio_transcript.delta") == SAID[0].text
    assert world.line.texts() == [("user", "Hi."), ("assistant", SAID[0].text)]
