"""The conversation of a session: what the server has of it, and what it was asked to change and has not confirmed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal

from lk_agents.foundation.errors import APIConnectionError, APIError, APITimeoutError
from lk_agents.foundation.ids import short_id
from lk_agents.foundation.log import logger
from lk_agents_openai.realtime.connection import DUPLICATE_ITEM
from lk_agents_openai.realtime.difference import changes_between
from lk_agents_openai.realtime.items import call_of, has_sound, message_of, silence_item, wire_items
from lk_agents_openai.realtime.mirror import ROOT, Entry, Mirror, filler

if TYPE_CHECKING:
    from lk_agents.llm.chat_context import ChatMessage
    from lk_agents.llm.function_call import FunctionCallInfo
    from lk_agents_openai.realtime.api_proto import Dialect
    from lk_agents_openai.realtime.message_parts import Item
    from lk_agents_openai.realtime.messages import ConversationItemCreated
    from lk_agents_openai.realtime.records import RealtimeContent, RealtimeError

__all__ = ["Conversation"]

UNKNOWN: Final = object()
"""What the server has of an item, where that is not known."""

Wire = dict[str, Any]
Kind = Literal["create", "delete", "truncate"]


@dataclass(eq=False)
class _Edit:
    """Something that the server was asked to change.

    :param behind: of what is created: behind which item.
    """

    kind: Kind
    item_id: str
    message: Wire
    done: asyncio.Future[bool] = field(repr=False)
    entry: Entry | None = None
    behind: str | None = None
    event_id: str = ""
    timer: asyncio.TimerHandle | None = field(default=None, repr=False)

    def settle(self, outcome: bool | APIError) -> None:
        """Tell what has come of it, once."""
        if self.timer is not None:
            self.timer.cancel()
        if self.done.done():
            return
        if isinstance(outcome, APIError):
            self.done.set_exception(outcome)
            self.done.exception()  # marks it as seen: not everybody looks
        else:
            self.done.set_result(outcome)


class Conversation:
    """Keeps a copy of the server's conversation, and changes that of the server. Needs a running event loop.

    Changes that are asked for while there is no connection are made as soon as there is one.

    :param messages: as it begins.
    :param send: sends a message.
    :param timeout_seconds: how long the server may take to confirm a change.
    """

    def __init__(
        self,
        messages: Sequence[ChatMessage],
        *,
        dialect: Dialect,
        send: Callable[[Wire], None],
        timeout_seconds: float,
    ) -> None:
        self._dialect = dialect
        self._send = send
        self._timeout_seconds = timeout_seconds
        self._mirror = Mirror.of(messages, dialect=dialect)
        self._edits: dict[str, _Edit] = {}
        self._half_calls: set[str] = set()  # items of calls that the model has not written to the end
        self._is_open = self._is_over = False

    @property
    def is_settled(self) -> bool:
        """Whether the server has confirmed all changes."""
        return not self._edits

    def messages(self) -> list[ChatMessage]:
        """Return copies of the messages."""
        return self._mirror.messages()

    # --- asking for changes ------------------------------------------------------------------------------------------

    def create(self, message: ChatMessage, *, behind: str | None = None) -> list[asyncio.Future[bool]]:
        """Add a message.

        :param behind: the id of a message or an item; None for the end.
        :returns: for each item of it, what is done once the server has it; nothing, if it says nothing that OpenAI can
            keep.
        """
        place = behind if behind is None else self._last_item_of(behind) or behind
        wires, futures = wire_items(message, dialect=self._dialect), []
        mine = message.copy()
        for wire in wires:
            entry = Entry(wire["id"], mine, written=None if has_sound([wire]) else mine.content)
            futures.append(self._create(wire, entry, behind=place))
            place = wire["id"]
        return futures

    def create_filler(self) -> asyncio.Future[bool]:
        """Add a second of silence, which keeps the model speaking."""
        entry = filler()
        return self._create(silence_item(entry.item_id), entry, behind=None)

    def delete(self, item_id: str) -> asyncio.Future[bool]:
        """Delete an item."""
        return self._ask(_Edit("delete", item_id, {"type": "conversation.item.delete", "item_id": item_id}, _future()))

    def truncate(self, item_id: str, content_index: int, audio_end_ms: int) -> asyncio.Future[bool]:
        """Cut what the model has said as sound; where the server has it as text, :meth:`rewrite` does that."""
        message = {
            "type": "conversation.item.truncate",
            "item_id": item_id,
            "content_index": content_index,
            "audio_end_ms": audio_end_ms,
        }
        edit = _Edit("truncate", item_id, message, _future())
        entry = self._mirror.find(item_id)
        if entry is None or entry.written is not None or not self._is_open:
            edit.settle(entry is not None)
            return edit.done
        return self._ask(edit)

    def rewrite(self, item_id: str, content: Any) -> None:
        """Change the text of an item; at the server only where it has the model's words as text."""
        if (entry := self._mirror.find(item_id)) is None:
            return
        entry.message.content = content
        if content:
            entry.samples = None
        if self._is_open:
            self._replace_if_outdated(entry)

    def become(self, messages: Sequence[ChatMessage]) -> list[asyncio.Future[bool]]:
        """Make the conversation this one; messages are the same where their ids are.

        Those without content are left out, unless the server has them.

        :returns: for each change, what is done once the server has made it.
        :raises ConfigError: an id comes twice.
        """
        known = self._mirror.message_ids()
        wanted = [each for each in messages if _says_something(each) or each.id in known]
        changes = changes_between(known, [each.id for each in wanted])
        by_id = {each.id: each for each in wanted}
        futures = [self.delete(item) for each in changes.deleted for item in self._mirror.items_of(each)]
        last: dict[str, str | None] = {}
        has_heard = False
        for behind, each in changes.inserted:
            place = None if behind is None else last[behind] if behind in last else self._last_item_of(behind)
            before = len(self._edits)
            futures += self.create(by_id[each], behind=place)
            created = list(self._edits.values())[before:]
            last[each] = created[-1].item_id if created else place
            has_heard |= any(has_sound([edit.message["item"]]) for edit in created)
        if self._dialect == "beta" and changes.inserted and not has_heard:
            futures.append(self.create_filler())
        return futures

    def _last_item_of(self, message_id: str) -> str | None:
        return next(iter(reversed(self._mirror.items_of(message_id))), None)

    def _create(self, wire: Wire, entry: Entry, *, behind: str | None) -> asyncio.Future[bool]:
        message = {"type": "conversation.item.create", "previous_item_id": behind, "item": wire}
        return self._ask(_Edit("create", wire["id"], message, _future(), entry, behind))

    def _replace_if_outdated(self, entry: Entry) -> None:
        items = wire_items(entry.message, dialect=self._dialect)
        if not entry.is_outdated or len(items) > 1:
            return
        behind = self._mirror.before(entry.item_id)
        entry.written = entry.message.content
        self.delete(entry.item_id)
        for item in items:
            twin = Entry(entry.item_id, entry.message, written=entry.message.content)
            self._create({**item, "id": entry.item_id}, twin, behind=behind)

    def _ask(self, edit: _Edit) -> asyncio.Future[bool]:
        if self._is_over:
            edit.settle(_closed())
            return edit.done
        edit.event_id = short_id("event_")
        self._edits[edit.event_id] = edit
        if self._is_open:
            self._submit(edit)
        return edit.done

    def _submit(self, edit: _Edit) -> None:
        self._send({**edit.message, "event_id": edit.event_id})
        loop = asyncio.get_running_loop()
        edit.timer = loop.call_later(self._timeout_seconds, self._give_up, edit)

    def _give_up(self, edit: _Edit) -> None:
        if self._edits.pop(edit.event_id, None) is not None:
            logger.warning("OpenAI has not confirmed a change of the conversation", extra={"kind": edit.kind})
            edit.settle(
                APITimeoutError(
                    f"OpenAI has not confirmed a change of the conversation within {self._timeout_seconds:g} s"
                ).located(phase="receive")
            )

    # --- what the server does ----------------------------------------------------------------------------------------

    def created(self, message: ConversationItemCreated, samples: bytes | None) -> None:
        """An item is there.

        :param samples: what the user says in it, if it was heard here.
        """
        item = message.item
        edit = self._take("create", item.id)
        if edit is not None and edit.entry is not None:
            self._mirror.insert(edit.entry, behind=edit.behind)
            edit.settle(True)
        elif (made := message_of(item)) is not None:
            if samples:
                for entry in self._mirror:
                    entry.samples = None  # one is enough: that to which nobody has answered
            if item.type == "function_call":
                self._half_calls.add(item.id)
            self._mirror.insert(Entry(item.id, made, samples=samples), behind=message.previous_item_id)

    def deleted(self, item_id: str) -> None:
        """An item is not there any more."""
        self._mirror.remove(item_id)
        if (edit := self._take("delete", item_id)) is not None:
            edit.settle(True)

    def truncated(self, item_id: str) -> None:
        """An item is cut."""
        if (edit := self._take("truncate", item_id)) is not None:
            edit.settle(True)

    def refused(self, error: RealtimeError) -> bool | None:
        """The server refuses something; tells whether that is a loss, None if it is no change of the conversation."""
        edit = self._edits.pop(error.caused_by, None)
        if edit is None:
            return None
        match edit.kind:
            case "create" if error.code != DUPLICATE_ITEM or edit.entry is None:
                edit.settle(error)
                return True
            case "create" if edit.entry is not None:
                self._mirror.insert(edit.entry, behind=edit.behind)
                edit.settle(True)
            case "delete":
                self._mirror.remove(edit.item_id)
                edit.settle(True)
            case "truncate":
                self._write_instead(edit.item_id)
                edit.settle(False)
        return False

    def said(self, content: RealtimeContent) -> None:
        """The model has said something, or as much of it as it will."""
        entry = self._mirror.find(content.item_id)
        if entry is not None and content.text and entry.message.content is None:
            entry.message.content = content.text

    def understood(self, item_id: str, text: str) -> None:
        """It is known what the user has said."""
        if (entry := self._mirror.find(item_id)) is not None and entry.message.content is None:
            entry.message.content = text
            entry.samples = None

    def called(self, item: Item, info: FunctionCallInfo | None) -> None:
        """A call of the model is whole.

        :param info: the call as it is made; None if it cannot be.
        """
        self._half_calls.discard(item.id)
        if (entry := self._mirror.find(item.id)) is not None:
            entry.message.tool_calls = [call_of(item) if info is None else info]

    def response_over(self) -> None:
        """The model writes nothing more: a call that it has not written to the end is none."""
        half_calls, self._half_calls = self._half_calls, set()
        for item_id in half_calls:
            self.delete(item_id)

    def _write_instead(self, item_id: str) -> None:
        """Where a cut fails, the server gets what was heard as text."""
        entry = self._mirror.find(item_id)
        if entry is not None and entry.message.content is not None:
            entry.written = UNKNOWN
            self._replace_if_outdated(entry)

    def _take(self, kind: Kind, item_id: str) -> _Edit | None:
        found = next((each for each in self._edits.values() if (each.kind, each.item_id) == (kind, item_id)), None)
        return None if found is None else self._edits.pop(found.event_id)

    # --- the connection ----------------------------------------------------------------------------------------------

    def moved(self) -> tuple[Mirror, list[Wire]]:
        """Return the conversation as another server will have it, and the items that bring it there."""
        return self._mirror.moved(dialect=self._dialect)

    def open(self, mirror: Mirror) -> None:
        """There is a server that has the conversation like this; it gets the changes that are still to be made."""
        self._mirror, self._is_open = mirror, True
        for edit in self._edits.values():
            if edit.kind == "create" and edit.behind not in {None, ROOT} and not self._will_be_there(edit):
                edit.behind = edit.message["previous_item_id"] = None
            self._submit(edit)
        for entry in mirror:
            self._replace_if_outdated(entry)

    def _will_be_there(self, edit: _Edit) -> bool:
        return self._mirror.find(edit.behind or "") is not None or any(
            each.kind == "create" and each.item_id == edit.behind for each in self._edits.values()
        )

    def close(self, *, for_good: bool = False) -> None:
        """There is none any more. What it has not confirmed will be asked of the next one."""
        self._is_open, self._is_over = False, for_good
        for item_id in self._half_calls:
            self._mirror.remove(item_id)
        self._half_calls.clear()
        edits = list(self._edits.values())
        for edit in edits:
            if edit.timer is not None:
                edit.timer.cancel()
            if for_good or edit.kind == "truncate":  # the next one will have it as text
                del self._edits[edit.event_id]
                edit.settle(_closed() if for_good else True)


def _closed() -> APIConnectionError:
    return APIConnectionError("the session is closed", retryable=False)


def _future() -> asyncio.Future[bool]:
    return asyncio.get_running_loop().create_future()


def _says_something(message: ChatMessage) -> bool:
    return message.content is not None or bool(message.tool_call_id) or bool(message.tool_calls)
