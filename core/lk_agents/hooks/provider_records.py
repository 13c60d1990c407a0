"""What plugins offer by name: one record class for each kind, checked when it is built."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from lk_agents.foundation.errors import ConfigError

__all__ = [
    "PROVIDER_KINDS",
    "InterruptionProvider",
    "LLMProvider",
    "Provider",
    "RealtimeProvider",
    "STTProvider",
    "TTSProvider",
    "TokenizerProvider",
    "TurnDetectorProvider",
    "VADProvider",
]

_NAME = re.compile(r"[a-z][a-z0-9-]*")
_PLACE = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*")
_VARIABLE = re.compile(r"[A-Za-z_]\w*")


@dataclass(frozen=True)
class Provider:
    """Something that can be built by its name; hooks return the classes derived from this one.

    :param name: what users write: lower-case letters, digits and hyphens, a letter first, such as ``"deepgram"``.
    :param build: what builds it: a function or class, or ``"package.module:name"`` of one, which is imported only when
        somebody asks for this provider. Its keyword parameters are the options that users can give; where ``model`` is
        one of them, users may also write ``"name/model"``.
    :param help: one line for people.
    :param requires_env: environment variables that it does not work without. One that lacks is no error if an option is
        given in its place: an option that ends the variable's name, such as ``api_key`` for ``DEEPGRAM_API_KEY``; or
        any of those that a mapping from variables to options names: ``{"OPENAI_API_KEY": ("api_key", "client")}``.
    :param options: the options that a ``build`` with ``**options`` takes besides its named ones; if there are none here
        either, such a ``build`` is given whatever the user writes.
    :raises ConfigError: a value has another form; the text shows it.
    """

    kind: ClassVar[str]
    """Ends the name of the hook that offers it: ``lk_agents_register_<kind>``."""
    noun: ClassVar[str]
    """Says in messages what it is."""

    name: str
    build: Callable[..., Any] | str
    help: str = ""
    requires_env: Sequence[str] | Mapping[str, Sequence[str]] = ()
    options: Sequence[str] = ()

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(str(self.name)):
            raise ConfigError(
                f"{self._field('name')} is {self.name!r}; use lower-case letters, digits and hyphens, a letter first, "
                f"such as 'acme-speech'"
            )
        self._check_build()
        self._check_names("requires_env", self.requires_env, _VARIABLE)
        self._check_names("options", self.options, _VARIABLE)
        if isinstance(self.requires_env, Mapping):
            for variable, options in self.requires_env.items():
                self._check_names(f"requires_env[{variable!r}]", options, _VARIABLE)

    def _field(self, name: str) -> str:
        return f"{type(self).__name__}.{name}"

    def _check_build(self) -> None:
        if isinstance(self.build, str):
            if not _PLACE.fullmatch(self.build):
                raise ConfigError(f"{self._field('build')} is {self.build!r}; name a place as 'package.module:name'")
        elif not callable(self.build):
            raise ConfigError(
                f"{self._field('build')} is {self.build!r}; give a function, a class or 'package.module:name'"
            )
        elif inspect.iscoroutinefunction(self.build):
            raise ConfigError(f"{self._field('build')} is a coroutine function, which nobody awaits; connect later")

    def _check_names(self, field: str, names: object, form: re.Pattern[str]) -> None:
        if isinstance(names, str) or not isinstance(names, Sequence | Mapping):
            raise ConfigError(f"{self._field(field)} is {names!r}; give a list of names")
        for name in names:
            if not isinstance(name, str) or not form.fullmatch(name):
                raise ConfigError(f"{self._field(field)} holds {name!r}, which is no name")


class STTProvider(Provider):
    """A speech-to-text engine; ``build`` returns an ``lk_agents.stt.STT``."""

    kind = "stt"
    noun = "STT provider"


class TTSProvider(Provider):
    """A text-to-speech engine; ``build`` returns an ``lk_agents.tts.TTS``."""

    kind = "tts"
    noun = "TTS provider"


class LLMProvider(Provider):
    """A language model; ``build`` returns an ``lk_agents.llm.LLM``."""

    kind = "llm"
    noun = "LLM provider"


class VADProvider(Provider):
    """A voice activity detector; ``build`` returns an ``lk_agents.vad.VAD``."""

    kind = "vad"
    noun = "VAD provider"


class RealtimeProvider(Provider):
    """A speech-to-speech model; ``build`` returns a model of ``lk_agents.realtime``."""

    kind = "realtime"
    noun = "realtime provider"


class TokenizerProvider(Provider):
    """A splitter of text; ``build`` returns an ``lk_agents.tokenize.SentenceTokenizer``."""

    kind = "tokenizer"
    noun = "tokenizer"


class TurnDetectorProvider(Provider):
    """Decides whether the user's turn is over; ``build`` returns a detector of ``lk_agents.turns``."""

    kind = "turn_detector"
    noun = "turn detector"


class InterruptionProvider(Provider):
    """Decides whether the user interrupts the agent; ``build`` returns a strategy of ``lk_agents.turns``."""

    kind = "interruption"
    noun = "interruption strategy"


PROVIDER_KINDS: Final[tuple[type[Provider], ...]] = (
    STTProvider,
    TTSProvider,
    LLMProvider,
    VADProvider,
    RealtimeProvider,
    TokenizerProvider,
    TurnDetectorProvider,
    InterruptionProvider,
)
"""Every kind, in the order of the hooks."""
