"""What was loaded before a fork can be computed with behind it, which lets all job processes share it."""

from __future__ import annotations

import subprocess
import sys

import pytest

FORKS = 50

PROGRAM = f"""
import gc, hashlib, os, threading

import numpy as np

from lk_agents_silero import plugin
from lk_agents_silero.network import Network
from lk_agents_silero.weights import load_weights

plugin.lk_agents_preload_weights()
weights = load_weights(16000)
windows = np.random.default_rng(0).normal(0, 3000, (60, 512)).astype(np.int16)


def judge():
    model = Network(load_weights(16000))
    return [model(window) for window in windows]


def told_by_child():
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        answers = []
        threads = [threading.Thread(target=lambda: answers.append(judge())) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        same = load_weights(16000) is weights and answers[0] == answers[1]
        os.write(writing, repr(answers[0] if same else None).encode())
        os._exit(0)
    os.close(writing)
    return pid, reading


np.ones((600, 600)) @ np.ones((600, 600))  # numpy's own threads are at work before the fork
judge()
gc.freeze()
children = [told_by_child() for _ in range({FORKS})]
here = repr(judge())  # the parent goes on as well
for pid, reading in children:
    with os.fdopen(reading) as told:
        assert told.read() == here
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
print("all the same")
"""


@pytest.mark.e2e
@pytest.mark.timeout(120)
@pytest.mark.skipif(sys.platform in {"win32", "darwin"}, reason="processes are forked on Linux only")
def test_fifty_forked_processes_judge_as_their_parent() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=100, check=False)

    assert done.stdout == "all the same\n", done.stderr
