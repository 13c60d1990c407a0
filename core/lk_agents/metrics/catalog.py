"""Every metric that a worker exports: its name with its unit, its labels, what it says.

Labels have few values by construction: a provider, a model, a stage, an outcome; never a room, a job or a person.
``docs/observability.md`` has the table, made from this module.
"""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

__all__ = ["CATALOG", "TURN_STAGES", "Family", "Kind"]

Kind = Literal["counter", "gauge", "histogram"]

TURN_STAGES: Final = (
    "decision",
    "final_text",
    "llm_requested",
    "first_token",
    "first_sentence",
    "first_audio",
    "first_played",
)
"""The stages of a turn that have a histogram, named after the fields of ``PipelineTurnMetrics``."""

WAITS: Final = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0, 1.25, 1.5, 2.0, 3.0, 5.0, 10.0)
"""Upper bounds for what somebody in a conversation waits for, in seconds: fine where people notice a difference."""
STARTS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.35, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
"""The same for processes and jobs that start."""
LENGTHS: Final = (1.0, 5.0, 15.0, 30.0, 60.0, 180.0, 300.0, 600.0, 1800.0, 3600.0, 14400.0)
"""The same for whole jobs."""


class Family(NamedTuple):
    """One metric.

    :param name: as it is exported; a counter's ends with ``_total``.
    :param kind: what it is to Prometheus.
    :param labels: names of its labels.
    :param text: what it says.
    :param bounds: of a histogram, the upper bounds of its buckets; the last one, infinity, is left out.
    """

    name: str
    kind: Kind
    labels: tuple[str, ...]
    text: str
    bounds: tuple[float, ...] = ()


_MODEL: Final = ("provider", "model")


def _counter(name: str, text: str, *labels: str) -> Family:
    return Family(f"lk_agents_{name}_total", "counter", labels, text)


def _gauge(name: str, text: str, *labels: str) -> Family:
    return Family(f"lk_agents_{name}", "gauge", labels, text)


def _spread(name: str, text: str, *labels: str, bounds: tuple[float, ...] = WAITS) -> Family:
    return Family(f"lk_agents_{name}_seconds", "histogram", labels, text, bounds)


_STAGE_TEXTS: Final = {
    "decision": "until the turn was found to be over",
    "final_text": "until the last final transcript",
    "llm_requested": "until the language model was asked",
    "first_token": "until the model's first text",
    "first_sentence": "until the first text that can be spoken",
    "first_audio": "until the first audio of the synthesis",
    "first_played": "until the first frame of the answer was heard",
}

_FAMILIES: Final = (
    # the worker
    _gauge("worker_info", "1; the labels say which worker this is", "version", "agent_name", "worker_type"),
    _gauge("worker_registered", "1 while the server knows the worker"),
    _gauge("worker_draining", "1 while the worker takes no job any more and those that it has end"),
    _gauge("worker_full", "1 while the worker refuses further jobs, for whatever reason"),
    _gauge("worker_load", "the highest signal of the load, from 0 to 1"),
    _gauge("worker_load_threshold", "the load from which the worker is full; +Inf for never"),
    _gauge("worker_load_signal", "1 for the signal of the load that is the highest", "signal"),
    _gauge("worker_loop_lag_seconds", "by how much the worker's event loop was late when it was looked at last"),
    _counter("worker_registrations", "registrations with the server; each after the first is a reconnect"),
    # jobs
    _counter("job_requests", "questions of the server whether the worker takes a job, by the answer", "answer"),
    _gauge("active_jobs", "jobs that the worker holds a slot for, by state (asked, accepted, running)", "state"),
    _counter("jobs", "jobs that have ended, by outcome (success, failed, lost) and cause", "outcome", "cause"),
    _spread("job_answer", "from the server's question to the worker's yes", bounds=STARTS),
    _spread("job_process_ready", "from the assignment to a warm process for the job", bounds=STARTS),
    _spread("job_entrypoint", "from the assignment to the call of the entrypoint", bounds=STARTS),
    _spread("job_connected", "from the assignment to the room being joined", bounds=STARTS),
    _spread("job_duration", "from the assignment to the end of the job", bounds=LENGTHS),
    # processes
    _gauge("processes", "processes (or threads) of the pool", "phase"),
    _gauge("processes_wanted", "warm processes that are kept"),
    _gauge("waiting_jobs", "jobs that wait for a process"),
    _gauge("processes_memory_bytes", "memory (PSS) of the processes, as far as it was weighed", "phase"),
    _gauge("process_memory_max_bytes", "memory (PSS) of the heaviest process"),
    _gauge("process_loop_lag_max_seconds", "the longest lag of the event loop of any process"),
    _counter("process_starts", "processes that were started, by what came of it (warm, failed)", "outcome"),
    _counter("process_deaths", "processes that died without having been asked to end, by phase", "phase"),
    _counter("zygote_restarts", "times that the process was lost from which jobs are forked"),
    _spread("process_start", "from the start of a process to its being warm", bounds=STARTS),
    # turns
    _counter("turns", "turns that are over, by outcome (spoken, interrupted, silent, dropped, failed)", "outcome"),
    *(
        _spread(f"turn_{stage}", f"from the user's last sample of speech {_STAGE_TEXTS[stage]}")
        for stage in TURN_STAGES
    ),
    _spread("turn_tool", "how long functions ran in a turn that called any", bounds=STARTS),
    _counter("turn_heard_seconds", "seconds of answers that were heard"),
    _spread("end_of_utterance_delay", "from the user's last sample of speech to the decision that the turn is over"),
    _spread("transcription_delay", "from the user's last sample of speech to the last final transcript"),
    _counter("dead_air_alarms", "alarms about a silence that was too long, by what was waited for", "stage"),
    # providers
    _counter(
        "llm_requests", "answers of language models, by outcome (ok, error, cancelled, hedged)", *_MODEL, "outcome"
    ),
    _spread("llm_ttft", "from the request to the first text or call", *_MODEL),
    _spread("llm_duration", "from the request to the end of the answer", *_MODEL),
    _counter(
        "llm_tokens", "tokens, by kind (prompt, cached_prompt, completion); cached ones are prompt too", *_MODEL, "kind"
    ),
    _counter("tts_requests", "texts or segments spoken, by outcome (ok, error, cancelled, hedged)", *_MODEL, "outcome"),
    _spread("tts_ttfb", "from the request to the first audio", *_MODEL),
    _counter("tts_characters", "characters of the texts that were spoken", *_MODEL),
    _counter("tts_audio_seconds", "seconds of audio that were synthesized", *_MODEL),
    _counter("stt_requests", "recognitions of recordings, by outcome (ok, error, hedged)", *_MODEL, "outcome"),
    _spread("stt_duration", "how long the recognition of a recording took", *_MODEL),
    _counter("stt_audio_seconds", "seconds of audio that were recognised, of recordings and live", *_MODEL),
    _counter(
        "provider_errors", "requests that failed for good, by kind (llm, tts, stt) and code", "kind", *_MODEL, "code"
    ),
    _counter("vad_inferences", "windows that a model of voice activity has judged", "provider"),
    _counter("vad_inference_seconds", "seconds that it took for that", "provider"),
)

CATALOG: Final[dict[str, Family]] = {family.name: family for family in _FAMILIES}
"""All metrics by name."""
