"""``python -m benchmarks.speech DIALECT PROGRAM PARAMETERS``: do the work and print what came of it, as JSON.

The numbers of the answer are figures and proofs; whoever started the program holds the proofs against what is due.
"""

from __future__ import annotations

import importlib
import json
import sys

from benchmarks.speech.dialects import DIALECTS


def main() -> None:
    dialect, program, parameters = sys.argv[1:]
    work = importlib.import_module(f"benchmarks.speech.{program}")
    print(json.dumps(work.run(DIALECTS[dialect](), **json.loads(parameters))))


if __name__ == "__main__":
    main()
