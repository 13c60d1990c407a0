"""Where sessions are held, and by what right: OpenAI's address, or one at Azure."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from lk_agents.foundation.errors import ConfigError
from lk_agents.foundation.secret import Secret
from lk_agents.streams.http import HiddenHeaders
from lk_agents_openai.endpoint import BASE_URL, KEY_VARIABLE, Endpoint, find_endpoint, find_key

if TYPE_CHECKING:
    from lk_agents_openai.endpoint import TokenProvider
    from lk_agents_openai.realtime.api_proto import Dialect

__all__ = ["AzurePlace", "azure_place", "find_place"]

AZURE_KEY_VARIABLE = "AZURE_OPENAI_API_KEY"


class AzurePlace(NamedTuple):
    """An address at Azure, and by what right; the token is the caller's."""

    base_url: str
    api_version: str | None
    api_key: Secret | None


def find_place(
    *,
    base_url: str | None,
    api_key: str | Secret | None,
    azure_deployment: str | None,
    entra_token: str | Secret | TokenProvider | None,
    api_version: str | None,
    dialect: Dialect,
) -> Endpoint:
    """Return whom to ask. What is given comes before the environment.

    :raises ConfigError: there is no credential.
    """
    if not (azure_deployment or entra_token or api_version):
        return find_endpoint(api_key=api_key, base_url=base_url)
    query = [("api-version", api_version or "")] if api_version else []
    if azure_deployment and dialect == "beta":
        query.append(("deployment", azure_deployment))
    address = base_url or os.environ.get("OPENAI_BASE_URL", "") or BASE_URL
    if not entra_token:
        variable = AZURE_KEY_VARIABLE if os.environ.get(AZURE_KEY_VARIABLE) else KEY_VARIABLE
        key = find_key(api_key, vendor="Azure", variable=variable)
        return Endpoint(base_url=address, credential=key, header="api-key", query=tuple(query))
    token = entra_token if callable(entra_token) else find_key(entra_token, vendor="Azure")
    more = HiddenHeaders({"api-key": find_key(api_key, vendor="Azure").reveal()} if api_key else {})
    return Endpoint(base_url=address, credential=token, headers=more, query=tuple(query))


def azure_place(
    *,
    azure_endpoint: str | None,
    api_version: str | None,
    api_key: str | Secret | None,
    entra_token: object,
    base_url: str | None,
    dialect: Dialect,
) -> AzurePlace:
    """Return an address at Azure. What is given comes before the environment.

    :param base_url: in place of ``azure_endpoint``, with all its path.
    :raises ConfigError: the address, the version or the credential is missing, or the address is given twice.
    """
    if base_url and azure_endpoint:
        raise ConfigError("base_url and azure_endpoint are both given; leave one out")
    endpoint = azure_endpoint or os.environ.get("AZURE_OPENAI_ENDPOINT", "")
    if not base_url and not endpoint:
        raise ConfigError("Azure needs an address: set AZURE_OPENAI_ENDPOINT, or give azure_endpoint=… or base_url=…")
    version = None
    if dialect == "beta":
        version = api_version or os.environ.get("OPENAI_API_VERSION", "")
        if not version:
            raise ConfigError(
                "Azure needs the version of its interface: set OPENAI_API_VERSION, or give api_version=…, or "
                "dialect='ga' for a deployment that has none"
            )
    key = None
    if api_key or not entra_token:
        key = find_key(api_key, vendor="Azure", variable=AZURE_KEY_VARIABLE)
    path = "/openai" if dialect == "beta" else "/openai/v1"
    return AzurePlace(base_url or f"{endpoint.rstrip('/')}{path}", version, key)
