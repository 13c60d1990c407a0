"""What runs in the children: the user's functions and the plugins in use.

A zygote that was forked from the worker's main process has all of this in its memory. Everything that is executed
anew (a zygote after the first one, spawned processes) gets it once, at its start, as one pickle: functions by name,
never by content. That pickle goes from the worker to a process of the same user through a private descriptor.
"""

from __future__ import annotations

import functools
import io
import multiprocessing.spawn
import pickle
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.reduction import ForkingPickler
from typing import TYPE_CHECKING, Any

from lk_agents.foundation.errors import ConfigError

if TYPE_CHECKING:
    from lk_agents.hooks.records import InferenceRunnerRecord
    from lk_agents.hooks.registry import PluginRegistry

__all__ = ["Program", "preparation", "prepare_main"]

_PREPARATION_KEYS = frozenset({"sys_path", "sys_argv", "orig_dir", "dir", "init_main_from_name", "init_main_from_path"})


@dataclass(frozen=True, kw_only=True)
class Program:
    """What the children of one worker run.

    :param registry: the plugins, with the decision which of them are in use.
    :param preload: False keeps a zygote from importing what plugins name.
    :param user_arguments: for ``JobProcess.user_arguments``; picklable.
    :param runners: what the inference process offers.
    :param modules: what plugins name for preloading, where a zygote has asked them; None if nobody has.
    """

    entrypoint: Callable[..., Any]
    prewarm: Callable[..., Any] | None
    registry: PluginRegistry
    preload: bool = True
    user_arguments: Any = None
    runners: Sequence[InferenceRunnerRecord] = ()
    modules: Sequence[str] | None = None

    @functools.cached_property
    def has_plugins(self) -> bool:
        """Whether any plugin is in use: where none is, no child looks for hooks."""
        return bool(self.registry.in_use)

    def pickled(self) -> bytes:
        """Return the program for :meth:`unpickled` in a process that is executed anew.

        :raises ConfigError: naming what cannot be found by name or pickled.
        """
        parts = {
            "entrypoint_fnc": self.entrypoint,
            "prewarm_fnc": self.prewarm,
            "job_user_arguments": self.user_arguments,
            "inference runners": tuple(self.runners),
            "plugins": self.registry.handoff(),
            "preload": self.preload,
        }
        for name, part in parts.items():
            try:
                _dumps(part)
            except (pickle.PicklingError, AttributeError, TypeError) as error:
                what = f"{name} ({part!r})" if callable(part) else name  # data may hold what is nobody's business
                raise ConfigError(
                    f"{what} cannot be handed to another process: {error}. "
                    f"Define functions at the top level of a module, and pass plain data."
                ) from error
        return _dumps(parts)

    @classmethod
    def unpickled(cls, data: bytes) -> Program:
        """Load the program of a worker; the user's module has been prepared before (:func:`prepare_main`).

        The plugins introduce themselves to this process and become its own, so call it on the main thread.
        """
        from lk_agents.hooks.current import set_registry
        from lk_agents.hooks.registry import PluginRegistry

        parts = pickle.loads(data)  # noqa: S301  written by our own worker
        registry = PluginRegistry.from_handoff(parts["plugins"])
        set_registry(registry)
        registry.register_plugins()
        return cls(
            entrypoint=parts["entrypoint_fnc"],
            prewarm=parts["prewarm_fnc"],
            registry=registry,
            preload=parts["preload"],
            user_arguments=parts["job_user_arguments"],
            runners=parts["inference runners"],
        )


def _dumps(value: Any) -> bytes:
    buffer = io.BytesIO()
    ForkingPickler(buffer, pickle.HIGHEST_PROTOCOL).dump(value)
    return buffer.getvalue()


def preparation() -> bytes:
    """Return what :func:`prepare_main` needs in another process: paths, arguments, and which module is main."""
    data = multiprocessing.spawn.get_preparation_data("lk-agents")
    return pickle.dumps({key: value for key, value in data.items() if key in _PREPARATION_KEYS})


def prepare_main(data: bytes) -> None:
    """Make this process look like the worker's: search path, arguments, folder, and the user's module.

    The user's file runs under the name ``__mp_main__``, so what stands behind its ``__main__`` guard does not run,
    and is then known as ``__main__`` too, so functions can be found where the worker found them.
    """
    multiprocessing.spawn.prepare(pickle.loads(data))  # noqa: S301  written by our own worker
