"""The conversation as the server has it, item by item, and what brings it to another server. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from lk_agents.foundation.ids import short_id
from lk_agents.llm.chat_context import ChatMessage
from lk_agents_openai.realtime.items import has_sound, silence_item, sound_item, wire_items

if TYPE_CHECKING:
    from lk_agents_openai.realtime.api_proto import Dialect

__all__ = ["ROOT", "Entry", "Mirror", "filler"]

ROOT: Final = "root"
"""Where OpenAI has the beginning of a conversation."""

Wire = dict[str, Any]


@dataclass(eq=False, slots=True)
class Entry:
    """An item at the server, and the message to which it belongs: several items may be one message.

    :param is_filler: it is silence that keeps the model speaking, and no part of what was said.
    :param written: what the server has of it as text, where it was given a text; what it has as sound can be cut.
    :param samples: what the user says in it, as long as nobody knows it as text.
    """

    item_id: str
    message: ChatMessage
    is_filler: bool = False
    written: object = None
    samples: bytes | None = None

    @property
    def is_outdated(self) -> bool:
        """Whether the server has another text of what the model has said than was heard."""
        return self.message.role == "assistant" and self.written is not None and self.written != self.message.content


class Mirror:
    """The items of a conversation, in their order."""

    def __init__(self) -> None:
        self._entries: list[Entry] = []

    def __iter__(self) -> Iterator[Entry]:
        return iter(tuple(self._entries))

    def find(self, item_id: str) -> Entry | None:
        """Return an item; None if there is none of that id."""
        return next((entry for entry in reversed(self._entries) if entry.item_id == item_id), None)

    def insert(self, entry: Entry, *, behind: str | None) -> None:
        """Put an item behind another one, or at the end if that is None or unknown; one that is there stays there."""
        if self.find(entry.item_id) is not None:
            return
        before = None if behind is None else self.find(behind)
        place = len(self._entries) if before is None else self._entries.index(before) + 1
        self._entries.insert(0 if behind == ROOT else place, entry)

    def before(self, item_id: str) -> str:
        """Return behind which item one stands."""
        ids = [entry.item_id for entry in self._entries]
        place = ids.index(item_id)
        return ids[place - 1] if place else ROOT

    def remove(self, item_id: str) -> None:
        """Forget an item; nothing if there is none of that id."""
        if (entry := self.find(item_id)) is not None:
            self._entries.remove(entry)

    # --- as messages -------------------------------------------------------------------------------------------------

    def messages(self) -> list[ChatMessage]:
        """Return copies of what was said."""
        return [entries[0].message.copy() for entries in self._by_message() if not entries[0].is_filler]

    def message_ids(self) -> list[str]:
        """Return the ids of the messages, those of fillers among them."""
        return [entries[0].message.id for entries in self._by_message()]

    def items_of(self, message_id: str) -> list[str]:
        """Return the ids of the items of a message."""
        return [entry.item_id for entry in self._entries if entry.message.id == message_id]

    def _by_message(self) -> list[list[Entry]]:
        found: dict[str, list[Entry]] = {}
        for entry in self._entries:
            found.setdefault(entry.message.id, []).append(entry)
        return list(found.values())

    # --- for another connection --------------------------------------------------------------------------------------

    @classmethod
    def of(cls, messages: Iterable[ChatMessage], *, dialect: Dialect) -> Mirror:
        """Return a conversation as it begins; what OpenAI cannot keep is not a part of it."""
        mirror = cls()
        for message in messages:
            mirror._entries += [Entry(wire["id"], message) for wire in wire_items(message, dialect=dialect)]
        return mirror

    def moved(self, *, dialect: Dialect) -> tuple[Mirror, list[Wire]]:
        """Return the conversation as another server will have it, and the items that bring it there.

        What has no text is not there any more, unless it is what the user has said last. Messages are the same objects.
        """
        mirror, wires = Mirror(), list[Wire]()
        for entries in self._by_message():
            first = entries[0]
            if first.is_filler:
                continue
            items, samples = wire_items(first.message, dialect=dialect), None
            if not items and first.samples:
                items, samples = [sound_item(first.item_id, first.samples)], first.samples
            written = None if samples else first.message.content
            wires += items
            mirror._entries += [Entry(item["id"], first.message, written=written, samples=samples) for item in items]
        if dialect == "beta" and wires and not has_sound(wires):  # today's server is told that it speaks
            entry = filler()
            mirror._entries.append(entry)
            wires.append(silence_item(entry.item_id))
        return mirror, wires


def filler() -> Entry:
    """Return a new item of silence, which is no part of what was said."""
    message = ChatMessage(role="user", id=short_id("item_"))
    return Entry(message.id, message, is_filler=True)
