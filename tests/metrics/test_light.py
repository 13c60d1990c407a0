"""Importing the records costs next to nothing: every stream of the framework does it."""

from __future__ import annotations

import json
import subprocess
import sys


def test_importing_the_package_loads_nothing_else() -> None:
    script = "import json, sys; import lk_agents.metrics; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    loaded = json.loads(done.stdout.splitlines()[-1])

    foreign = {name.partition(".")[0] for name in loaded} - set(sys.stdlib_module_names)
    assert {name for name in foreign if not name.startswith(("__", "_virtualenv", "_distutils"))} == {"lk_agents"}
    assert "asyncio" not in loaded
