"""A conversation on the server, and what of ours it has."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar

import msgspec

from lk_agents.foundation.errors import APIError
from lk_agents.llm.chat_context import ChatImage, content_text
from lk_agents_openai.asking import ask
from lk_agents_openai.beta.records import AssistantOptions, OnFileUploaded, OnFileUploadedInfo, Run, Thing
from lk_agents_openai.chat_format import encode_pictures, picture_address

if TYPE_CHECKING:
    import aiohttp

    from lk_agents.llm.chat_context import ChatMessage
    from lk_agents_openai.endpoint import Endpoint

__all__ = ["ActiveRun", "Thread"]

HEADERS: Final = {"OpenAI-Beta": "assistants=v2"}
FILE_KEY: Final = "lk_agents_openai.file_id"

T = TypeVar("T")


@dataclass(frozen=True)
class ActiveRun:
    """The assistant at work.

    :param waits_for: the calls whose results it waits for.
    """

    id: str
    waits_for: frozenset[str] = frozenset()


class Thread:
    """Keeps the server's side in step with a context.

    :param options: which assistant.
    :param session: returns what to ask with.
    :param label: who is asked, for errors.
    """

    def __init__(
        self,
        options: AssistantOptions,
        *,
        endpoint: Endpoint,
        session: Callable[[], aiohttp.ClientSession],
        label: str,
        on_file_uploaded: OnFileUploaded | None,
    ) -> None:
        self.run: ActiveRun | None = None
        self.turn = asyncio.Lock()
        """Held by the answer that is being given: the server takes nothing while the assistant is at work."""
        self._options = options
        self._endpoint = endpoint
        self._session = session
        self._label = label
        self._on_file_uploaded = on_file_uploaded
        loaded = options.load_options
        self._assistant_id = loaded.assistant_id if loaded is not None else ""
        self._thread_id = (loaded.thread_id if loaded is not None else None) or ""
        self._sent: dict[str, str] = {}  # the server's ids of our messages

    # --- before an answer -------------------------------------------------------------------------------------------

    async def prepare(self, seconds: float) -> None:
        """Make the assistant and the conversation, if there are none yet."""
        created = self._options.create_options
        if not self._assistant_id and created is not None:
            wanted: dict[str, Any] = {
                "name": created.name,
                "instructions": created.instructions,
                "model": created.model,
            }
            if created.temperature is not None:
                wanted["temperature"] = created.temperature
            self._assistant_id = (await self._ask("/assistants", wanted, Thing, seconds)).id
        if not self._thread_id:
            self._thread_id = (await self._ask("/threads", {}, Thing, seconds)).id

    def outputs(self, messages: Sequence[ChatMessage]) -> list[dict[str, str]] | None:
        """Return the results that the assistant waits for; None if it waits for none, for others, or something was
        said since.
        """
        if self.run is None or not self.run.waits_for or self._new(messages):
            return None
        found = {
            message.tool_call_id: content_text(message.content)
            for message in messages
            if message.role == "tool" and message.tool_call_id in self.run.waits_for
        }
        if found.keys() != self.run.waits_for:
            return None
        return [{"tool_call_id": call_id or "", "output": output} for call_id, output in found.items()]

    async def stop(self, seconds: float) -> None:
        """End what the assistant still works on.

        :raises APIError: it takes a while; to be tried again.
        """
        if (run := self.run) is None:
            return
        path = f"{self._path}/runs/{run.id}"
        try:
            stopped = await self._ask(f"{path}/cancel", {}, Run, seconds)
        except APIError as error:
            if error.retryable:
                raise
            stopped = await self._ask(path, None, Run, seconds, method="GET")  # it had ended by itself, mostly
        if stopped.status in {"queued", "in_progress", "cancelling", "requires_action"}:
            raise APIError("the assistant has not stopped yet").located(phase="send")
        self.run = None

    async def sync(self, messages: Sequence[ChatMessage], seconds: float) -> None:
        """Remove from the conversation what is not in the context any more, and add what is new."""
        present = {message.id for message in messages}
        for ours, theirs in list(self._sent.items()):
            if ours not in present:
                await self._ask(f"{self._path}/messages/{theirs}", None, Thing, seconds, method="DELETE")
                del self._sent[ours]
        for message in self._new(messages):
            await encode_pictures([message])
            content = [part for each in _parts(message) if (part := await self._part(each, seconds)) is not None]
            body = {"role": "user", "content": content, "metadata": {"item_id": message.id}}
            self._sent[message.id] = (await self._ask(f"{self._path}/messages", body, Thing, seconds)).id

    def _new(self, messages: Sequence[ChatMessage]) -> list[ChatMessage]:
        return [
            message
            for message in messages
            if message.role == "user" and message.content and message.id not in self._sent
        ]

    async def _part(self, part: object, seconds: float) -> dict[str, Any] | None:
        if isinstance(part, str):
            return {"type": "text", "text": part} if part else None
        if not isinstance(part, ChatImage):
            return {"type": "text", "text": content_text(part)}
        if isinstance(part.image, str) and not part.image.startswith("data:"):
            return {"type": "image_url", "image_url": {"url": part.image, "detail": part.inference_detail}}
        cache = part._cache  # noqa: SLF001  meant for providers
        if FILE_KEY not in cache:
            cache[FILE_KEY] = await self._upload(part, seconds)
        return {"type": "image_file", "image_file": {"file_id": cache[FILE_KEY], "detail": part.inference_detail}}

    async def _upload(self, image: ChatImage, seconds: float) -> str:
        import aiohttp

        kind, _, data = picture_address(image).partition(",")
        content_type = kind.removeprefix("data:").partition(";")[0] or "image/jpeg"
        form = aiohttp.FormData({"purpose": "vision"})
        name = f"image.{content_type.rpartition('/')[2]}"
        form.add_field("file", base64.b64decode(data), filename=name, content_type=content_type)
        uploaded = await self._ask("/files", form, dict[str, Any], seconds)
        file_id = uploaded.get("id")
        if not isinstance(file_id, str):
            raise APIError("the answer to a file has no id").located(phase="decode")
        if self._on_file_uploaded is not None:
            self._on_file_uploaded(OnFileUploadedInfo("image", image, uploaded))
        return file_id

    # --- asking -----------------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def answer(
        self, outputs: list[dict[str, str]] | None, body: Mapping[str, Any], seconds: float
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Let the assistant go on with the results of calls, or begin; gives a stream of events."""
        if outputs is not None and self.run is not None:
            path = f"{self._path}/runs/{self.run.id}/submit_tool_outputs"
            wanted: dict[str, Any] = {"tool_outputs": outputs}
        else:
            path, wanted = f"{self._path}/runs", {"assistant_id": self._assistant_id, **body}
        async with ask(
            self._session(),
            self._endpoint,
            path,
            model="",
            provider=self._label,
            timeout_seconds=seconds,
            headers={**HEADERS, "Accept": "text/event-stream"},
            json={**wanted, "stream": True},
        ) as response:
            yield response

    @property
    def _path(self) -> str:
        return f"/threads/{self._thread_id}"

    async def _ask(self, path: str, body: Any, form: type[T], seconds: float, *, method: str = "POST") -> T:
        given = {} if body is None else {"json": body} if isinstance(body, dict) else {"data": body}
        async with ask(
            self._session(),
            self._endpoint,
            path,
            model="",
            provider=self._label,
            timeout_seconds=seconds,
            total_seconds=seconds,
            headers=HEADERS,
            method=method,
            **given,
        ) as response:
            answer = await response.read()
        try:
            return msgspec.json.decode(answer, type=form)
        except msgspec.DecodeError as error:
            raise APIError(f"an answer cannot be understood: {error}").located(phase="decode") from None


def _parts(message: ChatMessage) -> list[Any]:
    return message.content if isinstance(message.content, list) else [message.content]
