"""OpenAI's side of speech-to-speech sessions: it says what the script of a test says, and is strict with its client."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from openai_fake import REALTIME, Ear, Manner, bearer, error, event
from realtime_speaker import Speaker
from realtime_words import (
    EXPIRES_AT,
    OLDER_NAMES,
    SESSION_FIELDS,
    session_record,
)

from lk_agents.testing.providers.realtime import RealtimeAnswer
from lk_agents.testing.providers.speech import Heard
from lk_agents.testing.vendor import Script, VendorSocket

__all__ = ["World", "realtime_script"]

LONGEST_ID = 32
CONTENT = {
    "user": {"input_text", "input_audio", "input_image"},
    "system": {"input_text"},
    "assistant": {"output_text"},
}


@dataclass
class World:
    """What all connections of a test share: what the model says, and what reached the server.

    :param answers: its responses, in order; the last one is the answer to all further ones.
    :param caller: what the user says, which the server understands.
    :param echoes: whether responses give back the metadata with which they were asked for.
    :param beta: whether it speaks the older dialect.
    :param ear: hears the caller.
    """

    answers: Sequence[RealtimeAnswer] = (RealtimeAnswer(text="Good day."),)
    caller: Sequence[Heard] = ()
    echoes: bool = True
    beta: bool = False
    ear: type[Ear] = Ear
    answered: int = 0
    truncated: list[tuple[str, int]] = field(default_factory=list)
    functions: list[list[str]] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    numbers: Any = field(default_factory=lambda: count(1))

    @property
    def line(self) -> Line:
        """The newest connection."""
        return self.lines[-1]

    def next_answer(self) -> RealtimeAnswer:
        answer = self.answers[min(self.answered, len(self.answers) - 1)]
        self.answered += 1
        return answer

    def expires_at(self) -> float:
        """Return when the server ends a session."""
        return EXPIRES_AT

    def new_id(self, kind: str) -> str:
        return f"{kind}_{next(self.numbers)}"

    async def talk(self, peer: VendorSocket) -> None:
        """Be the server of one connection."""
        if (peer.exchange.headers.get("openai-beta") == "realtime=v1") is not self.beta:
            await peer.send(error("beta_api_shape_disabled"))
            await peer.close(4000, "invalid_request_error.beta_api_shape_disabled")
            return
        await Line(peer, self).run()


class Line:
    """One connection: a session with its conversation."""

    def __init__(self, peer: VendorSocket, world: World) -> None:
        self._peer = peer
        self._world = world
        self.session: dict[str, Any] = {}
        """As it was told to be."""
        self.items: list[dict[str, Any]] = []
        """The conversation."""
        self.received: list[dict[str, Any]] = []
        """Everything but audio that the client has sent."""
        self._ear: Ear | None = None
        self._speaker = Speaker(self, world)
        self._answers: dict[str, Callable[[dict[str, Any]], Any]] = {
            "session.update": self._update,
            "input_audio_buffer.append": self._hear,
            "input_audio_buffer.commit": self._commit,
            "input_audio_buffer.clear": self._clear,
            "conversation.item.create": self._create,
            "conversation.item.delete": self._delete,
            "conversation.item.truncate": self._truncate,
            "response.create": self._respond,
            "response.cancel": self._cancel,
        }
        world.lines.append(self)
        self.id = f"sess_{len(world.lines)}"

    async def run(self) -> None:
        """Serve until the client has gone."""
        try:
            async with asyncio.TaskGroup() as self.group:
                await self.send(event("session.created", session=self._told({})))
                async for message in self._peer:
                    await self._take(json.loads(message))
                raise _GoneError
        except BaseExceptionGroup as errors:
            if not isinstance(errors.exceptions[0], _GoneError):
                raise errors.exceptions[0] from None

    async def send(self, message: Mapping[str, Any]) -> None:
        """Send a message, in the dialect of this server."""
        kind = OLDER_NAMES.get(message["type"], message["type"]) if self._world.beta else message["type"]
        if kind:
            await self._peer.send({**message, "type": kind})

    async def _take(self, message: dict[str, Any]) -> None:
        kind = message["type"]
        assert kind in self._answers, f"OpenAI knows no {kind!r}"
        if kind != "input_audio_buffer.append":
            self.received.append(message)
            assert message.get("event_id"), f"{kind} has no event_id"
        await self._answers[kind](message)

    def texts(self) -> list[tuple[str, str]]:
        """Return the conversation: role or kind of each item, and what it says."""
        found = []
        for item in self.items:
            said = "".join(part.get("text") or part.get("transcript") or "" for part in item.get("content", ()))
            found.append((item.get("role") or item["type"], said or item.get("output", "")))
        return found

    # --- the session -------------------------------------------------------------------------------------------------

    async def _update(self, message: dict[str, Any]) -> None:
        update = message["session"]
        assert set(update) <= SESSION_FIELDS["beta" if self._world.beta else "ga"], f"unknown fields in {update}"
        if not self._world.beta:
            assert update["type"] == "realtime"
        voice = update.get("audio", {}).get("output", {}).get("voice", update.get("voice"))
        if voice is not None and self._speaker.has_spoken:
            await self._refuse("cannot_update_voice", message)
            return
        _merge(self.session, update)
        if "tools" in update:
            self._world.functions.append([tool["name"] for tool in update["tools"]])
        turns = self.session.get("audio", {}).get("input", self.session).get("turn_detection")
        if self._ear is None:
            self._ear = self._world.ear(self._world.caller, Manner(beta=self._world.beta), turns)
            self._ear._numbers = self._world.numbers
        await self.send(event("session.updated", session=self._told(self.session)))

    def _told(self, session: Mapping[str, Any]) -> dict[str, Any]:
        told = {"expires_at": self._world.expires_at(), **session}
        return session_record(told, id=self.id, beta=self._world.beta)

    def _turns(self) -> dict[str, Any] | None:
        found: dict[str, Any] | None = self.session.get("audio", {}).get("input", self.session)["turn_detection"]
        return found

    # --- what the user says ------------------------------------------------------------------------------------------

    async def _hear(self, message: dict[str, Any]) -> None:
        assert set(message) <= {"type", "audio", "event_id"}
        piece = base64.b64decode(message["audio"], validate=True)
        assert piece
        assert len(piece) % 2 == 0
        assert self._ear is not None, "audio came before the session"
        await self._tell_heard(self._ear.listen(piece))

    async def _commit(self, message: dict[str, Any]) -> None:
        assert self._ear is not None
        await self._tell_heard(self._ear.commit(message["event_id"]), answers=False)

    async def _clear(self, message: dict[str, Any]) -> None:
        assert self._ear is not None
        self._ear._cut, self._ear._heard = self._ear.seconds, []
        await self.send(event("input_audio_buffer.cleared"))

    async def _tell_heard(self, events: list[dict[str, Any]], *, answers: bool = True) -> None:
        for each in events:
            if each["type"].endswith(("speech_started",)):
                self._interrupt()
            if each["type"] in {"input_audio_buffer.committed", "conversation.item.added", "conversation.item.created"}:
                each["previous_item_id"] = self.items[-1]["id"] if self.items else None
            if each["type"] in {"conversation.item.added", "conversation.item.created"}:
                self.items.append(each["item"])
            await self.send(each)
        turns = self._turns()
        was_said = any(each["type"] == "input_audio_buffer.committed" for each in events)
        if was_said and answers and turns is not None and turns.get("create_response", True):
            async with self._speaker.turning:
                await self._speaker.begin({})

    def _interrupt(self) -> None:
        turns = self._turns()
        if turns is not None and turns.get("interrupt_response", True) and self._speaker.active is not None:
            self._speaker.stop("turn_detected")

    # --- the conversation --------------------------------------------------------------------------------------------

    def _place(self, item_id: str) -> int:
        return next((place for place, item in enumerate(self.items) if item["id"] == item_id), -1)

    async def _create(self, message: dict[str, Any]) -> None:
        assert set(message) <= {"type", "event_id", "item", "previous_item_id"}
        item, behind = message["item"], message.get("previous_item_id")
        self._check(item)
        if self._place(item["id"]) >= 0:
            await self._refuse("item_create_duplicate_item_id", message)
        elif behind not in {None, "root"} and self._place(behind) < 0:
            await self._refuse("item_create_invalid_previous_item_id", message)
        elif item["type"] == "function_call_output" and not self._knows_call(item["call_id"]):
            await self._refuse("item_create_invalid_call_id", message)
        else:
            place = len(self.items) if behind is None else 0 if behind == "root" else self._place(behind) + 1
            self.items.insert(place, item)
            before = self.items[place - 1]["id"] if place else None
            await self.tell_item(item, before, added=True, done=True)

    def _check(self, item: dict[str, Any]) -> None:
        assert 0 < len(item["id"]) <= LONGEST_ID
        match item["type"]:
            case "message":
                assert set(item) <= {"id", "type", "role", "content"}
                assistant = {"text"} if self._world.beta else CONTENT["assistant"]
                kinds = assistant if item["role"] == "assistant" else CONTENT[item["role"]]
                assert {part["type"] for part in item["content"]} <= kinds
                assert item["content"], "a message says nothing"
            case "function_call":
                assert set(item) == {"id", "type", "call_id", "name", "arguments"}
                json.loads(item["arguments"])
            case "function_call_output":
                assert set(item) == {"id", "type", "call_id", "output"}
                assert isinstance(item["output"], str)

    def _knows_call(self, call_id: str) -> bool:
        return any(item["type"] == "function_call" and item["call_id"] == call_id for item in self.items)

    async def tell_item(self, item: dict[str, Any], before: str | None, *, added: bool, done: bool) -> None:
        """Tell of an item: that it is there, or that it is whole."""
        bare = [{name: value for name, value in part.items() if name != "audio"} for part in item.get("content", ())]
        shown = {**item, "content": bare} if "content" in item else item
        if added:
            await self.send(event("conversation.item.added", item=shown, previous_item_id=before))
        if done:
            await self.send(event("conversation.item.done", item=shown, previous_item_id=before))

    async def _delete(self, message: dict[str, Any]) -> None:
        place = self._place(message["item_id"])
        if place < 0:
            await self._refuse("item_delete_invalid_item_id", message)
            return
        del self.items[place]
        await self.send(event("conversation.item.deleted", item_id=message["item_id"]))

    async def _truncate(self, message: dict[str, Any]) -> None:
        item_id, end_ms = message["item_id"], message["audio_end_ms"]
        if self._place(item_id) < 0 or item_id not in self._speaker.seconds:
            await self._refuse("item_truncate_invalid_item_id", message)
        elif end_ms > round(self._speaker.seconds[item_id] * 1000):
            await self._refuse("invalid_value", message)
        else:
            self._world.truncated.append((item_id, end_ms))
            self._speaker.seconds[item_id] = end_ms / 1000
            for part in self.items[self._place(item_id)]["content"]:
                part["transcript"] = None
            cut = {"item_id": item_id, "content_index": message["content_index"], "audio_end_ms": end_ms}
            await self.send(event("conversation.item.truncated", **cut))

    async def _refuse(self, code: str, message: Mapping[str, Any]) -> None:
        await self.send(error(code, caused_by=message["event_id"]))

    # --- responses ---------------------------------------------------------------------------------------------------

    async def _respond(self, message: dict[str, Any]) -> None:
        given = message.get("response", {})
        fields = {"instructions", "metadata", "conversation", "modalities" if self._world.beta else "output_modalities"}
        assert set(given) <= fields
        async with self._speaker.turning:
            if self._speaker.active is not None:
                await self._refuse("conversation_already_has_active_response", message)
            else:
                await self._speaker.begin(given)

    async def _cancel(self, message: dict[str, Any]) -> None:
        if self._speaker.active is None:
            await self._refuse("response_cancel_not_active", message)
        else:
            self._speaker.stop("client_cancelled")


class _GoneError(Exception):
    """The client has gone: whatever is being said ends."""


def _merge(session: dict[str, Any], update: Mapping[str, Any]) -> None:
    for name, value in update.items():
        if name in {"audio", "input", "output"} and isinstance(session.get(name), dict):
            _merge(session[name], value)
        else:
            session[name] = value


def realtime_script(world: World, *, key: str, query: Mapping[str, str] | None = None) -> Script:
    return Script().socket(REALTIME, world.talk, query=query, headers=bearer(key), repeat=True)
