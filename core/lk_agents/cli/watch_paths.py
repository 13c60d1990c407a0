"""Which folders ``dev`` watches."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import unquote, urlsplit
from urllib.request import url2pathname

from lk_agents.foundation.log import logger

__all__ = ["editable_folders", "editable_folders_of", "editable_root", "without_nested"]

CORE_DISTRIBUTION = "lk-agents"


class _Installed(Protocol):
    """What is needed of an installed distribution."""

    def read_text(self, filename: Any, /) -> str | None: ...


def editable_folders() -> list[Path]:
    """Return the package folders of lk-agents and of each plugin that is installed in editable mode.

    Nothing is imported: a plugin with a broken module is watched like any other.
    """
    import importlib_metadata

    from lk_agents.hooks.discovery import installed_entry_points

    found: list[Path] = []
    try:
        found += _folders_of(importlib_metadata.distribution(CORE_DISTRIBUTION), ["lk_agents"])
    except importlib_metadata.PackageNotFoundError:
        logger.debug("lk-agents runs from a folder that is not installed")
    for entry_point in installed_entry_points():
        if entry_point.dist is not None:
            found += _folders_of(entry_point.dist, [entry_point.value.partition(":")[0].partition(".")[0]])
    return found


def editable_folders_of(packages: Iterable[str]) -> list[Path]:
    """Return the same for packages whose distribution is called as they are."""
    import importlib_metadata

    found: list[Path] = []
    for package in packages:
        try:
            found += _folders_of(importlib_metadata.distribution(package.replace(".", "-")), [package])
        except importlib_metadata.PackageNotFoundError:
            logger.debug("a plugin's distribution is not called as its package", extra={"package": package})
    return found


def editable_root(distribution: _Installed) -> Path | None:
    """Return the project folder of an editable installation, None for any other."""
    try:
        direct: dict[str, Any] = json.loads(distribution.read_text("direct_url.json") or "{}")
        url = urlsplit(direct.get("url", ""))
        editable = bool(direct.get("dir_info", {}).get("editable"))
    except (ValueError, AttributeError, OSError) as error:
        logger.debug("an installation's origin cannot be read", extra={"cause": repr(error)})
        return None
    if not editable or url.scheme != "file":
        return None
    return Path(url2pathname(unquote(url.path)))


def _folders_of(distribution: _Installed, packages: Iterable[str]) -> list[Path]:
    """Return the folders of the packages if they come from the distribution's editable project."""
    root = editable_root(distribution)
    if root is None or not root.is_dir():
        return []
    folders = [Path(place) for package in packages for place in _places(package)]
    inside = [folder for folder in folders if folder.is_relative_to(root.resolve())]
    return inside or [root]


def _places(package: str) -> list[str]:
    try:
        spec = importlib.util.find_spec(package)
    except (ImportError, ValueError):
        return []
    if spec is None or spec.submodule_search_locations is None:  # a single module: its project's folder is watched
        return []
    return [str(Path(place).resolve()) for place in spec.submodule_search_locations]


def without_nested(folders: Iterable[Path]) -> list[Path]:
    """Return the folders, without those that are watched already as part of another."""
    kept: list[Path] = []
    for folder in sorted({folder.resolve() for folder in folders}):
        if folder.exists() and not any(folder.is_relative_to(other) for other in kept):
            kept.append(folder)
    return kept
