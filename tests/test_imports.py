"""What importing may load: nothing heavy, and nothing that is not used."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

import lk_agents

CORE = Path(lk_agents.__file__).parent

LIGHT_THIRD_PARTY = {"pluggy", "importlib_metadata", "lazy_importer", "zipp"}
"""What a process that loads plugins may import besides the standard library and lk_agents."""

LIGHT_IN_AN_AGENT = {"google", "livekit", "msgspec", "pluggy", "typing_extensions", "__mp_main__"}
"""What an agent's file may load by its imports from lk_agents; of google and livekit see the test."""


def _loaded_by(code: str) -> set[str]:
    script = (
        f"import json, sys\nbefore = set(sys.modules)\n{code}\nprint(json.dumps(sorted(set(sys.modules) - before)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    return set(json.loads(done.stdout.splitlines()[-1]))


def _tops(modules: set[str]) -> set[str]:
    return {name.partition(".")[0] for name in modules} - set(sys.stdlib_module_names)


def test_importing_the_package_loads_only_itself() -> None:
    loaded = {name for name in _loaded_by("import lk_agents") if not name.startswith("encodings")}

    assert {name for name in loaded if name.partition(".")[0] not in sys.stdlib_module_names} == {"lk_agents"}


def test_the_mark_and_the_records_need_the_hook_engine_only() -> None:
    loaded = _loaded_by("from lk_agents import hookimpl\nfrom lk_agents.hooks import Load, Reject")

    assert _tops(loaded) == {"lk_agents", "pluggy"}
    assert not any(name.startswith(("lk_agents.worker", "lk_agents.job", "lk_agents.ipc")) for name in loaded)


def test_loading_the_plugins_imports_nothing_heavy() -> None:
    code = "from lk_agents.hooks.registry import PluginRegistry\nr = PluginRegistry.load()\nr.register_plugins()"

    loaded = _loaded_by(code)

    plugins = {name for name in _tops(loaded) if name.startswith("lk_agents_")}
    assert _tops(loaded) - plugins - LIGHT_THIRD_PARTY == {"lk_agents"}
    for plugin in plugins:  # its package, its entry module, its version: nothing that does the work
        assert {name for name in loaded if name.startswith(f"{plugin}.")} <= {f"{plugin}.plugin", f"{plugin}.version"}


def test_an_agents_imports_load_a_listed_set_without_media_vendor_or_voice() -> None:
    loaded = _loaded_by("from lk_agents import JobContext, JobProcess, JobRequest, Worker, WorkerOptions, cli")

    assert _tops(loaded) - LIGHT_IN_AN_AGENT == {"lk_agents"}
    allowed = ("google.protobuf", "google._upb", "livekit.protocol")
    assert {
        name for name in loaded if name.startswith(("google.", "livekit.")) and not name.startswith(allowed)
    } == set()
    voice = ("voice", "pipeline", "multimodal", "transcription", "media", "stt", "tts", "llm", "vad", "realtime")
    assert {name for name in loaded if name.startswith(tuple(f"lk_agents.{part}" for part in voice))} == set()
    assert {name for name in loaded if name.startswith("lk_agents.testing")} == set()


PACKAGES = ("llm", "media", "metrics", "realtime", "streams", "stt", "tokenize", "transcription", "tts", "turns", "vad")


@pytest.mark.parametrize("package", PACKAGES)
def test_an_interface_alone_loads_nothing_but_the_core(package: str) -> None:
    loaded = _loaded_by(f"import lk_agents.{package}")

    assert _tops(loaded) == {"lk_agents"}
    assert len(loaded) < 200


@pytest.mark.parametrize("name", lk_agents.__all__)
def test_every_public_name_can_be_had(name: str) -> None:
    assert getattr(lk_agents, name) is not None
    assert name in dir(lk_agents)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Wroker'"):
        _ = lk_agents.Wroker


def test_what_type_checkers_see_is_what_is_there() -> None:
    tree = ast.parse((CORE / "__init__.py").read_text(encoding="utf-8"))
    (block,) = [node for node in tree.body if isinstance(node, ast.If)]
    typed = {name.name: node.module for node in block.body if isinstance(node, ast.ImportFrom) for name in node.names}

    assert set(typed) == set(lk_agents.__all__)
    for name, module in typed.items():
        if module != "lk_agents":
            assert getattr(lk_agents, name) is getattr(__import__(str(module), fromlist=[name]), name)


def test_the_root_of_the_package_is_imported_by_no_module_of_the_core() -> None:
    offenders = []
    for path in CORE.rglob("*.py"):
        if path == CORE / "__init__.py":
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module == "lk_agents":
                public = set(lk_agents.__all__) - {"cli", "hooks", "ipc", "utils"}
                offenders += [f"{path}:{node.lineno}" for name in node.names if name.name in public]
    assert offenders == []


def test_only_two_modules_know_the_hook_engine() -> None:
    knowing = set()
    for path in CORE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [name.name for name in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            if any(name.partition(".")[0] == "pluggy" for name in names):
                knowing.add(path.relative_to(CORE).as_posix())
    assert knowing == {"hooks/markers.py", "hooks/registry.py"}
