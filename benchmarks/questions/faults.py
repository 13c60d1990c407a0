"""How many faults of production does the framework hold?

Each fault has a worker of its own, with three warm processes unless it says otherwise.
"""

from __future__ import annotations

from benchmarks.failure import MeasurementError
from benchmarks.faults import FAULTS
from benchmarks.faults.trial import Trial, judge
from benchmarks.question import Measure, Question, Setting


async def measure(setting: Setting) -> dict[str, float]:
    trial, untried = Trial(setting.framework, setting.ground), []
    for fault in FAULTS:
        try:
            verdict = await judge(fault, trial)
        except MeasurementError as error:
            untried.append(f"{fault.title}: {error}")
            continue
        setting.verdicts.append(verdict)
        print(f"    {setting.framework.name}: {fault.title}: {verdict.seen or 'held'}", flush=True)
    if untried:
        raise MeasurementError("\n".join(["not all faults could be tried:", *untried]))
    return {"faults": sum(not verdict.held for verdict in setting.verdicts)}


QUESTION = Question(
    f"{len(FAULTS)} faults", (Measure("faults", f"faults not held, of {len(FAULTS)}", "", 0, once=True),), measure
)
