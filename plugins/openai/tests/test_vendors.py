"""Those who speak as OpenAI does, Azure among them."""

from __future__ import annotations

import inspect
import logging
import sys
import types
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from openai_bench import KEY, read, text_of
from openai_fake import answering, bearer

from lk_agents.foundation.errors import APIError, APIStatusError, ConfigError
from lk_agents.foundation.secret import Secret
from lk_agents.testing.clock import VirtualClock
from lk_agents.testing.vendor import Script, VendorServer, reply
from lk_agents_openai import LLM
from lk_agents_openai.vendors import VENDORS

pytestmark = pytest.mark.usefixtures("lk_no_leaks")

AZURE = "/openai/deployments/voice/chat/completions"
VERSION = {"api-version": "2024-10-21"}
SURFACE = ["model", "api_key", "base_url", "client", "user", "temperature", "parallel_tool_calls", "tool_choice"]


def build(name: str, **options: Any) -> LLM:
    model: LLM = getattr(LLM, f"with_{name}")(**options)
    return model


@pytest.mark.parametrize("name", VENDORS)
def test_each_vendor_has_a_constructor_with_its_own_address_key_and_model(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    vendor = VENDORS[name]
    monkeypatch.setenv(vendor.variable, KEY)
    monkeypatch.setenv("OPENAI_ORG_ID", "org-nobodys-business")

    llm = build(name) if vendor.model else build(name, model="some")

    assert (llm.model, llm.provider) == (vendor.model or "some", name)
    assert llm._endpoint.url("/chat/completions", model="") == f"{vendor.base_url}/chat/completions"
    assert (llm._endpoint.credential, llm._endpoint.headers) == (Secret(KEY), {})


@pytest.mark.parametrize("name", VENDORS)
def test_a_missing_key_is_named_by_its_variable(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "of somebody else")
    monkeypatch.setenv(VENDORS[name].variable, "")

    with pytest.raises(ConfigError, match=VENDORS[name].variable):
        build(name, model="some", api_key="")


@pytest.mark.parametrize("name", VENDORS)
def test_the_constructors_have_the_parameters_of_older_versions(name: str) -> None:
    parameters = inspect.signature(getattr(LLM, f"with_{name}")).parameters

    assert list(parameters)[: len(SURFACE)] == SURFACE
    assert VENDORS[name].name in (inspect.getdoc(getattr(LLM, f"with_{name}")) or "")


@pytest.mark.parametrize("name", [name for name, vendor in VENDORS.items() if not vendor.model])
def test_a_model_must_be_named_where_none_is_known(name: str) -> None:
    with pytest.raises(ConfigError, match="model is empty"):
        build(name, api_key=KEY)


async def test_a_vendor_is_asked_with_its_key_and_the_models_options() -> None:
    script = Script().http("POST", "/v1/chat/completions", answering("Hi."), headers=bearer(KEY))
    options: dict[str, Any] = {"max_tokens": 7, "top_p": 0.5}
    async with (
        VendorServer(script) as vendor,
        LLM.with_groq(model="m", api_key=KEY, base_url=f"{vendor.url}/v1", **options) as llm,
    ):
        assert text_of(await read(llm)) == "Hi."

    body = vendor.journal[0].json()
    assert (body["model"], body["max_tokens"], body["top_p"]) == ("m", 7, 0.5)


def test_ollama_needs_no_key() -> None:
    llm = LLM.with_ollama()

    assert (llm.model, llm.provider, llm._endpoint.base_url) == ("llama3.1", "ollama", "http://localhost:11434/v1")


def test_letta_is_asked_for_an_agent() -> None:
    llm = LLM.with_letta(agent_id="agent-7", base_url="http://localhost:8283/v1")

    assert (llm.model, llm.provider) == ("agent-7", "letta")
    with pytest.raises(ConfigError, match="begin with 'agent-'"):
        LLM.with_letta(agent_id="7", api_key=KEY)
    with pytest.raises(ConfigError, match="LETTA_API_KEY"):
        LLM.with_letta(agent_id="agent-7")


# --- Azure ---------------------------------------------------------------------------------------------------------


def azure(url: str, **options: Any) -> LLM:
    given = {"azure_endpoint": url, "azure_deployment": "voice", "api_version": VERSION["api-version"], **options}
    return LLM.with_azure(**given)


@pytest.mark.parametrize(
    ("options", "headers"),
    [
        ({"api_key": KEY}, {"api-key": Secret(KEY)}),
        ({"azure_ad_token": KEY}, bearer(KEY)),
        ({"azure_ad_token": KEY, "api_key": "another"}, bearer(KEY)),
        ({"azure_ad_token_provider": lambda: KEY}, bearer(KEY)),
    ],
    ids=["key", "token", "token-before-key", "provider"],
)
async def test_azure_is_asked_at_its_deployment(options: dict[str, Any], headers: dict[str, Any]) -> None:
    script = Script().http("POST", AZURE, answering("Hi."), query=VERSION, headers=headers)
    async with VendorServer(script) as vendor, azure(vendor.url, **options) as llm:
        assert text_of(await read(llm)) == "Hi."

    other = {"api-key", "authorization"} - {name.lower() for name in headers}
    assert not other & set(vendor.journal[0].headers)


async def test_a_token_may_be_awaited_and_is_asked_for_with_every_request() -> None:
    tokens = iter([KEY, "token-2-that-nobody-may-see"])

    async def provide() -> str:
        return next(tokens)

    script = Script().http("POST", AZURE, answering("Hi."), query=VERSION, repeat=True)
    async with VendorServer(script) as vendor, azure(vendor.url, azure_ad_token_provider=provide) as llm:
        await read(llm)
        await read(llm)

    assert next(tokens, None) is None


@pytest.mark.parametrize(
    ("provide", "words"), [(lambda: "", "a text, not empty"), (lambda: 1 // 0, "raised ZeroDivisionError")]
)
async def test_a_token_that_cannot_be_had_is_an_error_that_says_why(provide: Any, words: str) -> None:
    async with azure("http://127.0.0.1:9", azure_ad_token_provider=provide) as llm:
        with pytest.raises(APIError, match=words):
            await read(llm)


async def test_the_deployment_is_by_default_that_of_the_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_VERSION", VERSION["api-version"])
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", KEY)
    path = "/openai/deployments/gpt-4o-mini/chat/completions"
    script = Script().http("POST", path, answering("Hi."), query=VERSION, headers={"api-key": Secret(KEY)})
    async with VendorServer(script) as vendor:
        monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", f"{vendor.url}/")
        async with LLM.with_azure(model="gpt-4o-mini") as llm:
            assert (text_of(await read(llm)), llm.provider) == ("Hi.", "azure")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"azure_endpoint": None}, "AZURE_OPENAI_ENDPOINT"),
        ({"api_version": None}, "OPENAI_API_VERSION"),
        ({"api_key": None}, "AZURE_OPENAI_API_KEY"),
        ({"base_url": "http://127.0.0.1:9"}, "both given"),
    ],
)
def test_what_azure_lacks_is_named(options: dict[str, Any], words: str) -> None:
    given = {"azure_endpoint": "http://127.0.0.1:9", "api_version": "1", "api_key": KEY, **options}
    with pytest.raises(ConfigError, match=words):
        LLM.with_azure(**given)


