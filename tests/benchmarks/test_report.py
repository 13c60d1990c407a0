"""What the report and its picture say of given results."""

from collections.abc import Sequence
from dataclasses import replace
from xml.etree import ElementTree as ET

import pytest
from benchmarks.frameworks import FRAMEWORKS, ROOT
from benchmarks.plot import svg
from benchmarks.question import Measure, Question, Setting, Share
from benchmarks.questions import QUESTIONS
from benchmarks.report import Circumstances, markdown
from benchmarks.results import Results
from benchmarks.verdict import Verdict

OURS, OLD, NEW = NAMES = ("lk-agents", "livekit-agents 0.12.21", "livekit-agents 1.8.9")
MEMORY = Measure("memory", "memory of a <process>", "MB", 3.5)
LOST = Measure("lost", "jobs lost", "", 0)
EXTRA = Measure("extra", "something that explains", "s")
MEASURES = (MEMORY, LOST, EXTRA)


@pytest.fixture
def results() -> Results:
    results = Results()
    for run, (ours, times) in enumerate([(3.0, 12), (3.2, 8), (3.7, 10)], 1):
        results.add(OURS, {"memory": ours, "lost": 0, "extra": 1.0}, run)
        results.add(OLD, {"memory": ours * times, "lost": 4, "extra": 2.0}, run)
    results.add(NEW, {"memory": 9.6}, 2)
    return results


def report(results: Results, *, quick: bool = False, measures: Sequence[Measure] = MEASURES) -> str:
    versions = {
        OURS: {"python": "3.11.7", "lk-agents": "0.1.0", "livekit": "1.2.1"},
        OLD: {"python": "3.11.7", "livekit-agents": "0.12.21", "livekit": "1.1.10"},
    }
    about = Circumstances(
        command="make bench",
        date="2026-01-02",
        machine="two cores",
        server="livekit-server 1.13.5",
        runs=3,
        load=(0.1, 1.25),
        versions=versions,
        quick=quick,
    )
    return markdown(measures, NAMES, results, about, plot="report.svg")


def row(text: str, title: str) -> list[str]:
    line = next(line for line in text.splitlines() if line.startswith(f"| {title}"))
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_a_row_holds_the_figures_of_all_runs_and_the_factors(results: Results) -> None:
    cells = row(report(results), MEMORY.title)

    assert cells == [
        "memory of a <process>",
        "≤ 3.5 MB",
        "**3.20** MB (3.00 \N{EN DASH} 3.70) ✓",
        "**36.0** MB (25.6 \N{EN DASH} 37.0)",
        "10.0\N{MULTIPLICATION SIGN} (8.00 \N{EN DASH} 12.0)",
        "**9.60** MB (9.60 \N{EN DASH} 9.60), 1 of 3 runs",
        "3.00\N{MULTIPLICATION SIGN} (3.00 \N{EN DASH} 3.00)",
    ]


def test_there_is_no_factor_over_nothing_and_none_where_nothing_was_measured(results: Results) -> None:
    cells = row(report(results), LOST.title)

    assert cells[1] == "none"
    assert cells[2].endswith("✓")
    assert cells[4:] == ["", "not measured", ""]


def test_a_promise_that_is_not_kept_is_marked(results: Results) -> None:
    for run in range(4, 8):
        results.add(OURS, {"memory": 3.6}, run)

    assert row(report(results), MEMORY.title)[2].endswith("✗")
    assert "✗" not in row(report(results), EXTRA.title)[2]


def test_a_promise_in_proportion_is_held_against_the_runs_that_both_have(results: Results) -> None:
    results.add(NEW, {"memory": 37}, 3)  # beside run 2: the proportions are 1/3 and 1/10, their median 0.217
    kept, broken = (replace(MEMORY, wanted=None, share=Share(times, NEW)) for times in (0.22, 0.21))

    cells = [row(report(results, measures=(each,)), MEMORY.title) for each in (kept, broken)]
    assert cells[0][1] == f"≤ 0.22 \N{MULTIPLICATION SIGN} {NEW}"
    assert [cell[2][-1] for cell in cells] == ["✓", "✗"]


def test_a_promise_in_proportion_counts_beside_the_other_one(results: Results) -> None:
    both = replace(MEMORY, share=Share(0.2, OLD))
    neither = replace(MEMORY, share=Share(0.05, OLD))
    unknown = replace(MEMORY, share=Share(0.05, "nobody"))

    cells = [row(report(results, measures=(each,)), MEMORY.title) for each in (both, neither, unknown)]
    assert cells[0][1] == f"≤ 3.5 MB; ≤ 0.2 \N{MULTIPLICATION SIGN} {OLD}"
    assert [cell[2][-1] for cell in cells] == ["✓", "✗", "✓"]


