"""The report: one table of figures, what they were measured on, and how."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from benchmarks.figures import Spread, keeps, written
from benchmarks.frameworks import ROOT
from benchmarks.question import Measure
from benchmarks.results import Results
from benchmarks.verdict import Verdict

__all__ = ["Circumstances", "markdown"]

TIMES: Final = "\N{MULTIPLICATION SIGN}"
DASH: Final = "\N{EN DASH}"


@dataclass(frozen=True)
class Circumstances:
    """What a reader must know to believe a figure, or to repeat it.

    :param command: makes the same again.
    :param load: of the machine before the first and after the last run.
    :param versions: of each framework and its packages, by the framework's name.
    """

    command: str
    date: str
    machine: str
    server: str
    runs: int
    load: tuple[float, float]
    versions: Mapping[str, Mapping[str, str]]
    quick: bool = False


def markdown(
    measures: Sequence[Measure], frameworks: Sequence[str], results: Results, about: Circumstances, *, plot: str
) -> str:
    """Return the report as Markdown.

    :param frameworks: their names; the first one is held against what is wanted, the others against the first.
    :param plot: the picture's file name.
    """
    parts = [
        "# Benchmarks",
        f"Made by `{about.command}` on {about.date}. Do not edit.",
        *(["**A quick try: these figures say nothing.**"] if about.quick else []),
        "\n".join(_table(measures, frameworks, results, about.runs)),
        _LEGEND,
        f"![The figures as bars]({plot})",
        *_faults(frameworks, results),
        *_failures(results),
        "## On what",
        "\n".join(_circumstances(about)),
        "\n".join(_versions(about.versions)),
        "## How",
        _HOW,
    ]
    return "\n\n".join(parts) + "\n"


def _table(measures: Sequence[Measure], frameworks: Sequence[str], results: Results, runs: int) -> Iterator[str]:
    ours, *others = frameworks
    heads = ["measure", "wanted", ours, *[head for name in others for head in (name, TIMES)]]
    yield _row(heads)
    yield _row(["---", *["---:"] * (len(heads) - 1)])
    for measure in measures:
        cells = [measure.title, _wanted(measure), _cell(measure, results, ours, runs) + _mark(measure, results, ours)]
        for name in others:
            if measure.own:
                cells += ["", ""]
                continue
            times = results.times(measure.key, name, ours)
            cells += [_cell(measure, results, name, runs), _times(times, measure)]
        yield _row(cells)


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _wanted(measure: Measure) -> str:
    told = []
    if measure.wanted is not None:
        told.append(f"≤ {measure.wanted:g} {measure.unit}".rstrip() if measure.wanted else "none")
    if measure.share is not None:
        told.append(f"≤ {measure.share.times:.2g} {TIMES} {measure.share.of}")
    return "; ".join(told)


def _cell(measure: Measure, results: Results, name: str, runs: int) -> str:
    spread = results.spread(measure.key, name)
    if spread is None:
        return "not measured"
    text = f"**{written(spread.median)}**{measure.unit and ' '}{measure.unit}"
    if measure.once:
        runs = 1
    else:
        text += f" ({written(spread.low)} {DASH} {written(spread.high)})"
    if (got := results.runs(measure.key, name)) < runs:
        text += f", {got} of {runs} runs"
    return text


def _mark(measure: Measure, results: Results, ours: str) -> str:
    """Tell whether every promise is kept, as far as it can be told."""
    kept = []
    if (spread := results.spread(measure.key, ours)) is not None:
        kept.append(keeps(spread, measure.wanted))
    if measure.share and (times := results.times(measure.key, ours, measure.share.of)) is not None:
        kept.append(keeps(times, measure.share.times))
    told = [each for each in kept if each is not None]
    return (" ✓" if all(told) else " ✗") if told else ""


def _times(times: Spread | None, measure: Measure) -> str:
    if times is None:
        return ""
    spread = "" if measure.once else f" ({written(times.low)} {DASH} {written(times.high)})"
    return f"{written(times.median)}{TIMES}{spread}"


def _faults(frameworks: Sequence[str], results: Results) -> list[str]:
    """Return the table of what became of each fault under each framework, if any was tried."""
    faults = list(dict.fromkeys(fault for fault, _ in results.verdicts))
    if not faults:
        return []
    rows = [_row(["what is done, and wanted then", *frameworks]), _row(["---"] * (len(frameworks) + 1))]
    rows += [_row([fault, *[_seen(results.of(fault, name)) for name in frameworks]]) for fault in faults]
    held = [sum(_always_held(results.of(fault, name)) for fault in faults) for name in frameworks]
    rows.append(_row(["**held in every run**", *[f"**{count}** of {len(faults)}" for count in held]]))
    return ["## The faults", "\n".join(rows)]


def _always_held(verdicts: Sequence[Verdict]) -> bool:
    return bool(verdicts) and all(verdict.held for verdict in verdicts)


def _seen(verdicts: Sequence[Verdict]) -> str:
    """Return one cell: held, or what was seen instead, each thing once."""
    others = [verdict.seen for verdict in verdicts if not verdict.held]
    if not verdicts:
        return "not tried"
    if not others:
        return "held"
    told = "; ".join(dict.fromkeys(others)).replace("|", r"\|").replace("\n", " ")
    held = len(verdicts) - len(others)
    return f"held in {held} of {len(verdicts)} runs; else: {told}" if held else f"**no:** {told}"


def _failures(results: Results) -> list[str]:
    if not results.failures:
        return []
    # The folder it was measured in says nothing and differs from machine to machine.
    blocks = [f"```text\n{failure.replace(str(ROOT), '.')}\n```" for failure in results.failures]
    return ["## What could not be measured", *blocks]


def _circumstances(about: Circumstances) -> Iterator[str]:
    before, after = about.load
    yield f"- **Machine:** {about.machine}; load average {before:.2f} before the first run, {after:.2f} after the last."
    yield f"- **Server:** {about.server}, one and the same for all runs, on the same machine."
    yield f"- **Repetitions:** {about.runs}; each figure of a run has a worker of its own, the frameworks take turns."


def _versions(versions: Mapping[str, Mapping[str, str]]) -> Iterator[str]:
    rows = [dict(packages) for packages in versions.values()]
    names = list(dict.fromkeys(name for row in rows for name in row if name != "lk-agents"))
    shared = [name for name in names if name != "livekit-agents"]
    yield _row(["versions", *shared])
    yield _row(["---"] * (len(shared) + 1))
    for framework, row in versions.items():
        told = framework if "lk-agents" not in row else f"{framework} {row['lk-agents']}"
        yield _row([told, *[row.get(name, "") for name in shared]])


_LEGEND = f"""\
Each cell: **median** (minimum {DASH} maximum) of the runs; {TIMES} is how many times more than lk-agents within one
run, told the same way. Less is better everywhere. *Wanted* is what lk-agents promises; the median is held against it:
that of the figures, or of the proportions where a proportion is promised."""

_HOW = """\
- One small agent (`agents/work.py`) under each framework's own interface, started as users do: `python FILE start`.
  Each framework has an environment of its own, its packages copied, so that no library is shared with another one.
