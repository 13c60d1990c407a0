"""What is read in the server's log."""

from benchmarks.server_log import JobEnd, ServerLog

REGISTERED = (
    "2026-01-02T03:04:05.678Z\tINFO\tlivekit.agents\tservice/agentservice.go:348\tworker registered\t"
    '{"agentName": "agent-1", "workerID": "AW_1"}\n'
)
ENDED = (
    "2026-01-02T03:04:06.789Z\tINFO\tlivekit.agents\tagent/worker.go:571\tjob ended\t"
    '{"workerID": "AW_1", "jobID": "AJ_1", "status": "JS_FAILED", "error": "it\\tfell"}\n'
)


def test_a_worker_is_known_from_its_registration_on() -> None:
    log = ServerLog()
    assert log.registered("agent-1") is None

    log.note(REGISTERED)

    assert log.registered("agent-1") is not None
    assert log.registered("agent-2") is None


def test_a_job_has_the_end_that_was_noted_first() -> None:
    log = ServerLog()
    assert log.end("AJ_1") is None

    log.note(ENDED)
    log.note(ENDED.replace("JS_FAILED", "JS_SUCCESS"))

    assert log.end("AJ_1") == JobEnd("JS_FAILED", "it\tfell")
    assert log.end("AJ_2") is None


def test_other_lines_are_passed_over() -> None:
    log = ServerLog()
    for line in ("", "job ended\n", ENDED.replace("\tjob ended\t", "\tjob ended early\t"), "{}\t" * 9):
        log.note(line)

    assert log.end("AJ_1") is None


def test_an_end_is_told_with_its_error_or_says_that_it_has_none() -> None:
    assert str(JobEnd("JS_FAILED", "it fell")) == "JS_FAILED, 'it fell'"
    assert str(JobEnd("JS_SUCCESS", "")) == "JS_SUCCESS without a word"