def test_what_is_of_one_framework_alone_says_nothing_of_the_others(results: Results) -> None:
    own = Measure("extra", EXTRA.title, "s", 2, own=True)

    picture = ET.fromstring(svg((MEMORY, own), NAMES, results))
    assert row(report(results, measures=(own,)), own.title)[3:] == ["", "", "", ""]
    assert [element.text for element in picture.iter()].count("not measured") == 0
    assert [Question("x", (own,), nobody).is_asked_of(framework) for framework in FRAMEWORKS] == [True, False, False]


def test_the_report_says_on_what_it_was_measured(results: Results) -> None:
    text = report(results)

    for told in ("make bench", "2026-01-02", "two cores", "livekit-server 1.13.5", "0.10", "1.25"):
        assert told in text
    assert row(text, "lk-agents 0.1.0") == ["lk-agents 0.1.0", "3.11.7", "1.2.1"]
    assert row(text, "livekit-agents 0.12.21") == ["livekit-agents 0.12.21", "3.11.7", "1.1.10"]


def test_a_try_is_called_one(results: Results) -> None:
    assert "quick try" in report(results, quick=True)
    assert "quick try" not in report(results)


def test_what_failed_is_told(results: Results) -> None:
    assert "could not be measured" not in report(results)

    results.failures.append(f"run 2, a burst, nobody came, says {ROOT}/core/x.py")

    assert "run 2, a burst, nobody came, says ./core/x.py" in report(results)


def test_each_fault_has_a_row_with_what_was_seen_of_each_framework(results: Results) -> None:
    results.judge(OURS, [Verdict("killed"), Verdict("raised")])
    results.judge(OLD, [Verdict("killed", "0 of 1 ran"), Verdict("raised", "it noted 'a|b'\nand more")])
    text = report(results)

    assert row(text, "killed") == ["killed", "held", "**no:** 0 of 1 ran", "not tried"]
    assert "| raised | held | **no:** it noted 'a\\|b' and more | not tried |" in text
    assert row(text, "**held in every run**")[1:] == ["**2** of 2", "**0** of 2", "**0** of 2"]


def test_a_fault_that_is_not_held_in_every_run_does_not_count_as_held(results: Results) -> None:
    for seen in ("", "3.01 s", "3.03 s", "3.01 s"):
        results.judge(OLD, [Verdict("the server gone", seen)])
    text = report(results)

    assert row(text, "the server gone")[2] == "held in 1 of 4 runs; else: 3.01 s; 3.03 s"
    assert row(text, "**held in every run**")[2] == "**0** of 1"


def test_there_is_a_table_of_faults_only_where_some_were_tried(results: Results) -> None:
    assert "## The faults" not in report(results)

    results.judge(NEW, [Verdict("killed")])

    assert "## The faults" in report(results)


def test_the_picture_has_a_bar_for_every_figure_that_was_measured(results: Results) -> None:
    picture = ET.fromstring(svg(MEASURES, NAMES, results))

    shapes = [element.tag.rpartition("}")[2] for element in picture.iter()]
    texts = [element.text for element in picture.iter() if element.text and element.text.strip()]
    background, legend, bars = 1, 3, 3 + 2 + 2
    assert shapes.count("rect") == background + legend + bars
    assert texts.count("not measured") == 2
    assert "memory of a <process>, MB" in texts


def test_the_longest_bar_fits_the_picture(results: Results) -> None:
    picture = ET.fromstring(svg(MEASURES, NAMES, results))

    width = float(picture.attrib["width"])
    ends = [float(one.attrib["x2"]) for one in picture.iter() if one.tag.endswith("line")]
    assert max(ends) < width


def test_every_figure_has_one_name() -> None:
    keys = [measure.key for question in QUESTIONS for measure in question.measures]

    assert len(keys) == len(set(keys))


async def nobody(_: Setting) -> dict[str, float]:
    return {}


def test_what_takes_minutes_is_asked_in_the_first_run_only_and_told_without_a_spread(results: Results) -> None:
    faults = Measure("faults", "faults not held", "", 0, once=True)
    results.add(OURS, {"faults": 0}, 1)

    assert [Question("x", (faults,), nobody).is_for(run) for run in (1, 2)] == [True, False]
    assert [Question("x", (faults, MEMORY), nobody).is_for(run) for run in (1, 2)] == [True, True]
    assert row(report(results, measures=(faults,)), faults.title)[2] == "**0** \N{CHECK MARK}"
