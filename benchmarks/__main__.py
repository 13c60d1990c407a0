"""``python -m benchmarks``: measure lk-agents and two older frameworks side by side, and write the report.

Of no worth on a machine that does other work at the same time.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from benchmarks.environments import prepare, versions
from benchmarks.failure import MeasurementError
from benchmarks.frameworks import FRAMEWORKS, HERE, ROOT
from benchmarks.machine import machine, server_version
from benchmarks.plot import svg
from benchmarks.question import FULL, QUICK, Question
from benchmarks.questions import QUESTIONS
from benchmarks.report import Circumstances, markdown
from benchmarks.results import Results
from benchmarks.run import measure_all

RUNS: Final = 3
BUSY_LOAD: Final = 0.5
PLOT: Final = "report.svg"
TRIES: Final = ROOT / ".venv" / "bench"


def main() -> int:
    """Measure and report; return 1 if anything could not be measured."""
    arguments = _arguments()
    questions = [one for one in QUESTIONS if arguments.only in one.name]
    if not questions:
        sys.exit(f"--only {arguments.only!r} is in none of: {'; '.join(one.name for one in QUESTIONS)}")
    for framework in FRAMEWORKS:
        prepare(framework)
    if (load := os.getloadavg()[0]) > BUSY_LOAD:
        print(f"this machine does other work (load average {load:.2f}): the figures will be noisy", flush=True)
    effort = QUICK if arguments.quick else FULL
    try:
        results = asyncio.run(measure_all(questions, FRAMEWORKS, effort, runs=arguments.runs))
    except MeasurementError as error:
        sys.exit(f"nothing was measured: {error}")
    except KeyboardInterrupt:
        sys.exit("stopped; no report was written")
    about = Circumstances(
        command=" ".join(["python -m benchmarks", *sys.argv[1:]]) if sys.argv[1:] else "make bench",
        date=datetime.now(UTC).date().isoformat(),
        machine=machine(),
        server=server_version(),
        runs=arguments.runs,
        load=(load, os.getloadavg()[0]),
        versions={framework.name: versions(framework) for framework in FRAMEWORKS},
        quick=arguments.quick,
    )
    partial = arguments.quick or arguments.only
    _write(questions, results, about, arguments.output or (TRIES if partial else HERE))
    return 1 if results.failures else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--runs", type=_count, default=RUNS, help=f"repetitions of everything (default {RUNS})")
    parser.add_argument("--quick", action="store_true", help="short rests, few samples: to see whether it works")
    parser.add_argument("--only", default="", metavar="WORDS", help="only questions with these words in their name")
    parser.add_argument("--output", type=Path, help="folder of the report (default: this one; for a try .venv/bench)")
    return parser.parse_args()


def _count(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r}: at least 1 run is needed")
    return int(text)


def _write(questions: list[Question], results: Results, about: Circumstances, folder: Path) -> None:
    measures = [measure for question in questions for measure in question.measures]
    names = [framework.name for framework in FRAMEWORKS]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / PLOT).write_text(svg(measures, names, results), encoding="utf-8")
    report = folder / "report.md"
    report.write_text(markdown(measures, names, results, about, plot=PLOT), encoding="utf-8")
    print(f"the report is {report}")


if __name__ == "__main__":
    sys.exit(main())
