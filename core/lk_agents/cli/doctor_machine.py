"""What ``doctor`` looks at on this machine: versions, limits of the container, open files."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Final

from lk_agents.cli.findings import Check
from lk_agents.foundation.version import __version__

if TYPE_CHECKING:
    from lk_agents.cli.plugin_rows import PluginRow
    from lk_agents.worker.options import WorkerOptions

__all__ = ["machine_checks", "memory_check", "open_files_check", "plugin_checks"]

_MIB: Final = 1024 * 1024
_LEAST_MEMORY_MIB: Final = 256
"""Worker, zygote and one connected job with a small model; less is ended by the kernel sooner or later."""
_FEW_FILES: Final = 4096
"""A job takes some 20 descriptors in its worker; 200 jobs at a time must fit."""


def machine_checks(options: WorkerOptions | None) -> Iterator[Check]:
    """Look at interpreter, packages, processors, memory, open files and the place in the process tree."""
    yield Check.ok("python", f"{platform.python_version()} on {sys.platform} ({platform.machine()})")
    yield _packages()
    yield _processors()
    yield memory_check(_memory_limit_bytes(), options)
    if (limits := _open_file_limits()) is not None:
        yield open_files_check(*limits)
    if os.getpid() == 1:
        yield Check.advice(
            "process tree",
            "this process is number 1 of its container",
            "run under an init (docker run --init): else a killed worker takes its jobs with it",
        )


def _packages() -> Check:
    import importlib_metadata

    found = [f"lk-agents {__version__}"]
    for name in ("livekit", "livekit-api", "livekit-protocol"):
        try:
            found.append(f"{name} {importlib_metadata.version(name)}")
        except importlib_metadata.PackageNotFoundError:
            return Check.problem("packages", f"{name} is not installed", f"pip install {name}")
    return Check.ok("packages", ", ".join(found))


def _processors() -> Check:
    from lk_agents.utils.hw import get_cpu_monitor

    cores = get_cpu_monitor().cpu_count()
    detail = f"{cores:g} cores for this process"
    if cores < 1:
        return Check.advice("processors", detail, "give the container at least one core: connecting takes 0.3 s of it")
    return Check.ok("processors", detail)


def _memory_limit_bytes() -> int | None:
    from lk_agents.utils.hw import cgroup_memory

    group = cgroup_memory()
    return None if group is None else group.limit_bytes


def memory_check(limit_bytes: int | None, options: WorkerOptions | None) -> Check:
    """Judge the memory that the control group allows; None for no limit."""
    if limit_bytes is None:
        return Check.ok("memory", "no limit by a control group")
    limit = limit_bytes / _MIB
    detail = f"limited to {limit:.0f} MiB by the control group"
    if limit < _LEAST_MEMORY_MIB:
        return Check.problem("memory", detail, f"give the container {_LEAST_MEMORY_MIB} MiB or more")
    if options is not None and options.job_memory_limit_mb > limit:
        return Check.advice(
            "memory",
            f"{detail}, but job_memory_limit_mb is {options.job_memory_limit_mb:g}",
            "lower job_memory_limit_mb: the kernel would end the container before it counts",
        )
    return Check.ok("memory", detail)


def _open_file_limits() -> tuple[int, int] | None:
    try:
        import resource
    except ImportError:  # Windows
        return None
    return resource.getrlimit(resource.RLIMIT_NOFILE)


def open_files_check(soft: int, hard: int) -> Check:
    """Judge the limits of open files; a worker raises the soft one to the hard one by itself. -1 is no limit."""
    detail = f"{_files(soft)} open files, which a worker raises to {_files(hard)}"
    if 0 <= hard < _FEW_FILES:
        return Check.problem(
            "open files", detail, f"raise the hard limit (ulimit -Hn, LimitNOFILE=) to {_FEW_FILES} or more"
        )
    return Check.ok("open files", detail)


def _files(limit: int) -> str:
    return "unlimited" if limit < 0 or limit > 1 << 40 else str(limit)


def plugin_checks(rows: Iterable[PluginRow]) -> Iterator[Check]:
    """Look for plugins that could not be loaded and files that have not been downloaded."""
    for row in rows:
        name = f"plugin {row.name}"
        version = f"{row.distribution} {row.version}".strip()
        if row.error:
            remedy = f"install another version or remove it; LK_AGENTS_DISABLED_PLUGINS={row.name} leaves it out"
            yield Check.problem(name, f"{version}: {row.error}", remedy)
        elif row.missing_files:
            judge = Check.advice if row.in_use is False else Check.problem  # nobody waits for unused ones
            yield judge(name, f"missing files: {', '.join(row.missing_files)}", f"lk-agents download-files {row.name}")
        else:
            yield Check.ok(name, f"{version or 'loaded'}{', in use' if row.in_use else ''}")
