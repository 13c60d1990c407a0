"""Texts as vectors."""

from __future__ import annotations

import base64
import struct
from typing import Any

import aiohttp
import pytest
from openai_bench import KEY, ONCE, RETRYING
from openai_fake import bearer

from lk_agents.foundation.errors import APIError, APIStatusError, ConfigError
from lk_agents.testing.vendor import Script, VendorServer, reply
from lk_agents_openai import EmbeddingData, create_embeddings

pytestmark = pytest.mark.usefixtures("lk_no_leaks")

PATH = "/v1/embeddings"


def vector(*numbers: float) -> str:
    return base64.b64encode(struct.pack(f"<{len(numbers)}f", *numbers)).decode()


def answer(*vectors: Any, indices: list[int] | None = None) -> dict[str, Any]:
    numbers = indices or list(range(len(vectors)))
    data = [
        {"object": "embedding", "index": index, "embedding": each} for index, each in zip(numbers, vectors, strict=True)
    ]
    usage = {"prompt_tokens": 3, "total_tokens": 3}
    return {"object": "list", "data": data, "model": "text-embedding-3-small", "usage": usage}


async def ask(*answers: Any, **options: Any) -> tuple[list[EmbeddingData], VendorServer]:
    options.setdefault("conn_options", ONCE)
    options.setdefault("input", ["a", "b"])
    async with VendorServer(Script().http("POST", PATH, *answers, headers=bearer(KEY))) as vendor:
        return await create_embeddings(api_key=KEY, base_url=f"{vendor.url}/v1", **options), vendor


async def test_each_text_gets_its_vector_in_the_order_of_the_texts() -> None:
    found, vendor = await ask(reply(answer(vector(0.5, -1.0), vector(0.25, 2.0), indices=[1, 0])))

    assert found == [EmbeddingData(0, [0.25, 2.0]), EmbeddingData(1, [0.5, -1.0])]
    assert vendor.journal[0].json() == {
        "model": "text-embedding-3-small",
        "input": ["a", "b"],
        "encoding_format": "base64",
    }


async def test_the_length_of_the_vectors_goes_out_if_it_is_set() -> None:
    _, vendor = await ask(reply(answer(vector(1.0))), input=("a",), dimensions=1, model="text-embedding-3-large")

    body = vendor.journal[0].json()
    assert (body["dimensions"], body["model"]) == (1, "text-embedding-3-large")


async def test_vectors_of_servers_that_know_no_base64_are_understood() -> None:
    found, _ = await ask(reply(answer([1.0, 2], [3.0, 4.0])))

    assert found[0].embedding == [1.0, 2.0]


async def test_no_texts_ask_nobody() -> None:
    assert await create_embeddings(input=[], api_key=KEY) == []


async def test_a_missing_key_is_named() -> None:
    with pytest.raises(ConfigError, match="OPENAI_API_KEY"):
        await create_embeddings(input=["a"])


async def test_a_failure_that_passes_is_tried_again() -> None:
    found, vendor = await ask(
        reply({"error": {}}, status=503), reply(answer(vector(1.0), vector(2.0))), conn_options=RETRYING
    )

    assert (len(found), len(vendor.journal)) == (2, 2)


async def test_a_status_that_stays_is_told() -> None:
    refused = reply({"error": {"message": "no", "code": "invalid_api_key"}}, status=401)
    with pytest.raises(APIStatusError) as caught:
        await ask(refused, conn_options=RETRYING)

    assert (caught.value.status_code, caught.value.code) == (401, "invalid_api_key")
    assert KEY not in f"{caught.value} {caught.value.body}"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("<html>", "cannot be understood"),
        ({"data": [{"index": 0}]}, "cannot be understood: .*embedding"),
        (answer("~~~", "~~~"), "cannot be understood"),
        (answer(base64.b64encode(b"12345").decode(), vector(1.0)), "cannot be understood"),
        (answer(vector(1.0)), "1 vectors for 2 texts"),
    ],
)
async def test_an_answer_of_another_form_is_an_error_that_says_what(body: Any, words: str) -> None:
    with pytest.raises(APIError, match=words):
        await ask(reply(body))


async def test_the_users_session_is_used_and_stays_open() -> None:
    async with aiohttp.ClientSession() as session:
        await ask(reply(answer(vector(1.0), vector(2.0))), http_session=session)
        assert not session.closed
