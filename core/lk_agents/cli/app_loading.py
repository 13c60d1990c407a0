"""From a file's name to its ``WorkerOptions``: the file runs as ``__main__``, as if Python had been given it.

``python my_agent.py start`` and ``lk-agents start my_agent.py`` are one: the second puts itself aside (arguments,
import path, ``__main__``) before the file runs. Job processes find the entrypoint through ``__main__``, so the
module stays in place afterwards; that is what ``runpy.run_path`` would undo.
"""

from __future__ import annotations

import io
import sys
import types
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from lk_agents.foundation.errors import ConfigError

if TYPE_CHECKING:
    from lk_agents.worker.options import WorkerOptions

__all__ = [
    "Target",
    "chosen_options",
    "load_target",
    "loaded_under_another_name",
    "main_file",
    "run_as_main",
    "take_over",
]


@dataclass(frozen=True)
class Target:
    """A file, and which of its ``WorkerOptions`` to take.

    :param name: None for the one that the file hands to ``run_app``, else the only one it has.
    """

    path: Path
    name: str | None = None

    @classmethod
    def parse(cls, text: str) -> Target:
        """Read ``FILE`` or ``FILE:NAME``; a colon that is part of an existing file's name is left alone.

        :raises ConfigError: if there is no such file.
        """
        path, name = Path(text), None
        if not path.exists():
            file, colon, rest = text.rpartition(":")
            if colon and rest.isidentifier():
                path, name = Path(file), rest
        if path.is_dir():
            raise ConfigError(f"{str(path)!r} is a folder; name the file that holds your WorkerOptions")
        if not path.is_file():
            raise ConfigError(f"there is no file {str(path)!r}; give FILE or FILE:NAME, as in my_agent.py:options")
        return cls(path, name)


_asked_name: ContextVar[str | None] = ContextVar("lk_agents_asked_name", default=None)
"""The NAME of ``FILE:NAME`` while that file runs."""

_SECOND_NAME: Final = "__mp_main__"
"""The name that multiprocessing, and the zygote with it, gives to the main file of another process."""

_taken_over = False  # owned by load_target; there is one ``__main__``


def main_file() -> Path | None:
    """Return the file that runs as ``__main__``, None in an interactive session."""
    name = getattr(sys.modules.get("__main__"), "__file__", None)
    return Path(name).resolve() if name else None


@contextmanager
def _asking_for(name: str | None) -> Iterator[None]:
    token = _asked_name.set(name)
    try:
        yield
    finally:
        _asked_name.reset(token)


def run_as_main(path: Path, arguments: Sequence[str]) -> types.ModuleType:
    """Run ``path`` as ``__main__`` with ``sys.argv = [path, *arguments]`` and its folder first on the import path.

    :raises BaseException: whatever the file raises, ``SystemExit`` included.
    """
    sys.argv = [str(path), *arguments]
    sys.path.insert(0, str(path.resolve().parent))
    module = types.ModuleType("__main__")
    module.__file__ = str(path)
    vars(module)["__builtins__"] = sys.modules["builtins"]  # as the interpreter does
    sys.modules["__main__"] = module
    with io.open_code(str(path)) as source:
        code = compile(source.read(), str(path), "exec", dont_inherit=True)
    exec(code, vars(module))  # noqa: S102  running the user's file is the purpose
    return module


def load_target(target: Target, arguments: Sequence[str]) -> WorkerOptions:
    """Run the file; usually it calls ``run_app`` and never comes back. If it does, find its options.

    :raises ConfigError: if it has none, or several and none was named, or ended the program by itself.
    """
    global _taken_over
    _taken_over = False
    with _asking_for(target.name):
        try:
            module = run_as_main(target.path, arguments)
        except SystemExit as end:
            if _taken_over:
                raise
            raise ConfigError(
                f"{target.path} ended the program (sys.exit({end.code!r}), line {_line_in(target.path, end)}) before "
                f"it came to run_app or to its end; leave that out when it is loaded as a worker"
            ) from end
    if target.name is not None:
        return _named(module, target.name)
    return _only_one(module)


def take_over() -> None:
    """Note that the file that is being loaded has called ``run_app``: how the program ends is ours from now on."""
    global _taken_over
    _taken_over = True


def loaded_under_another_name() -> bool:
    """Whether the user's file is just being loaded a second time, for a process that runs jobs.

    That is how Python itself starts processes where it cannot fork: what is called from the file's top level is called
    again, unless it stands behind a ``__main__`` guard.
    """
    frame: types.FrameType | None = sys._getframe()  # noqa: SLF001  the one way to see who calls
    while frame is not None:
        if frame.f_code.co_name == "<module>" and frame.f_globals.get("__name__") == _SECOND_NAME:
            return True
        frame = frame.f_back
    return False


def _line_in(path: Path, error: BaseException) -> int:
    trace, line = error.__traceback__, 0
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == str(path):
            line = trace.tb_lineno
        trace = trace.tb_next
    return line


def chosen_options(given: WorkerOptions) -> WorkerOptions:
    """Return what ``run_app`` shall run: the options it was given, unless the command line names others.

    :raises ConfigError: if the named ones do not exist where ``run_app`` is called.
    """
    name = _asked_name.get()
    return given if name is None else _named(sys.modules["__main__"], name)


def _all_options(module: types.ModuleType) -> dict[str, WorkerOptions]:
    from lk_agents.worker.options import WorkerOptions

    return {name: value for name, value in vars(module).items() if isinstance(value, WorkerOptions)}


def _named(module: types.ModuleType, name: str) -> WorkerOptions:
    found = _all_options(module)
    if name not in found:
        there = f"it has {', '.join(sorted(found))}" if found else "it has none"
        raise ConfigError(f"{module.__file__} has no WorkerOptions named {name!r} at module level; {there}")
    return found[name]


def _only_one(module: types.ModuleType) -> WorkerOptions:
    found = _all_options(module)
    distinct = {id(value): value for value in found.values()}
    if len(distinct) == 1:
        return next(iter(distinct.values()))
    if not found:
        raise ConfigError(
            f"{module.__file__} neither calls lk_agents.cli.run_app(...) nor has a WorkerOptions at module level; "
            "add one of the two"
        )
    names = ", ".join(sorted(found))
    raise ConfigError(f"{module.__file__} has several WorkerOptions ({names}); choose one with FILE:NAME")
