"""``python -m lk_agents`` is the command ``lk-agents``."""

from __future__ import annotations

from lk_agents.cli.main import main

if __name__ == "__main__":
    main()
