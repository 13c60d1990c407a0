"""The whole scene: server, worker, caller; and what of it did not go as it should."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from livekit import api

from demo.agent_worker import AgentWorker, AgentWorkerError, LogLine
from demo.caller import CALLER_IDENTITY, Call, CallError, make_call
from demo.correlation import Match, best_match
from demo.recording import Recording, read_wav
from demo.timeline import missing_steps, read_timeline
from lk_agents_server import LiveKitServer, ServerError, ServerOptions

__all__ = ["ECHO_AGENT", "HEARD_AT_LEAST", "OTHER_BELOW", "Result", "play"]

HERE = Path(__file__).parent
ECHO_AGENT = HERE.parent / "echo_agent.py"
ROOM = "demo"
DEPARTURE_SECONDS = 2
"""The server closes the room so long after the caller has left it, if the agent has not ended its job by itself."""
TIMELINE = "job timeline"

REGISTER_SECONDS = 20.0
ANSWER_SECONDS = 15.0
JOB_END_SECONDS = 20.0
SPEECH_SECONDS = 2.0
HEARD_AT_LEAST = 0.8
"""The caller heard himself if so much of at least two seconds of his speech came back (1 = all)."""
OTHER_BELOW = 0.3
"""The comparison is worth something only if another recording scores less than this."""


@dataclass
class Result:
    """What was seen. The demo has succeeded when ``failures`` is empty.

    :param own: how well the caller's speech fits what he heard.
    :param other: the same of a recording that nobody played.
    :param times: wall-clock time of each mark of the job.
    :param failures: what went wrong, one sentence each.
    """

    own: Match | None = None
    other: Match | None = None
    times: dict[str, float] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)


async def play(say: Callable[[str], None], *, agent: Path = ECHO_AGENT) -> Result:
    """Play the scene and judge it. Cancelled, it ends everything that it has started.

    :param say: told of each step.
    :param agent: the file that the worker runs.
    """
    result = Result()
    try:
        say("starting a LiveKit server on this machine")
        async with LiveKitServer(ServerOptions(departure_timeout=DEPARTURE_SECONDS)) as server:
            say(f"starting a worker: lk-agents start {agent.parent.name}/{agent.name}")
            async with AgentWorker.running(agent, server.env()) as worker:
                await worker.wait_ready(seconds=REGISTER_SECONDS)
                await _call(server, worker, result, say)
                say("ending the worker and the server")
            if worker.exit_code != 0:
                result.failures.append(
                    f"asked to end, the worker ended with exit code {worker.exit_code}, not 0{worker.last_lines()}"
                )
    except (CallError, AgentWorkerError, ServerError) as failure:
        result.failures.append(str(failure))
    return result


async def _call(server: LiveKitServer, worker: AgentWorker, result: Result, say: Callable[[str], None]) -> None:
    speech = read_wav(HERE / "audio" / "caller.wav")
    other = read_wav(HERE / "audio" / "somebody_else.wav")
    say(f"a caller joins and speaks for {speech.seconds:.1f} s")
    try:
        call = await make_call(server.url, _token(server), speech, answer_seconds=ANSWER_SECONDS)
    except CallError as failure:
        raise CallError(f"{failure}{worker.last_lines()}") from failure
    judge_sound(result, call, speech, other)
    say("the caller has hung up; waiting for the job to end")
    line = await worker.wait_logged("the job's timeline was logged", _is(TIMELINE), seconds=JOB_END_SECONDS)
    judge_timeline(result, line, call)


def judge_sound(result: Result, call: Call, speech: Recording, other: Recording) -> None:
    """Compare what the caller heard with what he said, and with what he did not say."""
    try:
        result.own = best_match(speech, call.heard, length_seconds=SPEECH_SECONDS)
        result.other = best_match(other, call.heard, length_seconds=SPEECH_SECONDS)
    except ValueError as error:
        result.failures.append(f"what came back cannot be compared with what was said: {error}")
        return
    if result.own.score < HEARD_AT_LEAST:
        result.failures.append(
            f"the caller did not hear himself: correlation {result.own.score:.2f}, at least {HEARD_AT_LEAST} is needed"
        )
    if result.other.score >= OTHER_BELOW:
        result.failures.append(
            f"the comparison proves nothing: another recording has the correlation {result.other.score:.2f}, "
            f"less than {OTHER_BELOW} is needed"
        )


def judge_timeline(result: Result, line: LogLine, call: Call) -> None:
    """Read the job's timeline from the worker's log, add what the caller saw, and look for what is missing."""
    try:
        result.times = read_timeline(line.get("timeline", ()))
    except ValueError as error:
        result.failures.append(str(error))
        return
    result.times["first_frame_back"] = call.first_frame_back
    result.failures += [f"this never happened: {step.label} ({step.meaning})" for step in missing_steps(result.times)]


def _is(message: str) -> Callable[[LogLine], bool]:
    return lambda line: line.get("message") == message


def _token(server: LiveKitServer) -> str:
    grants = api.VideoGrants(room_join=True, room=ROOM)
    token = api.AccessToken(server.api_key, server.api_secret)
    return token.with_identity(CALLER_IDENTITY).with_grants(grants).to_jwt()
