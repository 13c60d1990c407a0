"""Where the livekit-server executable is."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from lk_agents_server.environment import BINARY_VARIABLE, given_binary, search_path
from lk_agents_server.errors import BinaryNotFoundError

__all__ = ["find_binary"]

EXECUTABLE = "livekit-server.exe" if os.name == "nt" else "livekit-server"
PACKAGED_FOLDER = Path(__file__).parent / "bin"


def find_binary(*, given: str | None = None, packaged: Path | None = None, path: str | None = None) -> Path:
    """Return the livekit-server to run: the one given, else the one in the wheel, else the one on ``PATH``.

    :param given: a path to use; by default what ``LK_SERVER_BINARY`` says. Empty for none.
    :param packaged: the folder of the wheel's own one; by default this package's.
    :param path: the folders to search last; by default those of ``PATH``.
    :raises BinaryNotFoundError: there is none, or the given one is no executable file.
    """
    given = given_binary() if given is None else given
    if given:
        chosen = Path(given).expanduser()
        if not _is_executable(chosen):
            raise BinaryNotFoundError(
                f"{BINARY_VARIABLE}={given} is not an executable file; give the path of a livekit-server, "
                "or unset the variable to use the one that was installed"
            )
        return chosen.absolute()
    own = (packaged or PACKAGED_FOLDER) / EXECUTABLE
    if _is_executable(own):
        return own
    on_path = shutil.which(EXECUTABLE, path=search_path() if path is None else path)
    if on_path:
        return Path(on_path).absolute()
    raise BinaryNotFoundError(
        f"no livekit-server: {own} is not there, and PATH has none. Install it again (`pip install --force-reinstall "
        "--no-deps lk-agents-server` or `uv sync --reinstall-package lk-agents-server`), put a livekit-server on "
        f"PATH, or set {BINARY_VARIABLE} to one"
    )


def _is_executable(file: Path) -> bool:
    return file.is_file() and os.access(file, os.X_OK)
