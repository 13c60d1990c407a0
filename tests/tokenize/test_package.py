"""The names of the package, and what they cost."""

import inspect
import subprocess
import sys

import pytest

from lk_agents import tokenize

NAMES = {
    "lk_agents.tokenize": [
        "BufferedSentenceStream",
        "BufferedWordStream",
        "PUNCTUATIONS",
        "SentenceStream",
        "SentenceTokenizer",
        "TokenData",
        "WordStream",
        "WordTokenizer",
        "basic",
        "create",
        "utils",
    ],
    "lk_agents.tokenize.basic": ["SentenceTokenizer", "WordTokenizer", "hyphenate_word", "tokenize_paragraphs"],
    "lk_agents.tokenize.utils": ["replace_words"],
}


@pytest.mark.parametrize("module", NAMES)
def test_every_public_name_can_be_had(module: str) -> None:
    loaded = __import__(module, fromlist=["*"])

    assert sorted(loaded.__all__) == sorted(NAMES[module])
    assert all(getattr(loaded, name) is not None for name in NAMES[module])
    assert set(NAMES[module]) <= set(dir(loaded))


@pytest.mark.parametrize("module", ["lk_agents.tokenize", "lk_agents.tokenize.basic"])
def test_an_unknown_name_is_an_attribute_error(module: str) -> None:
    with pytest.raises(AttributeError, match="no attribute 'sentence'"):
        _ = __import__(module, fromlist=["*"]).sentence


def test_the_parameters_are_those_that_users_know() -> None:
    made = {
        "SentenceTokenizer": inspect.signature(tokenize.basic.SentenceTokenizer),
        "WordTokenizer": inspect.signature(tokenize.basic.WordTokenizer),
        "BufferedSentenceStream": inspect.signature(tokenize.BufferedSentenceStream),
        "replace_words": inspect.signature(tokenize.utils.replace_words),
    }

    assert {name: [*signature.parameters] for name, signature in made.items()} == {
        "SentenceTokenizer": ["language", "min_sentence_len", "stream_context_len", "retain_format"],
        "WordTokenizer": ["ignore_punctuation", "retain_format"],
        "BufferedSentenceStream": ["tokenizer", "min_token_len", "min_ctx_len"],
        "replace_words": ["text", "replacements"],
    }


def test_importing_the_package_and_splitting_sentences_loads_no_hyphenation() -> None:
    script = (
        "import sys\nimport lk_agents.tokenize\nfirst = [m for m in sys.modules if m.startswith('lk_agents')]\n"
        "lk_agents.tokenize.basic.SentenceTokenizer().tokenize('One. Two.')\n"
        "print(sorted(first), [m for m in sys.modules if 'hyphen' in m or m in ('aiohttp', 'numpy', 'livekit.rtc')])"
    )

    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)

    assert done.stdout.strip() == "['lk_agents', 'lk_agents.tokenize'] []"
