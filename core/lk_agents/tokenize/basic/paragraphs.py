"""Text into paragraphs."""

from __future__ import annotations

import re

__all__ = ["paragraph_spans", "tokenize_paragraphs"]

_BLANK_LINES = re.compile(r"\n\s*\n")


def tokenize_paragraphs(text: str) -> list[str]:
    """Return the paragraphs of ``text``: what stands between blank lines, trimmed, none of them empty.

    Single line breaks inside a paragraph stay.
    """
    return [text[start:end] for start, end in paragraph_spans(text)]


def paragraph_spans(text: str) -> list[tuple[int, int]]:
    """Return where each paragraph of ``text`` starts and ends, without the white space around it."""
    ends = [(match.start(), match.end()) for match in _BLANK_LINES.finditer(text)]
    starts = [0, *(after for _, after in ends)]
    spans: list[tuple[int, int]] = []
    for start, end in zip(starts, [*(before for before, _ in ends), len(text)], strict=True):
        part = text[start:end]
        first = start + len(part) - len(part.lstrip())
        if part := part.strip():
            spans.append((first, first + len(part)))
    return spans
