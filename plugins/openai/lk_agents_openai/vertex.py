"""Google's credentials, as a token of the moment."""

from __future__ import annotations

from datetime import UTC
from importlib import import_module
from typing import Any, Final

from lk_agents.foundation import clock
from lk_agents.foundation.errors import ConfigError
from lk_agents_openai.endpoint import Endpoint

__all__ = ["vertex_endpoint"]

SCOPE: Final = "https://www.googleapis.com/auth/cloud-platform"
LEFT_SECONDS: Final = 600.0
"""A token that is good for less than that is renewed."""


def vertex_endpoint(project_id: str | None, location: str) -> Endpoint:
    """Return the address of the models in Vertex AI.

    :raises ConfigError: the package ``google-auth`` is missing, or there are no credentials, or no project.
    """
    try:
        auth, transport = import_module("google.auth"), import_module("google.auth.transport.requests")
    except ImportError as error:
        raise ConfigError(
            "with_vertex() needs Google's package; install it with: pip install 'lk-agents-openai[vertex]'"
        ) from error
    try:
        credentials, project = auth.default(scopes=[SCOPE])
    except auth.exceptions.DefaultCredentialsError as error:
        raise ConfigError(
            "with_vertex() finds no credentials of Google; set GOOGLE_APPLICATION_CREDENTIALS, or log in with gcloud"
        ) from error
    if not (project := project_id or project):
        raise ConfigError("with_vertex() knows no project; give project_id=…")
    return Endpoint(
        base_url=(
            f"https://{location}-aiplatform.googleapis.com/v1beta1/projects/{project}/locations/{location}"
            f"/endpoints/openapi"
        ),
        credential=_Token(credentials, transport.Request),
    )


class _Token:
    """The token of the moment; called in a thread, since it may ask Google."""

    def __init__(self, credentials: Any, request: Any) -> None:
        self._credentials = credentials
        self._request = request

    def __call__(self) -> str:
        if not self._credentials.token or self._is_running_out():
            self._credentials.refresh(self._request())
        token: str = self._credentials.token
        return token

    def _is_running_out(self) -> bool:
        expiry = self._credentials.expiry
        if expiry is None:
            return False
        # Google's moments are those of UTC, without saying so.
        return bool(expiry.replace(tzinfo=UTC).timestamp() - clock.wall_seconds() < LEFT_SECONDS)
