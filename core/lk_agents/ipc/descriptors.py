"""The number of files that the worker and its children may open."""

from __future__ import annotations

from lk_agents.foundation.log import logger

__all__ = ["raise_descriptor_limit"]


def raise_descriptor_limit() -> None:
    """Raise this process's limit of open files to what it may set itself; children inherit it.

    A worker holds four descriptors per child, and the usual default of 1,024 was made for programs that call
    ``select``.
    """
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == hard:
        return
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    except (OSError, ValueError) as error:  # macOS refuses "unlimited"
        logger.debug("the limit of open files stays", extra={"soft": soft, "hard": hard, "error": str(error)})
