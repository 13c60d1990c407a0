"""Whom to ask, and with what right."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from openai import AsyncAzureOpenAI, AsyncOpenAI
from openai_bench import KEY

from lk_agents.foundation.errors import ConfigError
from lk_agents.foundation.secret import Secret
from lk_agents_openai.endpoint import Endpoint, find_endpoint, find_key

OTHER = "key-of-the-environment"
URL = "https://proxy.example.test/v1"


def test_what_is_given_comes_before_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", OTHER)
    monkeypatch.setenv("OPENAI_BASE_URL", "https://elsewhere.example.test/v1")

    given = find_endpoint(api_key=KEY, base_url=URL)
    found = find_endpoint(api_key="", base_url=None)

    assert (given.credential, given.base_url) == (Secret(KEY), URL)
    assert (found.credential, found.base_url) == (Secret(OTHER), "https://elsewhere.example.test/v1")


def test_openais_own_address_is_the_last_resort() -> None:
    assert find_endpoint(api_key=KEY, base_url=None).base_url == "https://api.openai.com/v1"


@pytest.mark.parametrize("key", [None, "", "  ", Secret("")])
def test_a_missing_key_is_named_with_the_remedy(key: Any) -> None:
    with pytest.raises(ConfigError, match=r"OPENAI_API_KEY in the environment, or give api_key="):
        find_endpoint(api_key=key, base_url=None)


def test_white_space_around_a_key_is_dropped() -> None:
    assert find_key(f" {KEY}\n") == Secret(KEY)


async def test_who_pays_is_told_if_the_environment_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_ORG_ID", "org-1")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "proj-1")

    headers = await find_endpoint(api_key=KEY, base_url=None).authorization()

    assert dict(headers) == {
        "OpenAI-Organization": "org-1",
        "OpenAI-Project": "proj-1",
        "Authorization": f"Bearer {KEY}",
    }


async def test_the_key_is_in_no_representation() -> None:
    endpoint = find_endpoint(api_key=KEY, base_url=None)

    assert KEY not in f"{endpoint!r} {endpoint} {vars(endpoint)} {await endpoint.authorization()!r}"


@pytest.mark.parametrize("base_url", [URL, f"{URL}/"])
def test_addresses_have_one_slash(base_url: str) -> None:
    endpoint = Endpoint(base_url=base_url, credential=Secret(KEY))

    assert endpoint.url("/embeddings", model="m") == f"{URL}/embeddings"
    assert endpoint.socket_url("/realtime") == "wss://proxy.example.test/v1/realtime"


def test_the_name_of_a_deployment_is_quoted() -> None:
    endpoint = Endpoint(base_url=URL, credential=Secret(KEY), per_model=True)

    assert endpoint.url("/embeddings", model="a/b c") == f"{URL}/deployments/a%2Fb%20c/embeddings"


# --- clients -------------------------------------------------------------------------------------------------------


async def test_key_address_and_headers_of_the_vendors_client_are_used() -> None:
    async with AsyncOpenAI(
        api_key=KEY, base_url=URL, organization="org-1", default_headers={"X-Team": "voice"}
    ) as client:
        endpoint = find_endpoint(api_key=None, base_url=None, client=client)

    assert endpoint.url("/embeddings", model="m") == f"{URL}/embeddings"
    assert dict(await endpoint.authorization()) == {
        "OpenAI-Organization": "org-1",
        "X-Team": "voice",
        "Authorization": f"Bearer {KEY}",
    }


@pytest.mark.parametrize(
    ("options", "path"),
    [
        ({"azure_deployment": "voice"}, "/openai/deployments/voice/embeddings"),
        ({}, "/openai/deployments/m/embeddings"),
    ],
)
async def test_the_vendors_client_of_azure_is_understood(options: dict[str, Any], path: str) -> None:
    async with AsyncAzureOpenAI(
        api_key=KEY, azure_endpoint="https://a.example.test", api_version="2024-10-21", **options
    ) as client:
        endpoint = find_endpoint(api_key=None, base_url=None, client=client)

    assert endpoint.url("/embeddings", model="m") == f"https://a.example.test{path}"
    assert endpoint.query == (("api-version", "2024-10-21"),)
    assert dict(await endpoint.authorization()) == {"api-key": KEY}


async def test_a_client_that_goes_by_tokens_is_refused_with_the_remedy() -> None:
    async with AsyncAzureOpenAI(
        azure_ad_token_provider=lambda: KEY, azure_endpoint="https://a.example.test", api_version="1"
    ) as client:
        with pytest.raises(ConfigError, match="azure_ad_token_provider"):
            find_endpoint(api_key=None, base_url=None, client=client)


def test_anything_with_a_key_and_an_address_is_a_client() -> None:
    client = SimpleNamespace(api_key=KEY, base_url=URL)

    endpoint = find_endpoint(api_key=None, base_url=None, client=client)

    assert (endpoint.credential, endpoint.base_url, dict(endpoint.headers)) == (Secret(KEY), URL, {})
