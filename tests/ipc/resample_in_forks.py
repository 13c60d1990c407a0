"""Preload as a zygote does, then have forked processes use the media library; prints what was seen, as JSON."""

from __future__ import annotations

import array
import json
import os
import sys
from pathlib import Path

from lk_agents.hooks.registry import PluginRegistry
from lk_agents.ipc.preload import open_things, preload, require_unused_media_sdk
from lk_agents.ipc.program import Program

LIBRARY = "liblivekit_ffi"
SECONDS = 0.1
RATE_HZ, TARGET_HZ = 48_000, 16_000


async def entrypoint(ctx: object) -> None:
    """Nobody calls it here."""


def resampled() -> str:
    """Return what the native resampler makes of a saw tooth, as text: 16 bits a sample."""
    from livekit import rtc

    resampler = rtc.AudioResampler(RATE_HZ, TARGET_HZ)
    samples = array.array("h", (number * 7 % 20_000 - 10_000 for number in range(int(RATE_HZ * SECONDS))))
    frame = rtc.AudioFrame(samples.tobytes(), RATE_HZ, 1, len(samples))
    frames = [*resampler.push(frame), *resampler.flush()]
    return b"".join(bytes(one.data) for one in frames).hex()


def in_a_fork() -> str:
    ours, theirs = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.write(theirs, resampled().encode())
        os._exit(0)
    os.close(theirs)
    with os.fdopen(ours) as pipe:
        samples = pipe.read()
    _, status = os.waitpid(pid, 0)
    return samples or f"status {status}"


def main() -> None:
    before = open_things()
    preload(Program(entrypoint=entrypoint, prewarm=None, registry=PluginRegistry()))
    require_unused_media_sdk()
    after = open_things()
    seen = {
        "mapped": LIBRARY in Path("/proc/self/maps").read_text(),
        "opened": [sorted(thread.name for thread in after[0] - before[0]), sorted(after[1] - before[1])],
        "forked": [in_a_fork() for _ in range(int(sys.argv[1]))],
    }
    seen["alone"] = resampled()
    print(json.dumps(seen), flush=True)
    os._exit(0)  # the library may abort at the interpreter's end


if __name__ == "__main__":
    main()
