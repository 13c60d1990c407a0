"""What the model of a scripted session says: responses, as the script of a test has them, in OpenAI's own order."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Mapping
from typing import TYPE_CHECKING, Any

from openai_fake import SPEECH_RATE, event
from realtime_words import AUDIO_KINDS, call_item, message_item, response_record, usage_record

from lk_agents.testing.providers.realtime import RealtimeAnswer
from lk_agents.testing.providers.speech import tone

if TYPE_CHECKING:
    from realtime_fake import Line, World

PIECE_SECONDS = 0.1


class Speaker:
    """Says one response after the other on a connection."""

    def __init__(self, line: Line, world: World) -> None:
        self._line = line
        self._world = world
        self.seconds: dict[str, float] = {}
        """Of sound in each item."""
        self.active: str | None = None
        """The response under way."""
        self.has_spoken = False
        self.turning = asyncio.Lock()
        """Between the end of one response and the beginning of the next one."""
        self._stop = asyncio.Event()
        self._stop_reason = ""

    def stop(self, reason: str) -> None:
        """Let the response under way end."""
        self._stop_reason = reason
        self._stop.set()

    async def begin(self, given: Mapping[str, Any]) -> None:
        self.active = self._world.new_id("resp")
        self._stop.clear()
        metadata = given.get("metadata") if self._world.echoes else None
        await self._line.send(event("response.created", response=response_record(self.active, metadata=metadata)))
        work = self._answer(self.active, self._world.next_answer(), metadata)
        self._line.group.create_task(work, name="answer")

    async def _answer(self, response_id: str, answer: RealtimeAnswer, metadata: Any) -> None:
        await self._wait(answer.first_seconds)
        outputs = []
        if answer.stall_at == 0:
            await self._stop.wait()
        elif answer.text and not self._stop.is_set():
            outputs.append(await self._say(response_id, answer))
        for number, (name, arguments) in enumerate(answer.calls):
            if not self._stop.is_set():
                outputs.append(await self._call(response_id, bool(answer.text) + number, name, json.dumps(arguments)))
        status = "cancelled" if self._stop.is_set() else answer.status
        record = response_record(
            response_id,
            status=status,
            reason=self._stop_reason if status == "cancelled" else "",
            output=outputs,
            usage=usage_record(len(answer.text.split())),
            metadata=metadata,
        )
        async with self.turning:
            self.active = None
            await self._line.send(event("response.done", response=record))
        await self._line.send(event("rate_limits.updated", rate_limits=[]))

    async def _say(self, response_id: str, answer: RealtimeAnswer) -> dict[str, Any]:
        item = message_item(self._world.new_id("item"))
        at = {"response_id": response_id, "item_id": item["id"], "output_index": 0, "content_index": 0}
        before = self._line.items[-1]["id"] if self._line.items else None
        self._line.items.append(item)
        shown = {**item, "content": []}
        await self._line.send(event("response.output_item.added", response_id=response_id, output_index=0, item=shown))
        await self._line.tell_item(shown, before, added=True, done=False)
        part: dict[str, Any] = {"type": "text", "text": ""} if answer.as_text else {"type": "audio", "transcript": ""}
        await self._line.send(event("response.content_part.added", **at, part=part))
        said, is_told = "", answer.as_text
        async for kind, piece in self._pieces(item["id"], answer):
            await self._line.send(event(kind, **at, delta=piece))
            said += "" if kind in AUDIO_KINDS else piece
            self.has_spoken |= kind in AUDIO_KINDS
            if said == answer.text and not is_told:  # the words are ready before their sound
                is_told = True
                await self._line.send(event("response.output_audio_transcript.done", **at, transcript=said))
        part = {"type": "text", "text": said} if answer.as_text else {"type": "audio", "transcript": said}
        if answer.as_text:
            await self._line.send(event("response.output_text.done", **at, text=said))
        else:
            await self._line.send(event("response.output_audio.done", **at))
            if not is_told:
                await self._line.send(event("response.output_audio_transcript.done", **at, transcript=said))
        await self._line.send(event("response.content_part.done", **at, part=part))
        item["content"] = [{**part, "type": f"output_{part['type']}"}]
        item["status"] = "incomplete" if self._stop.is_set() else "completed"
        await self._line.tell_item(item, before, added=False, done=True)
        await self._line.send(event("response.output_item.done", response_id=response_id, output_index=0, item=item))
        return item

    async def _pieces(self, item_id: str, answer: RealtimeAnswer) -> AsyncIterator[tuple[str, str]]:
        """Yield words, and sound unless it is written, until it is stopped."""
        words = answer.text.split(" ")
        kind = "response.output_text.delta" if answer.as_text else "response.output_audio_transcript.delta"
        pieces = 0 if answer.as_text else max(round(answer.audio_seconds / PIECE_SECONDS), 2)
        sound = base64.b64encode(bytes(tone(round(PIECE_SECONDS * SPEECH_RATE), SPEECH_RATE).data.cast("B"))).decode()
        for number in range(max(len(words), pieces)):
            if number < len(words):
                yield kind, words[number] if number == 0 else f" {words[number]}"
            if number < pieces:
                if answer.stall_at is not None and number * PIECE_SECONDS >= answer.stall_at:
                    await self._stop.wait()
                    return
                self.seconds[item_id] = self.seconds.get(item_id, 0.0) + PIECE_SECONDS
                yield "response.output_audio.delta", sound
            await self._wait(0.0 if answer.pace is None else PIECE_SECONDS / answer.pace)
            if self._stop.is_set():
                return

    async def _call(self, response_id: str, index: int, name: str, arguments: str) -> dict[str, Any]:
        item = call_item(self._world.new_id("item"), self._world.new_id("call"), name, "")
        before = self._line.items[-1]["id"] if self._line.items else None
        self._line.items.append(item)
        at = {"response_id": response_id, "output_index": index}
        await self._line.send(event("response.output_item.added", **at, item=item))
        await self._line.tell_item(item, before, added=True, done=False)
        inner = {**at, "item_id": item["id"], "call_id": item["call_id"]}
        for start in range(0, len(arguments), 5):
            piece = arguments[start : start + 5]
            await self._line.send(event("response.function_call_arguments.delta", **inner, delta=piece))
            await self._wait(0.0)
        whole = not self._stop.is_set()
        item.update(arguments=arguments, status="completed" if whole else "incomplete")
        if whole:
            await self._line.send(
                event("response.function_call_arguments.done", **inner, name=name, arguments=arguments)
            )
        await self._line.tell_item(item, before, added=False, done=True)
        await self._line.send(event("response.output_item.done", **at, item=item))
        return item

    async def _wait(self, seconds: float) -> None:
        """Let time pass, or others; ends when the response is stopped."""
        if not seconds:
            await asyncio.sleep(0)
            return
        try:
            async with asyncio.timeout(seconds):
                await self._stop.wait()
        except TimeoutError:
            pass
