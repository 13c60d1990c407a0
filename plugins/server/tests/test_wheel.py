"""The distributions: what the wheel and the source archive hold, and that nothing is compiled twice."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from _build_go import WHEEL_PLATFORMS, find_toolchains, host_target, required_go, sufficient_toolchain

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1800)]  # minutes, if Go's own caches are empty

PLUGIN = Path(__file__).parent.parent
BUILD_VARIABLES = ("LK_SERVER_BINARY", "LK_SERVER_BUILD", "LK_SERVER_GO", "LK_SERVER_TARGET")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A copy of the package's source without what earlier builds made."""
    folder = tmp_path / "source"
    shutil.copytree(PLUGIN, folder, ignore=shutil.ignore_patterns("bin", "__pycache__", "dist"))
    return folder


def build(source: Path, kind: str, **environ: str) -> Path:
    """Build one distribution with what is installed here, and return its file."""
    output = source.parent / "dist"
    shutil.rmtree(output, ignore_errors=True)
    environment = {name: value for name, value in os.environ.items() if name not in BUILD_VARIABLES}
    subprocess.run(
        [
            sys.executable,
            "-m",
            "build",
            f"--{kind}",
            "--no-isolation",
            "--skip-dependency-check",
            "--outdir",
            str(output),
            str(source),
        ],
        env={**environment, "CI": "1", **environ},  # CI: write nothing to the terminal
        capture_output=True,
        check=True,
        text=True,
    )
    (file,) = output.iterdir()
    return file


def require_go() -> None:
    needed = required_go((PLUGIN / "go/go.mod").read_text(encoding="utf-8"))
    if not sufficient_toolchain(find_toolchains(), needed):
        pytest.skip(f"no Go {needed} or newer here to build with")


def test_the_wheel_holds_a_server_its_licences_and_the_right_tag(source: Path, tmp_path: Path) -> None:
    require_go()
    import platform
    import sysconfig

    target = host_target(sys.platform, sysconfig.get_platform(), platform.machine())
    wheel = build(source, "wheel")

    assert wheel.name.endswith(f"-py3-none-{WHEEL_PLATFORMS[target]}.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        program = archive.getinfo(f"lk_agents_server/bin/{target.executable}")
        licences = archive.read("lk_agents_server/bin/THIRD_PARTY_LICENSES.txt").decode()
        (tags,) = [archive.read(name).decode() for name in names if name.endswith(".dist-info/WHEEL")]
        archive.extractall(tmp_path / "unpacked")
    assert program.external_attr >> 16 & 0o111  # may be executed
    assert "Root-Is-Purelib: false" in tags
    assert not [name for name in names if "stamp" in name or name.startswith(("tests/", "go/", "_build"))]
    assert {Path(name).name for name in names if "/licenses/" in name} == {"LICENSE", "NOTICE"}
    assert "github.com/livekit/livekit-server v1.13.5" in licences
    assert "the Go standard library and runtime" in licences
    assert "Mozilla Public License" in licences
    packed = tmp_path / "unpacked/lk_agents_server/bin" / target.executable
    packed.chmod(0o755)
    told = subprocess.run([packed, "--version"], capture_output=True, text=True, check=True).stdout
    assert "1.13.5" in told

    made = source / "lk_agents_server/bin" / target.executable
    before = made.stat()
    build(source, "wheel")
    after = made.stat()
    assert (before.st_mtime_ns, before.st_ino) == (after.st_mtime_ns, after.st_ino)  # not compiled again


def test_the_source_archive_holds_what_a_build_needs_and_no_program(source: Path) -> None:
    program = source / "lk_agents_server/bin/livekit-server"
    program.parent.mkdir()
    program.write_bytes(b"not for everybody")

    with tarfile.open(build(source, "sdist")) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}

    assert {"go/go.mod", "go/go.sum", "go/GO_LICENSE", "hatch_build.py", "_build_go.py", "_build_backend.py"} <= names
    assert {"LICENSE", "NOTICE", "README.md", "lk_agents_server/server.py"} <= names
    assert not [name for name in names if "/bin/" in name]


def test_a_wheel_without_a_server_is_for_every_system(source: Path) -> None:
    wheel = build(source, "wheel", LK_SERVER_BUILD="skip")

    assert wheel.name.endswith("-py3-none-any.whl")
    with zipfile.ZipFile(wheel) as archive:
        assert not [name for name in archive.namelist() if "/bin/" in name]


def test_a_given_program_is_packed_for_this_kind_of_machine_only(source: Path, tmp_path: Path) -> None:
    given = tmp_path / "my-server"
    given.write_bytes(b"#!/bin/sh\n")

    wheel = build(source, "wheel", LK_SERVER_BINARY=str(given))

    assert "manylinux" not in wheel.name
    assert "-py3-none-any" not in wheel.name
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [name for name in archive.namelist() if "/bin/livekit-server" in name]
        assert archive.read(name) == b"#!/bin/sh\n"


def test_a_given_program_that_is_not_there_stops_the_build_with_the_remedy(source: Path, tmp_path: Path) -> None:
    with pytest.raises(subprocess.CalledProcessError) as caught:
        build(source, "wheel", LK_SERVER_BINARY=str(tmp_path / "none"))

    assert "is not a file; give the path of a livekit-server" in caught.value.stdout + caught.value.stderr


def test_without_go_the_build_says_how_to_get_on(source: Path, tmp_path: Path) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()

    with pytest.raises(subprocess.CalledProcessError) as caught:
        build(source, "wheel", LK_SERVER_GO=str(tools / "go"), PATH=str(tools))

    told = caught.value.stdout + caught.value.stderr
    assert "building livekit-server needs Go" in told
    assert "LK_SERVER_BUILD=skip" in told


def test_without_go_a_server_on_path_will_do(source: Path, tmp_path: Path) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    program = tools / ("livekit-server.exe" if os.name == "nt" else "livekit-server")
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)

    wheel = build(source, "wheel", LK_SERVER_GO=str(tools / "go"), PATH=str(tools))

    assert wheel.name.endswith("-py3-none-any.whl")
