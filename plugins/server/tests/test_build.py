"""The parts of the build hook that can be judged without a build."""

from __future__ import annotations

from pathlib import Path

import pytest

from _build_go import (
    WHEEL_PLATFORMS,
    BuildError,
    Module,
    Target,
    Toolchain,
    host_target,
    licence_document,
    licence_files,
    parse_target,
    parse_version,
    remedy_for,
    required_go,
    server_version,
    sufficient_toolchain,
)

GO_MOD = (Path(__file__).parent.parent / "go/go.mod").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("system", "python", "machine", "expected"),
    [
        ("linux", "linux-x86_64", "x86_64", Target("linux", "amd64")),
        ("linux", "linux-aarch64", "aarch64", Target("linux", "arm64")),
        ("linux", "linux-riscv64", "riscv64", Target("linux", "riscv64")),
        ("darwin", "macosx-11.0-arm64", "arm64", Target("darwin", "arm64")),
        ("darwin", "macosx-10.9-universal2", "arm64", Target("darwin", "arm64")),
        ("darwin", "macosx-10.9-universal2", "x86_64", Target("darwin", "amd64")),
        ("darwin", "macosx-10.9-x86_64", "arm64", Target("darwin", "amd64")),  # Python under Rosetta
        ("win32", "win-amd64", "AMD64", Target("windows", "amd64")),
        ("win32", "win-arm64", "ARM64", Target("windows", "arm64")),
    ],
)
def test_the_target_is_what_this_python_runs_on(system: str, python: str, machine: str, expected: Target) -> None:
    assert host_target(system, python, machine) == expected


def test_only_windows_programs_have_a_suffix_and_only_macos_needs_a_c_compiler() -> None:
    targets = [Target(*pair) for pair in WHEEL_PLATFORMS]

    assert {target.goos for target in targets if target.executable.endswith(".exe")} == {"windows"}
    assert {target.goos for target in targets if target.needs_cgo} == {"darwin"}


def test_a_named_target_must_be_one_that_has_a_wheel_tag() -> None:
    assert parse_target("linux/arm64") == Target("linux", "arm64")
    for wrong in ("linux", "linux/mips", "plan9/amd64"):
        with pytest.raises(BuildError, match="LK_SERVER_TARGET"):
            parse_target(wrong)


@pytest.mark.parametrize(
    ("text", "version"),
    [("go1.26.8\n", (1, 26, 8)), ("go1.27", (1, 27)), ("go1.28rc1 X:foo", (1, 28)), ("devel +abc", None), ("", None)],
)
def test_go_tells_its_version(text: str, version: tuple[int, ...] | None) -> None:
    assert parse_version(text) == version


def test_what_is_needed_stands_in_go_mod() -> None:
    assert required_go(GO_MOD) >= (1, 26)
    assert server_version(GO_MOD) == "v1.13.5"
    with pytest.raises(BuildError):
        required_go("module x\n")
    with pytest.raises(BuildError):
        server_version("module x\n")


def test_the_first_toolchain_that_is_new_enough_is_taken() -> None:
    old, broken, new = Toolchain("old", version=(1, 25, 9)), Toolchain("broken"), Toolchain("new", version=(1, 26))

    assert sufficient_toolchain([old, broken, new], (1, 26)) is new
    assert sufficient_toolchain([old, broken], (1, 26)) is None


@pytest.mark.parametrize(
    ("output", "words"),
    [
        ("dial tcp: lookup proxy.example: no such host", "GOPROXY"),
        ("x509: certificate signed by unknown authority", "GOPROXY"),
        ("write /root/.cache: No space left on device", "disk is full"),
        ("verifying module: checksum mismatch", "do not use it"),
    ],
)
def test_a_failed_build_says_what_to_do(output: str, words: str) -> None:
    assert words in remedy_for(output, goproxy="https://proxy.example")


def test_a_compile_error_has_no_made_up_remedy() -> None:
    assert remedy_for("./main.go:3:1: syntax error", goproxy="") == ""


def test_licence_files_are_found_by_name(tmp_path: Path) -> None:
    for name in ("LICENSE", "license.md", "LICENCE.txt", "COPYING", "NOTICE", "PATENTS", "README.md", "main.go"):
        (tmp_path / name).write_text("x")

    found = {file.name for file in licence_files(tmp_path)}

    assert found == {"LICENSE", "license.md", "LICENCE.txt", "COPYING", "NOTICE", "PATENTS"}


def test_a_licence_that_modules_share_is_printed_once_under_their_names() -> None:
    modules = [Module("example.org/a", "v1.0.0", ""), Module("example.org/b", "v2.0.0", "")]
    text = licence_document(modules, {"Do as you like.": ["example.org/a v1.0.0", "example.org/b v2.0.0"]})

    assert text.count("Do as you like.") == 1
    assert "example.org/a v1.0.0\nexample.org/b v2.0.0\n-" in text
    assert "the Go module proxy serves" in text
