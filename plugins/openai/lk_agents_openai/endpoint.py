"""Whom to ask, and with what right."""

from __future__ import annotations

import inspect
import os
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, Literal, TypeAlias
from urllib.parse import quote

from lk_agents.foundation.errors import APIError, ConfigError
from lk_agents.foundation.secret import Secret
from lk_agents.streams.http import HiddenHeaders
from lk_agents.utils.aio.threads import call_in_thread

__all__ = [
    "BASE_URL",
    "KEY_VARIABLE",
    "Endpoint",
    "TokenProvider",
    "azure_endpoint_of",
    "find_endpoint",
    "find_key",
]

BASE_URL: Final = "https://api.openai.com/v1"
KEY_VARIABLE: Final = "OPENAI_API_KEY"
NO_KEYS: Final = frozenset({"<missing API key>"})
"""What clients have in the place of a key when they go by tokens."""
HEADERS_OF_CLIENTS: Final = frozenset({"accept", "api-key", "authorization", "content-type", "user-agent"})
"""The headers of a user's client that say nothing of the user, or that are made here."""

TokenProvider: TypeAlias = Callable[[], "str | Awaitable[str]"]
"""Returns the token of the moment, as a plain function, which is called in a thread, or as a coroutine function."""


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """An address, and how one shows there who asks.

    :param base_url: what all its paths begin with.
    :param credential: a key or a token, or what provides one.
    :param header: where it is shown: ``Authorization`` with the word ``Bearer``, ``api-key`` without.
    :param headers: further headers of every request.
    :param query: what every address ends with.
    :param per_model: whether each model has an address of its own, as the deployments of Azure have.
    """

    base_url: str
    credential: Secret | TokenProvider = field(repr=False)
    header: Literal["Authorization", "api-key"] = "Authorization"
    headers: Mapping[str, str] = field(default_factory=HiddenHeaders, repr=False)
    query: tuple[tuple[str, str], ...] = ()
    per_model: bool = False

    def url(self, path: str, *, model: str) -> str:
        """Return the address of a path such as ``/chat/completions``."""
        deployment = f"/deployments/{quote(model, safe='')}" if self.per_model else ""
        return f"{self.base_url.rstrip('/')}{deployment}{path}"

    def socket_url(self, path: str) -> str:
        """Return the same for a socket: ``http`` becomes ``ws``."""
        base = self.base_url.rstrip("/")
        return f"ws{base[4:]}{path}" if base.startswith("http") else f"{base}{path}"

    async def authorization(self) -> HiddenHeaders:
        """Return the headers that show who asks.

        :raises APIError: there is no token; it may be tried again.
        """
        credential = self.credential if isinstance(self.credential, Secret) else await _provided(self.credential)
        shown = credential.reveal() if self.header == "api-key" else f"Bearer {credential.reveal()}"
        return HiddenHeaders({**self.headers, self.header: shown})


async def _provided(provider: TokenProvider) -> Secret:
    try:
        if inspect.iscoroutinefunction(provider):
            token = await provider()
        else:
            token = await call_in_thread(provider, name="lk-openai-token")
            if inspect.isawaitable(token):
                token = await token
    except Exception as error:
        raise APIError(f"the function that provides the token raised {type(error).__name__}").located(
            phase="connect"
        ) from error
    if not isinstance(token, str) or not token:
        raise APIError(
            f"the function that provides the token returned {type(token).__name__}; it must be a text, not empty",
            retryable=False,
        ).located(phase="connect")
    return Secret(token)


def find_key(given: str | Secret | None, *, vendor: str = "OpenAI", variable: str = KEY_VARIABLE) -> Secret:
    """Return the key that was given, or that of the environment; an empty one is none.

    :raises ConfigError: there is none.
    """
    key = given.reveal() if isinstance(given, Secret) else given or ""
    key = key.strip() or os.environ.get(variable, "").strip()
    if not key:
        raise ConfigError(f"{vendor} needs a key: set {variable} in the environment, or give api_key=…")
    return Secret(key)


def find_endpoint(*, api_key: str | Secret | None, base_url: str | None, client: Any = None) -> Endpoint:
    """Return OpenAI's address, or that of one who speaks as it does.

    What is given comes first, then what a client has, then the environment: ``OPENAI_API_KEY``, ``OPENAI_BASE_URL``,
    ``OPENAI_ORG_ID`` and ``OPENAI_PROJECT_ID``.

    :param client: a client of the package ``openai``, or anything else with ``base_url`` and ``api_key``, and perhaps
        ``default_headers`` and ``default_query``; nothing is asked through it. An :class:`Endpoint` is taken as it is.
    :raises ConfigError: there is no key.
    """
    if isinstance(client, Endpoint):
        return client
    if client is not None:
        return _endpoint_of(client, api_key=api_key, base_url=base_url)
    return Endpoint(
        base_url=base_url or os.environ.get("OPENAI_BASE_URL", "") or BASE_URL,
        credential=find_key(api_key),
        headers=_organization(None, None),
    )


