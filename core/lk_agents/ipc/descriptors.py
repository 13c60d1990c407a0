"""The number of files that the worker and its children may open."""

from __future__ import annotations

from typing import Final

from lk_agents.foundation.errors import ConfigError
from lk_agents.foundation.log import logger

__all__ = ["raise_descriptor_limit"]

LEAST_FILES: Final = 64
"""open files with which a worker starts at all: some 20 of its own, and four for each process"""


def raise_descriptor_limit() -> None:
    """Raise this process's limit of open files to what it may set itself; children inherit it.

    A worker holds four descriptors per child, and the usual default of 1,024 was made for programs that call
    ``select``.

    :raises ConfigError: the limit cannot be raised to what a worker needs to start.
    """
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if 0 <= hard < LEAST_FILES:
        raise ConfigError(
            f"this process may have {hard} open files, and a worker needs {LEAST_FILES} to start and four more for "
            f"each job; raise the hard limit (ulimit -Hn, LimitNOFILE=) to 4096 or more"
        )
    if soft == hard:
        return
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    except (OSError, ValueError) as error:  # macOS refuses "unlimited"
        logger.debug("the limit of open files stays", extra={"soft": soft, "hard": hard, "error": str(error)})
