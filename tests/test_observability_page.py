"""The page about metrics and spans is made from the code, and cannot say anything else.

``python tests/test_observability_page.py`` writes its table of metrics anew.
"""

from __future__ import annotations

import re
from pathlib import Path

from lk_agents.metrics.catalog import CATALOG, TURN_STAGES
from lk_agents.metrics.totals import SERIES_BOUND

ROOT = Path(__file__).resolve().parent.parent
CORE = ROOT / "core" / "lk_agents"
PAGE = ROOT / "docs" / "observability.md"
BEGIN, END = "<!-- made from the code: begin -->\n", "<!-- made from the code: end -->\n"


def table() -> str:
    """Return the whole table."""
    lines = ["| name | kind | labels | meaning |", "|---|---|---|---|"]
    for family in CATALOG.values():
        labels = ", ".join(f"`{label}`" for label in family.labels)
        lines.append(f"| `{family.name}` | {family.kind} | {labels} | {family.text} |")
    return "\n".join(lines) + "\n"


def page() -> str:
    return PAGE.read_text(encoding="utf-8")


def test_the_table_of_metrics_is_that_of_the_code() -> None:
    made = page().partition(BEGIN)[2].partition(END)[0].strip("\n") + "\n"

    assert made == table(), "python tests/test_observability_page.py writes it anew"


def test_the_queries_ask_for_metrics_that_exist() -> None:
    queries = "\n".join(re.findall(r"```promql\n(.*?)```", page(), re.DOTALL))
    asked = {name.removesuffix("_bucket") for name in re.findall(r"lk_agents_\w+", queries)}

    assert asked
    assert asked <= set(CATALOG)


def test_the_stages_of_a_turn_are_those_of_its_span() -> None:
    (row,) = re.findall(r"^\| `turn` in `job` .*\| its stages: (.*) \|$", page(), re.MULTILINE)

    assert tuple(re.findall(r"`(\w+)`", row)) == TURN_STAGES


def test_the_names_of_spans_and_attributes_are_those_of_the_code() -> None:
    files = ("metrics/spans.py", "job/job_span.py", "voice/turn_span.py", "voice/tools.py")
    source = "\n".join((CORE / name).read_text(encoding="utf-8") for name in files)
    rows = re.findall(r"^\| `(\w+)`(?: in `\w+`)? \|[^|]*\|([^|]*)\|", page().partition("\n## OpenT")[2], re.MULTILINE)
    named = {name for name, _ in rows} | {each for _, told in rows for each in re.findall(r"`([\w.]+)`", told)}

    assert len(named) > 20
    assert [name for name in named if f'"{name}"' not in source and f"{name}=" not in source] == []


def test_the_bound_of_labels_is_that_of_the_code() -> None:
    assert f"more than {SERIES_BOUND}\nvalues" in page()


if __name__ == "__main__":
    before, _, rest = page().partition(BEGIN)
    PAGE.write_text(f"{before}{BEGIN}\n{table()}\n{END}{rest.partition(END)[2]}", encoding="utf-8")
