"""What can go wrong with the embedded server.

::

    lk_agents.foundation.errors.LkAgentsError
    └── ServerError                   the server cannot do what was asked
        ├── BinaryNotFoundError       (also ConfigError) no livekit-server on this machine: the text says how to get one
        └── ServerStartError          it was started and did not become ready: the text ends with what it logged
"""

from __future__ import annotations

from lk_agents.foundation.errors import ConfigError, LkAgentsError

__all__ = ["BinaryNotFoundError", "ServerError", "ServerStartError"]


class ServerError(LkAgentsError):
    """The embedded server cannot do what was asked."""


class BinaryNotFoundError(ServerError, ConfigError):
    """There is no livekit-server to run; the text says how to get one."""


class ServerStartError(ServerError):
    """The server did not become ready in time, or ended while starting; the text ends with what it logged."""
