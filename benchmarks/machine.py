"""On what was measured."""

from __future__ import annotations

import os
import platform
import subprocess
from pathlib import Path

from lk_agents_server.binary import find_binary

__all__ = ["machine", "server_version"]

GIB = 1 << 30


def machine() -> str:
    """Return processor, cores, memory and kernel in one line."""
    cores = len(os.sched_getaffinity(0))
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / GIB
    return f"{_processor()}, {cores} cores, {memory:.0f} GiB, {platform.system()} {platform.release()}"


def server_version() -> str:
    """Return what the server says of itself."""
    told = subprocess.run([str(find_binary()), "--version"], check=True, capture_output=True, text=True)
    return told.stdout.strip()


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return " ".join(value.split())
    return platform.machine()
