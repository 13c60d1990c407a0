"""Memory of a process by PSS: its own pages, and its share of those it has in common with others.

RSS would count what a forked process shares with its zygote once per process. PSS is Linux's (``smaps_rollup``);
elsewhere there is none.
"""

from __future__ import annotations

__all__ = ["own_pss_kb", "private_kb", "pss_kb"]


def pss_kb(pid: int | str) -> int:
    """Return the process's PSS in KiB, -1 where it cannot be had. Reads ``/proc``: 1 ms and more, so off the loop."""
    return _rollup(pid, (b"Pss:",))


def private_kb(pid: int | str) -> int:
    """Return the memory in KiB that would be free if the process ended (USS), -1 where it cannot be had."""
    return _rollup(pid, (b"Private_Clean:", b"Private_Dirty:"))


def own_pss_kb() -> int:
    """Return the PSS of this process in KiB, -1 where it cannot be had."""
    return pss_kb("self")


def _rollup(pid: int | str, keys: tuple[bytes, ...]) -> int:
    found = -1
    try:
        with open(f"/proc/{pid}/smaps_rollup", "rb") as file:  # noqa: PTH123  called from the pulse: keep it small
            for line in file:
                if line.startswith(keys):
                    found = max(found, 0) + int(line.split()[1])
    except OSError:  # gone, not ours, or not Linux
        return -1
    return found
