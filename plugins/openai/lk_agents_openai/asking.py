"""One way to ask, whatever is asked for."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

from lk_agents.foundation.errors import APIError, APIStatusError
from lk_agents.streams.http import HiddenHeaders, request

if TYPE_CHECKING:
    import aiohttp

    from lk_agents_openai.endpoint import Endpoint

__all__ = ["FINAL_CODES", "ask", "judged", "require_content"]

FINAL_CODES: Final = frozenset(
    {
        "account_deactivated",
        "beta_api_shape_disabled",
        "billing_hard_limit_reached",
        "credit_balance_exhausted",
        "insufficient_quota",
        "invalid_api_key",
    }
)
"""What stays wrong, however often one asks; some of it comes with a status that could pass."""


@asynccontextmanager
async def ask(
    session: aiohttp.ClientSession,
    endpoint: Endpoint,
    path: str,
    *,
    model: str,
    provider: str,
    timeout_seconds: float,
    headers: Mapping[str, str] | None = None,
    query: Mapping[str, str] | None = None,
    method: str = "POST",
    **options: Any,
) -> AsyncIterator[aiohttp.ClientResponse]:
    """Ask; raises as :func:`lk_agents.streams.http.request` does.

    :param path: such as ``/chat/completions``.
    :param timeout_seconds: until the head of the answer is there.
    :param headers: besides those of the endpoint.
    """
    shown = HiddenHeaders({**(headers or {}), **await endpoint.authorization()})
    asking = request(
        session,
        method,
        endpoint.url(path, model=model),
        provider=provider,
        timeout_seconds=timeout_seconds,
        params=[*endpoint.query, *(query or {}).items()],
        headers=shown,
        # Where else it leads to, aiohttp would show a key that is not in the header Authorization there as well.
        allow_redirects=endpoint.header == "Authorization",
        **options,
    )
    try:
        async with asking as response:
            if response.status >= 300:
                raise APIStatusError(
                    f"{provider} sends us elsewhere ({response.status}), where the key shall not be shown",
                    status_code=response.status,
                    retryable=False,
                )
            yield response
    except APIError as error:
        raise judged(error) from error.__cause__


def judged(error: APIError) -> APIError:
    """Return the error itself, not to be tried again if its code says that this cannot help."""
    if error.code in FINAL_CODES:
        error.retryable = False
    return error


def require_content(response: aiohttp.ClientResponse, provider: str, *, wanted: str, refused: tuple[str, ...]) -> None:
    """Look at what has come before it is taken for what was asked for.

    :param refused: how the content types begin that are something else.
    :raises APIError: it is one of those.
    """
    if response.content_type.startswith(refused):
        raise APIError(f"{provider} answered with {response.content_type} where {wanted} was asked for").located(
            provider=provider, phase="decode", request_id=response.headers.get("x-request-id")
        )
