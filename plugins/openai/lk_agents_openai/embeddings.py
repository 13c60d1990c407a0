"""Texts as vectors."""

from __future__ import annotations

import base64
import binascii
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import msgspec

from lk_agents.foundation.errors import APIError
from lk_agents.foundation.types import DEFAULT_API_CONNECT_OPTIONS, APIConnectOptions
from lk_agents.streams.retry import with_retries
from lk_agents.utils.http_context import HttpSessions
from lk_agents_openai.asking import ask
from lk_agents_openai.endpoint import find_endpoint

if TYPE_CHECKING:
    import aiohttp

    from lk_agents.foundation.secret import Secret
    from lk_agents_openai.endpoint import Endpoint
    from lk_agents_openai.models import EmbeddingModels

__all__ = ["EmbeddingData", "create_embeddings"]

LABEL: Final = "lk_agents_openai.create_embeddings"
FLOAT_BYTES: Final = 4


@dataclass(frozen=True)
class EmbeddingData:
    """The vector of one text.

    :param index: which text, from 0.
    """

    index: int
    embedding: list[float]


class _Item(msgspec.Struct):
    index: int
    embedding: str | list[float]


class _Answer(msgspec.Struct):
    data: list[_Item]


async def create_embeddings(
    *,
    input: Sequence[str],
    model: EmbeddingModels | str = "text-embedding-3-small",
    dimensions: int | None = None,
    api_key: str | Secret | None = None,
    http_session: aiohttp.ClientSession | None = None,
    base_url: str | None = None,
    client: Any = None,
    conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS,
) -> list[EmbeddingData]:
    """Return the vectors of texts, in their order.

    :param input: the texts.
    :param model: OpenAI's name of the model.
    :param dimensions: how long the vectors are; by default the model's own length.
    :param api_key: by default that of the environment, ``OPENAI_API_KEY``.
    :param http_session: by default the job's; outside of a job one for this call.
    :param base_url: up to ``/v1``; by default ``OPENAI_BASE_URL`` of the environment, or OpenAI's own.
    :param client: a client of the package ``openai``, or the like: its key, address and headers are used.
    :param conn_options: how often and how patiently OpenAI is asked; ``timeout`` is for a whole attempt.
    :raises ConfigError: there is no key.
    :raises APIError: the request failed, at the last attempt too.
    """
    texts = list(input)
    if not texts:
        return []
    endpoint = find_endpoint(api_key=api_key, base_url=base_url, client=client)
    body: dict[str, Any] = {"model": model, "input": texts, "encoding_format": "base64"}
    if dimensions is not None:
        body["dimensions"] = dimensions
    sessions = HttpSessions(http_session)
    try:
        session = sessions.get()
        return await with_retries(
            lambda: _asked(session, endpoint, body, model, conn_options.timeout), conn_options, label=LABEL
        )
    finally:
        await sessions.aclose()


async def _asked(
    session: aiohttp.ClientSession, endpoint: Endpoint, body: dict[str, Any], model: str, seconds: float
) -> list[EmbeddingData]:
    asking = ask(
        session,
        endpoint,
        "/embeddings",
        model=model,
        provider=LABEL,
        timeout_seconds=seconds,
        total_seconds=seconds,
        json=body,
    )
    async with asking as response:
        answer = await response.read()
    try:
        items = msgspec.json.decode(answer, type=_Answer).data
        found = [EmbeddingData(item.index, _vector(item.embedding)) for item in items]
    except (msgspec.DecodeError, binascii.Error, struct.error) as error:
        raise APIError(f"the answer of OpenAI cannot be understood: {error}").located(
            provider=LABEL, phase="decode"
        ) from None
    found.sort(key=lambda each: each.index)
    if [each.index for each in found] != list(range(len(body["input"]))):
        raise APIError(f"OpenAI gave {len(found)} vectors for {len(body['input'])} texts").located(
            provider=LABEL, phase="decode"
        )
    return found


def _vector(embedding: str | list[float]) -> list[float]:
    """Return a vector, which servers that do not know base64 send as numbers."""
    if isinstance(embedding, list):
        return embedding
    data = base64.b64decode(embedding, validate=True)
    return list(struct.unpack(f"<{len(data) // FLOAT_BYTES}f", data))
