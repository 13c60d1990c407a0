"""Loads one plugin in a process of its own and tells, as JSON, what that did: ``python -m … DISTRIBUTION``."""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

KINDS = {
    "stt": ("lk_agents.stt", "STT"),
    "tts": ("lk_agents.tts", "TTS"),
    "llm": ("lk_agents.llm", "LLM"),
    "vad": ("lk_agents.vad", "VAD"),
    "realtime": ("lk_agents.realtime", "RealtimeModel"),
    "tokenizer": ("lk_agents.tokenize", "SentenceTokenizer"),
}


def main(distribution: str) -> None:
    """Print what there is to tell of the plugin of a distribution."""
    from lk_agents.foundation.settings import Settings
    from lk_agents.hooks import discovery
    from lk_agents.hooks.registry import PluginRegistry

    logging.getLogger("lk_agents").addHandler(logging.NullHandler())
    ours = [
        point
        for point in discovery.installed_entry_points()
        if discovery.normalised(getattr(point.dist, "name", "")) == discovery.normalised(distribution)
    ]
    facts: dict[str, Any] = {"entry_points": [[point.name, point.value] for point in ours]}
    if ours:
        before = set(sys.modules)
        with _watched(facts):
            facts["error_in_thread"] = _in_thread(ours[0].load)
            registry = PluginRegistry.load(Settings(), entry_points=ours[:1])
        facts["imported_by_loading"] = _foreign(set(sys.modules) - before, ours[0].module)
        info = registry.plugins()[0]
        facts.update(error=info.error or "", hooks=list(info.hooks), typed=_is_typed(info.package))
        if not info.error:
            _tell_offers(registry, facts)
            facts["imported_by_offering"] = _foreign(set(sys.modules) - before, ours[0].module)
            _tell_providers(registry, facts)
    print(json.dumps(facts))


def _in_thread(load: Any) -> str:
    """Return the error of loading in another thread than the main one."""
    errors: list[BaseException] = []

    def run() -> None:
        try:
            load()
        except BaseException as error:  # noqa: BLE001  whatever it is, it is told
            errors.append(error)

    thread = threading.Thread(target=run, name="loads the plugin")
    thread.start()
    thread.join()
    return repr(errors[0]) if errors else ""


@contextmanager
def _watched(facts: dict[str, Any]) -> Iterator[None]:
    """Note what has changed in the process when the block ends."""
    before = _state()
    yield
    facts["effects"] = [name for name, value in _state().items() if value != before[name]]


def _state() -> dict[str, Any]:
    signals = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    return {
        "it started a thread": sorted(thread.name for thread in threading.enumerate()),
        "it set up logging": [list(logging.root.handlers), logging.root.level],
        "it changed the environment": dict(os.environ),  # noqa: TID251  what loading changes is looked at
        "it changed how signals are handled": signals,
        "it changed the working folder": str(Path.cwd()),
        "it changed sys.path": list(sys.path),
    }


def _foreign(modules: Iterable[str], own: str) -> list[str]:
    """Return the packages among modules that are neither Python's, nor the core's, nor the plugin's own."""
    known = sys.stdlib_module_names | {"lk_agents", own.partition(".")[0]}
    return sorted({name.partition(".")[0] for name in modules} - known)


def _is_typed(package: str) -> bool:
    module = sys.modules.get(package.partition(".")[0])
    return any((Path(folder) / "py.typed").is_file() for folder in getattr(module, "__path__", ()))


def _tell_offers(registry: Any, facts: dict[str, Any]) -> None:
    from lk_agents.hooks.lookup import offers
    from lk_agents.hooks.provider_records import PROVIDER_KINDS

    heard: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: heard.append(record.getMessage())  # type: ignore[method-assign]
    logging.getLogger("lk_agents").addHandler(handler)
    records = registry.register_plugins()
    facts["record"] = (
        {"title": records[0].title, "version": records[0].version, "package": records[0].package} if records else None
    )
    facts["offers"] = [
        {"kind": kind.kind, "name": offer.provider.name, "help": offer.provider.help}
        for kind in PROVIDER_KINDS
        for offer in offers(kind, registry)
    ]
    facts["complaints"] = heard


def _tell_providers(registry: Any, facts: dict[str, Any]) -> None:
    from lk_agents.foundation.errors import ConfigError, PluginError
    from lk_agents.hooks.lookup import create_by_name, offers
    from lk_agents.hooks.provider_records import PROVIDER_KINDS

    for name in set(os.environ) - {"HOME", "LANG", "PATH", "PYTHONPATH", "TMPDIR"}:  # noqa: TID251  no credentials
        del os.environ[name]  # noqa: TID251
    facts["built"] = {}
    names = [(each["kind"], each["name"]) for each in facts["offers"]]
    for kind in PROVIDER_KINDS:
        for offer in offers(kind, registry):
            try:
                built = create_by_name(kind, offer.provider.name, registry=registry, options={})
            except ConfigError:
                told = ""  # it says what lacks
            except PluginError as error:
                told = "" if names.count((kind.kind, offer.provider.name)) > 1 else str(error)
            except Exception as error:  # noqa: BLE001  whatever it is, it is told
                told = f"building it without options and environment raised {error!r}, which says no remedy"
            else:
                told = _kind_problem(kind.kind, built)
            facts["built"][f"{kind.kind}/{offer.provider.name}"] = told


def _kind_problem(kind: str, built: object) -> str:
    if kind not in KINDS:
        return ""
    module, name = KINDS[kind]
    wanted = getattr(__import__(module, fromlist=[name]), name)
    if isinstance(built, wanted):
        return ""
    return f"it was built as {type(built).__name__}, which is no {module}.{name}"


if __name__ == "__main__":
    main(sys.argv[1])
