"""Models that run once for the whole worker, in a process of their own."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, Final
from weakref import WeakKeyDictionary

from lk_agents.foundation.errors import PluginError
from lk_agents.foundation.log import logger
from lk_agents.hooks.invoke import Result, collect
from lk_agents.hooks.records import InferenceRunnerRecord

if TYPE_CHECKING:
    from lk_agents.hooks.registry import PluginRegistry

__all__ = ["_InferenceRunner", "all_runners"]

_offered: Final[WeakKeyDictionary[PluginRegistry, tuple[frozenset[str], Sequence[Result[object]]]]] = (
    WeakKeyDictionary()
)
"""What plugins offered, by registry and plugins in use: a zygote and the pool around it ask for one worker."""


class _InferenceRunner(ABC):
    """A model in the worker's inference process; its constructor takes no arguments.

    Jobs reach it by ``ctx.inference_executor.do_inference(INFERENCE_METHOD, data)``. ``initialize`` is called once,
    ``run`` for one question at a time, both in the inference process.
    """

    INFERENCE_METHOD: ClassVar[str]
    """The name under which jobs call it."""

    registered_runners: ClassVar[dict[str, type[_InferenceRunner]]] = {}
    """Every class that was registered in this process, by its method."""

    @classmethod
    def register_runner(cls, runner_class: type[_InferenceRunner]) -> None:
        """Register a runner for every worker of this process; plugins offer theirs by a hook instead.

        :raises RuntimeError: not on the main thread.
        :raises ValueError: the method is taken.
        """
        if threading.current_thread() is not threading.main_thread():
            raise RuntimeError("inference runners must be registered on the main thread")
        method = runner_class.INFERENCE_METHOD
        if method in cls.registered_runners:
            raise ValueError(f"inference method {method!r} is already registered, by {cls.registered_runners[method]}")
        cls.registered_runners[method] = runner_class

    @abstractmethod
    def initialize(self) -> None:
        """Load the model; an error stops the start of the worker."""

    @abstractmethod
    def run(self, data: bytes) -> bytes | None:
        """Answer one question; an error is passed to the job that asked."""


def all_runners(registry: PluginRegistry) -> Sequence[InferenceRunnerRecord]:
    """Return the runners of plugins in use and those registered by class.

    :raises PluginError: two of them have the same method; the text names both.
    """
    found: dict[str, tuple[str, InferenceRunnerRecord]] = {
        method: (f"the class {runner.__qualname__}", InferenceRunnerRecord(method, runner))
        for method, runner in _InferenceRunner.registered_runners.items()
    }
    for result in _offers(registry):
        record, offered_by = result.value, f"the plugin {result.plugin!r}"
        if not isinstance(record, InferenceRunnerRecord):
            logger.error(
                "a plugin offers something that is no InferenceRunnerRecord and is left out",
                extra={"plugin": result.plugin, "value": repr(record)},
            )
            continue
        if record.method in found:
            raise PluginError(
                f"the inference method {record.method!r} is offered twice, by {found[record.method][0]} and by "
                f"{offered_by}; disable one with LK_AGENTS_DISABLED_PLUGINS"
            )
        found[record.method] = (offered_by, record)
    return tuple(record for _, record in found.values())


def _offers(registry: PluginRegistry) -> Sequence[Result[object]]:
    """Ask the plugins, once for each decision which of them are in use."""
    in_use, found = _offered.get(registry, (None, ()))
    if in_use != registry.in_use:
        found = collect(registry, "lk_agents_register_inference_runners")
        _offered[registry] = (registry.in_use, found)
    return found