- Load limits are off for all (the load is said to be 0, the threshold infinite), except for the idle CPU, where each
  measures its load as it does by default.
- Every state is proven before it is measured: registered by the server's own log, warm by the prewarm function's note,
  connected by the job's note and the server's list of participants. What is not reached is an error, never a figure.
- Times are `CLOCK_MONOTONIC`, taken in the process that they are about. A process counts as warm for the start when its
  prewarm function is called; for the fork, the pools' own events count.
- Memory is `/proc/PID/smaps_rollup` in MB of 10⁶ bytes; "helpers" are zygote, fork server and resource tracker: every
  process that descends from the worker or carries its environment. What the interpreter shares with other programs of
  the machine lowers PSS for all three alike.
- A dispatch is counted from the moment at which the burst begins, with rooms that are there; a job is lost if it has
  not joined its room after 60 s, and its times are then in no percentile. Jobs of the fork and latency figures join no
  room.
- CPU time is the kernel's clock of each process, exact to the nanosecond, over 25 s.
- The speech layer is measured in a process of its own each time, without a worker: one program (`speech/`) for all
  three, in each framework's own words. What it did is counted and held against what there was to do before its time
  counts: frames, windows, transcripts, characters, messages. CPU time is that of the whole process, all threads
  together, after half a second of work that wakes the processor; imports and the conversation are told in real time.
- The audio path's recogniser and detector are the same code everywhere and do as good as nothing, but what they do, and
  the event loop, is in every figure; what that is by itself is told beside it. livekit-agents 1.8.9 has no public
  forwarder of transcripts any more: what its sessions use takes its place.
- Sentences: `tokenize.basic`, but `tokenize.blingfire`, which is native code, for livekit-agents 1.8.9: what each gives
  to text to speech by default. They do not find the same sentences.
- Silero's detector: lk-agents and livekit-agents 1.8.9 have the same model file, livekit-agents 0.12.21 an older one of
  about the same size; lk-agents computes it with numpy, the others with the ONNX runtime. All must hear the same
  utterances in the same voice.
- The workers of lk-agents do not load the silero plugin, which is installed with all three: the older frameworks load
  a plugin when the agent imports it, and this one does not. Where the agent talks, all of them load it.
- Conversations: callers in one process, with one clock, send recorded phrases at 48 kHz; silero at 0.5, 0.05 s and
  0.55 s, 0.5 s of endpointing, 0.5 s of speech to interrupt; a recogniser that takes recordings, a model that gives
  three sentences at once, a voice that is a tone of 24 kHz, all instant and the same in what they do. livekit-agents
  1.8.9 is a session with turn detection by the detector, without the time in which it refuses interruptions at first.
  A sample's time is that of the stream: how late a process was told of it does not count. Gaps are counted in samples.
  CPU is that of worker, job and one process that waits, while twelve phrases are said; private memory is read at the
  end, with one job.
- Of the time after the caller's last loud sample, each framework's own is what remains without the way, the
  endpointing, and, where the framework waits for it, the moment at which its detector tells the end of the same phrase,
  found beforehand in the time of the stream.
- Each fault has a worker of its own, with three warm processes unless it says otherwise, and a shutdown limit of 5 s by
  the framework's own option. It is provoked and judged from outside: by the processes that are there, by what the job
  wrote down, and by the status that the server logged. What has no limit of its own is waited for 20 s. The server
  that goes away is another one. This is done in the first run only.
- lk-agents has the process that gets the next job go through one before it comes: that process is about 1 MB heavier
  than the others. The figure of an idle process is the median of the three, the totals hold them all.
- The older frameworks try to reconnect 0, 2 and 6 s after they lost the server: when it is gone for 3 s, some
  milliseconds decide whether their next job comes within 3 s of its return."""
