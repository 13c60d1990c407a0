"""Which changes of files count in ``dev``."""

from __future__ import annotations

from pathlib import Path

from watchfiles import Change, PythonFilter

__all__ = ["SourceFilter"]


class SourceFilter(PythonFilter):
    """Lets Python sources pass, and one env file."""

    def __init__(self, env_file: Path | None = None) -> None:
        super().__init__()
        self._env_file = None if env_file is None else str(env_file.resolve())

    def __call__(self, change: Change, path: str) -> bool:
        """Whether the change of ``path`` counts."""
        return path == self._env_file or super().__call__(change, path)
