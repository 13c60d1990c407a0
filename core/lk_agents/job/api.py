"""The server's API, for the code of a job."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lk_agents.foundation.errors import ConfigError, JobError
from lk_agents.foundation.settings import Settings

if TYPE_CHECKING:
    from livekit.api import LiveKitAPI

    from lk_agents.job.request import RunningJobInfo

__all__ = ["ServerApi"]


class ServerApi:
    """Builds the job's API client when it is first asked for, and closes it at the job's end."""

    def __init__(self, info: RunningJobInfo) -> None:
        self._info = info
        self._client: LiveKitAPI | None = None
        self._closed = False

    def get(self) -> LiveKitAPI:
        """Return the client; the same one each time. Needs a running event loop.

        :raises ConfigError: there are no credentials for it.
        :raises JobError: the job has ended.
        """
        if self._closed:
            raise JobError("ctx.api is closed: the job has ended")
        if self._client is None:
            from livekit.api import LiveKitAPI

            key, secret = self._credentials()
            self._client = LiveKitAPI(self._info.url or Settings.read().url, key, secret)
        return self._client

    async def aclose(self) -> None:
        """Close the client if there is one. Idempotent."""
        self._closed = True
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    def _credentials(self) -> tuple[str, str]:
        if self._info.job_credentials == "none":
            raise ConfigError(
                "ctx.api has no credentials, because WorkerOptions.job_credentials is 'none'; set it to 'inherit', or "
                "build livekit.api.LiveKitAPI yourself with a key of its own or a token"
            )
        if self._info.credentials is not None:
            return self._info.credentials.api_key, self._info.credentials.api_secret
        settings = Settings.read()
        if not settings.api_key or not settings.api_secret:
            raise ConfigError(
                "ctx.api has no credentials: set LIVEKIT_API_KEY and LIVEKIT_API_SECRET in the environment, or give "
                "api_key and api_secret to WorkerOptions"
            )
        return settings.api_key, settings.api_secret
