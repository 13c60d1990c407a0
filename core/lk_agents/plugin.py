"""How a plugin introduces itself, and how the files of plugins are fetched."""

from __future__ import annotations

import queue
import threading
from abc import ABC
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Final, Literal

from lk_agents.foundation.clock import monotonic
from lk_agents.foundation.errors import PluginError
from lk_agents.foundation.settings import Settings
from lk_agents.utils.events import EventEmitter

if TYPE_CHECKING:
    import logging

__all__ = ["DownloadFailure", "DownloadState", "Plugin", "download_all", "verify_sha256"]

DOWNLOAD_THREADS: Final = 4
DOWNLOAD_SECONDS: Final = 3600.0

DownloadState = Literal["started", "done", "failed"]


class Plugin(ABC):  # noqa: B024  abstract by its name in the public surface; every method has a default
    """A plugin's record: what it is called, and the files it needs. Derive from it to add files.

    :param title: for people, such as ``"Acme speech"``.
    :param version: the plugin's own version.
    :param package: its importable package, such as ``"lk_agents_acme"``.
    :param logger: the plugin's logger; the command line sets its level where the plugin left it unset.
    """

    registered_plugins: ClassVar[list[Plugin]] = []
    """Every registered plugin, in the order of registration, one per package."""

    emitter: ClassVar[EventEmitter[Literal["plugin_registered"]]] = EventEmitter()
    """Emits ``plugin_registered(plugin)``, on the main thread."""

    def __init__(self, title: str, version: str, package: str, logger: logging.Logger | None = None) -> None:
        self._title = title
        self._version = version
        self._package = package
        self._logger = logger

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._title!r}, {self._version!r}, {self._package!r})"

    @classmethod
    def register_plugin(cls, plugin: Plugin) -> None:
        """Add a plugin to :attr:`registered_plugins`; a second one of the same package is ignored.

        Plugins with an entry point need not call it: the framework does, with what ``lk_agents_register_plugin``
        returns.

        :raises RuntimeError: not on the main thread.
        """
        if threading.current_thread() is not threading.main_thread():
            raise RuntimeError(f"plugins must be registered on the main thread; load {plugin.package!r} there")
        if any(known.package == plugin.package for known in Plugin.registered_plugins):
            return
        Plugin.registered_plugins.append(plugin)
        Plugin.emitter.emit("plugin_registered", plugin)

    @property
    def title(self) -> str:
        """The name for people."""
        return self._title

    @property
    def version(self) -> str:
        """The plugin's own version."""
        return self._version

    @property
    def package(self) -> str:
        """The importable package."""
        return self._package

    @property
    def logger(self) -> logging.Logger | None:
        """The plugin's logger, if it has one."""
        return self._logger

    @property
    def cache_folder(self) -> Path:
        """Where the plugin keeps what it downloads: a folder of its own below ``LK_AGENTS_CACHE``.

        Without that setting it lies in ``.cache/lk-agents`` of the user's home; set it where an image is built by
        another user than the one who runs it. The folder need not exist.
        """
        parent = Settings.read().cache_folder
        return (Path(parent) if parent else Path.home() / ".cache" / "lk-agents") / self._package

    def missing_files(self) -> Sequence[str]:
        """Return the files that :meth:`download_files` has yet to fetch, by name or path; by default none.

        Answer from the disk alone, without the network and without heavy imports.
        """
        return ()

    def download_files(self) -> None:  # noqa: B027  optional: most plugins need no files
        """Fetch the files that the plugin needs; by default nothing.

        Called by ``lk-agents download-files``, in a thread, beside other plugins. Called again, it must find what is
        already there; write to a temporary name and rename, so that a broken fetch leaves nothing that looks whole.
        """


@dataclass(frozen=True)
class DownloadFailure:
    """A plugin whose files are not there, and why."""

    plugin: Plugin
    error: Exception


def download_all(
    plugins: Sequence[Plugin],
    progress: Callable[[Plugin, DownloadState], None] | None = None,
    *,
    deadline_seconds: float = DOWNLOAD_SECONDS,
) -> list[DownloadFailure]:
    """Fetch the files of all plugins, several at a time; returns the plugins that failed, in the order given.

    A plugin whose files are still missing afterwards has failed as well. Downloads that outlast the deadline are
    given up and end with the process.

    :param progress: told of each start and end, on the calling thread.
    :param deadline_seconds: for all of them together.
    """
    waiting: queue.SimpleQueue[int] = queue.SimpleQueue()
    told: queue.SimpleQueue[tuple[int, DownloadState, Exception | None]] = queue.SimpleQueue()
    for index in range(len(plugins)):
        waiting.put(index)
    for number in range(min(DOWNLOAD_THREADS, len(plugins))):
        thread = threading.Thread(
            target=_download_waiting, args=(plugins, waiting, told), name=f"download-{number}", daemon=True
        )
        thread.start()
    late = PluginError(f"the download did not end within {deadline_seconds:g} s")
    errors: dict[int, Exception] = dict.fromkeys(range(len(plugins)), late)
    ends_at = monotonic() + deadline_seconds
    pending = len(plugins)
    while pending:
        try:
            index, state, error = told.get(timeout=max(0.0, ends_at - monotonic()))
        except queue.Empty:
            _drop(waiting)
            break
        if state != "started":
            pending -= 1
            del errors[index]
        if error is not None:
            errors[index] = error
        if progress is not None:
            progress(plugins[index], state)
    return [DownloadFailure(plugins[index], errors[index]) for index in sorted(errors)]


def _download_waiting(
    plugins: Sequence[Plugin],
    waiting: queue.SimpleQueue[int],
    told: queue.SimpleQueue[tuple[int, DownloadState, Exception | None]],
) -> None:
    while True:
        try:
            index = waiting.get_nowait()
        except queue.Empty:
            return
        told.put((index, "started", None))
        try:
            _download_one(plugins[index])
        except (Exception, SystemExit) as error:  # noqa: BLE001  told to the caller
            failure = error if isinstance(error, Exception) else PluginError(f"the download raised {error!r}")
            told.put((index, "failed", failure))
        else:
            told.put((index, "done", None))


def _download_one(plugin: Plugin) -> None:
    plugin.download_files()
    if missing := plugin.missing_files():
        raise PluginError(f"files are still missing after the download: {', '.join(missing)}")


def _drop(waiting: queue.SimpleQueue[int]) -> None:
    while not waiting.empty():
        try:
            waiting.get_nowait()
        except queue.Empty:
            return


def verify_sha256(path: Path, sha256: str) -> None:
    """Check a downloaded file.

    :param sha256: the expected checksum, in hexadecimal digits of either case.
    :raises PluginError: the file is not there or has another checksum; the text says which.
    """
    import hashlib

    try:
        with Path(path).open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise PluginError(f"{path} cannot be checked: {error}") from error
    if found != sha256.strip().lower():
        raise PluginError(f"{path} has the sha256 {found}, expected {sha256}; delete it and download it again")
