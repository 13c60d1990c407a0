from __future__ import annotations

import json

import pytest

from lk_agents.cli.redaction import Redactor

JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhZ2VudCJ9.c2lnbmF0dXJl-_x"


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        (f"join with {JWT} now", "join with [redacted] now"),
        (f"Authorization: Bearer {JWT}", "Authorization: Bearer [redacted]"),
        ("wss://h/rtc?access_token=abcdefgh&auto=1", "wss://h/rtc?access_token=[redacted]&auto=1"),
        ("api_secret=sesame-open, url=ws://h", "api_secret=[redacted], url=ws://h"),
        ("nothing to hide: tokens are words", "nothing to hide: tokens are words"),
    ],
)
def test_what_looks_like_a_token_is_cut_out(text: str, kept: str) -> None:
    assert Redactor()(text) == kept


def test_a_known_secret_is_cut_out_in_each_of_its_written_forms() -> None:
    secret = 'can"ary\\s\u00e9cret'
    redact = Redactor()
    redact.add(secret)

    for written in (secret, json.dumps(secret), repr(secret)):
        assert "ary" not in redact(f"<{written}>")


def test_short_and_missing_secrets_do_not_blank_out_words() -> None:
    redact = Redactor()
    redact.add("", None, "a", "se")

    assert redact("a secretive base") == "a secretive base"


def test_a_secret_that_contains_another_goes_whole() -> None:
    redact = Redactor()
    redact.add("canary-1", "canary-1-and-more")

    assert redact("x canary-1-and-more y") == "x [redacted] y"