def _endpoint_of(client: Any, *, api_key: str | Secret | None, base_url: str | None) -> Endpoint:
    key = getattr(client, "api_key", None)
    if not api_key and (not isinstance(key, str | Secret) or not key or key in NO_KEYS):
        raise ConfigError(
            f"the client {type(client).__name__} has no api_key that could be used here; give api_key=…, or, if it "
            f"goes by tokens, use with_azure(azure_ad_token_provider=…)"
        )
    address = base_url or str(getattr(client, "base_url", "") or "") or BASE_URL
    query = dict(getattr(client, "default_query", None) or {})
    is_azure = "api-version" in query
    return Endpoint(
        base_url=address,
        credential=find_key(api_key or key),
        header="api-key" if is_azure else "Authorization",
        headers=_headers_of(client),
        query=tuple((name, str(value)) for name, value in query.items()),
        per_model=is_azure and "/deployments/" not in address,
    )


def _headers_of(client: Any) -> HiddenHeaders:
    found: Mapping[str, Any] = getattr(client, "default_headers", None) or {}
    return HiddenHeaders(
        {
            name: value
            for name, value in found.items()
            if isinstance(value, str)
            and name.lower() not in HEADERS_OF_CLIENTS
            and not name.lower().startswith("x-stainless")
        }
    )


def _organization(organization: str | None, project: str | None) -> HiddenHeaders:
    shown = {
        "OpenAI-Organization": organization or os.environ.get("OPENAI_ORG_ID", ""),
        "OpenAI-Project": project or os.environ.get("OPENAI_PROJECT_ID", ""),
    }
    return HiddenHeaders({name: value for name, value in shown.items() if value})


def azure_endpoint_of(
    *,
    azure_endpoint: str | None,
    azure_deployment: str | None,
    api_version: str | None,
    api_key: str | Secret | None,
    azure_ad_token: str | Secret | None,
    azure_ad_token_provider: TokenProvider | None,
    base_url: str | None,
    organization: str | None = None,
    project: str | None = None,
) -> Endpoint:
    """Return an address at Azure.

    What is given comes before the environment: ``AZURE_OPENAI_ENDPOINT``, ``OPENAI_API_VERSION``,
    ``AZURE_OPENAI_AD_TOKEN`` and ``AZURE_OPENAI_API_KEY``.

    :param azure_deployment: by default the one that has the model's name.
    :param base_url: in place of ``azure_endpoint``, with all its path up to the deployments.
    :raises ConfigError: the address, the version or the credential is missing, or the address is given twice.
    """
    if base_url and azure_endpoint:
        raise ConfigError("base_url and azure_endpoint are both given; leave one out")
    endpoint = azure_endpoint or os.environ.get("AZURE_OPENAI_ENDPOINT", "")
    if not base_url and not endpoint:
        raise ConfigError("Azure needs an address: set AZURE_OPENAI_ENDPOINT, or give azure_endpoint=… or base_url=…")
    version = api_version or os.environ.get("OPENAI_API_VERSION", "")
    if not version:
        raise ConfigError("Azure needs the version of its interface: set OPENAI_API_VERSION, or give api_version=…")
    address = base_url or f"{endpoint.rstrip('/')}/openai"
    if azure_deployment and "/deployments/" not in address:
        address = f"{address.rstrip('/')}/deployments/{quote(azure_deployment, safe='')}"
    credential, header = _azure_credential(api_key, azure_ad_token, azure_ad_token_provider)
    return Endpoint(
        base_url=address,
        credential=credential,
        header=header,
        headers=_organization(organization, project),
        query=(("api-version", version),),
        per_model="/deployments/" not in address,
    )


def _azure_credential(
    key: str | Secret | None, token: str | Secret | None, provider: TokenProvider | None
) -> tuple[Secret | TokenProvider, Literal["Authorization", "api-key"]]:
    if provider is not None:
        return provider, "Authorization"
    find = partial(find_key, vendor="Azure")
    if token:
        return find(token), "Authorization"
    if key:
        return find(key), "api-key"
    if os.environ.get("AZURE_OPENAI_AD_TOKEN"):
        return find(None, variable="AZURE_OPENAI_AD_TOKEN"), "Authorization"
    return find(None, variable="AZURE_OPENAI_API_KEY"), "api-key"