async def test_the_older_name_does_the_same_and_keeps_the_deployment(caplog: pytest.LogCaptureFixture) -> None:
    script = Script().http("POST", AZURE, answering("Hi."), query=VERSION, headers={"api-key": Secret(KEY)})
    async with (
        VendorServer(script) as vendor,
        LLM.create_azure_client(
            azure_endpoint=vendor.url, azure_deployment="voice", api_version=VERSION["api-version"], api_key=KEY
        ) as llm,
    ):
        assert text_of(await read(llm)) == "Hi."

    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert inspect.signature(LLM.create_azure_client) == inspect.signature(LLM.with_azure)


async def test_the_key_of_azure_does_not_follow_where_a_redirection_leads() -> None:
    away = reply(status=307, headers={"Location": "http://127.0.0.1:9/elsewhere"})
    script = Script().http("POST", AZURE, away, query=VERSION, headers={"api-key": Secret(KEY)})
    async with VendorServer(script) as vendor, azure(vendor.url, api_key=KEY) as llm:
        with pytest.raises(APIStatusError, match="sends us elsewhere") as caught:
            await read(llm)

    assert (caught.value.status_code, caught.value.retryable) == (307, False)


# --- Vertex --------------------------------------------------------------------------------------------------------


class Credentials:
    """What Google's package gives, as far as it is used here."""

    def __init__(self, now: float) -> None:
        self.now = now
        self.token = ""
        self.expiry: datetime | None = None
        self.refreshed = 0

    def refresh(self, request: Any) -> None:
        assert request == "a request"
        self.refreshed += 1
        self.token = f"token-{self.refreshed}"
        self.expiry = (datetime.fromtimestamp(self.now, UTC) + timedelta(hours=1)).replace(tzinfo=None)


@pytest.fixture
def google(monkeypatch: pytest.MonkeyPatch, lk_clock: VirtualClock) -> Credentials:
    """Put Google's package in place, which no test is to ask."""
    credentials = Credentials(lk_clock.wall_seconds())
    auth: Any = types.ModuleType("google.auth")
    auth.exceptions = types.SimpleNamespace(DefaultCredentialsError=LookupError)
    auth.default = lambda scopes: (credentials, "project-1")
    requests: Any = types.ModuleType("google.auth.transport.requests")
    requests.Request = lambda: "a request"
    for name, module in (
        ("google.auth", auth),
        ("google.auth.transport", types.ModuleType("google.auth.transport")),
        ("google.auth.transport.requests", requests),
    ):
        monkeypatch.setitem(sys.modules, name, module)
    return credentials


async def test_vertex_is_asked_with_googles_token_which_is_renewed_in_time(
    google: Credentials, lk_clock: VirtualClock, caplog: pytest.LogCaptureFixture
) -> None:
    llm = LLM.with_vertex(location="europe-west1")

    assert llm._endpoint.url("/chat/completions", model="m") == (
        "https://europe-west1-aiplatform.googleapis.com/v1beta1/projects/project-1/locations/europe-west1"
        "/endpoints/openapi/chat/completions"
    )
    assert not llm.capabilities.supports_choices_on_int
    assert "deprecated" in caplog.text
    shown = []
    for seconds in (0.0, 2_999.0, 2.0):  # of the hour, more than 10 minutes are left, and then less
        lk_clock.advance(seconds)
        shown.append((await llm._endpoint.authorization())["Authorization"])
    assert shown == ["Bearer token-1", "Bearer token-1", "Bearer token-2"]


async def test_vertex_without_its_package_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "google.auth", None)

    with pytest.raises(ConfigError, match=r"lk-agents-openai\[vertex\]"):
        LLM.with_vertex()
