"""What the plugin offers, and what loading it costs."""

from __future__ import annotations

import subprocess
import sys

import pytest
from importlib_metadata import entry_points

import lk_agents_silero
from lk_agents import vad as vads
from lk_agents_silero import plugin


def loaded_by(code: str) -> list[str]:
    script = f"import sys\n{code}\nprint(*sorted(sys.modules))"
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()


def test_the_entry_point_names_the_plugin_module() -> None:
    (found,) = entry_points(group="lk_agents", name="silero")

    assert found.load() is plugin


def test_loading_the_plugin_loads_neither_numbers_nor_the_runtime_of_the_model() -> None:
    loaded = loaded_by(
        "import lk_agents_silero.plugin as p\np.lk_agents_register_plugin()\nlist(p.lk_agents_register_vad())\n"
        "list(p.lk_agents_preload_modules())"
    )

    assert {"numpy", "onnxruntime", "livekit", "lk_agents.vad", "lk_agents.streams"} & set(loaded) == set()
    assert [name for name in loaded if name.startswith("lk_agents_silero.")] == ["lk_agents_silero.plugin"]


def test_the_modules_named_for_preloading_can_be_imported_and_open_no_thread() -> None:
    code = (
        "import threading, importlib\nfrom lk_agents_silero import plugin\n"
        "[importlib.import_module(name) for name in plugin.lk_agents_preload_modules()]\n"
        "plugin.lk_agents_preload_weights()\n"
        "assert len(threading.enumerate()) == 1"
    )

    loaded = set(loaded_by(code))
    assert {"numpy", "lk_agents_silero.vad"} <= loaded
    assert "onnxruntime" not in loaded


def test_every_exported_name_can_be_had() -> None:
    assert [name for name in lk_agents_silero.__all__ if not hasattr(lk_agents_silero, name)] == []
    assert set(lk_agents_silero.__all__) <= set(dir(lk_agents_silero))


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="WAD"):
        lk_agents_silero.WAD  # noqa: B018


def test_the_plugin_introduces_itself() -> None:
    introduced = plugin.lk_agents_register_plugin()

    assert (introduced.title, introduced.package) == ("Silero VAD", "lk_agents_silero")
    assert introduced.version == lk_agents_silero.__version__
    assert introduced.missing_files() == ()
    assert introduced.logger is not None
    assert introduced.logger.name == "lk_agents_silero"


def test_the_detector_can_be_had_by_its_name() -> None:
    vad = vads.create("silero", min_silence_duration=0.3)

    assert isinstance(vad, lk_agents_silero.VAD)
    assert vad.min_silence_duration == 0.3
    assert vad.label == "lk_agents_silero.vad.VAD"
    assert vad.capabilities.update_interval == 0.032
