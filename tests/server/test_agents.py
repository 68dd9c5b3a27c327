"""What tool calls of agents expect of POST /v1/classify: the whole first, in time, and once."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
import soundfile

from ser_rt.runtime.backends.onnx_classifier import OnnxClassifier
from ser_rt.server.idempotency import KeptAnswers, key_of
from ser_rt.server.protocol import ProtocolError, check
from tests.conftest import RATE, make_wave
from tests.server.conftest import HeldModel, Running, raw_connection, serving
from tests.server.test_http import refused
from tests.support.waiting import until

KEYS = ("a-key-of-sixteen-letters", "another-key-of-sixteen")


def wav(seconds: float, seed: int = 0) -> bytes:
    held = io.BytesIO()
    soundfile.write(held, make_wave(seconds, seed=seed), RATE, format="WAV")
    return held.getvalue()


def post(
    running: Running, content: bytes, query: str = "", key: str | None = None, by: str = KEYS[0]
) -> httpx.Response:
    headers = {"authorization": f"Bearer {by}"}
    if key is not None:
        headers["idempotency-key"] = key
    url = running.http(f"/v1/classify?vad=false{query}")
    return httpx.post(url, content=content, headers=headers, timeout=60)


class Held:
    """A server whose model can be stopped, and how often it was asked."""

    def __init__(self, model: HeldModel, running: Running) -> None:
        self.model, self.running = model, running

    def windows(self) -> float:
        text = httpx.get(self.running.http("/metrics"), headers=BY_FIRST).text
        lines = [x for x in text.splitlines() if x.startswith("ser_inference_seconds_count")]
        return float(lines[0].split()[1])


BY_FIRST = {"authorization": f"Bearer {KEYS[0]}"}


@pytest.fixture(scope="module")
def held(classifier: OnnxClassifier) -> Iterator[Held]:
    model = HeldModel(classifier)
    with serving(model, keys=KEYS, workers=1) as running:
        yield Held(model, running)
        model.may_answer.set()


def test_the_whole_comes_first_and_windows_may_stay_away(held: Held) -> None:
    content = wav(4)
    whole = post(held.running, content)
    assert list(whole.json())[:2] == ["overall", "duration_s"]
    assert {event["type"] for event in whole.json()["events"]} == {"emotion"}
    turns = post(held.running, content, "&detail=turns").json()
    [turn] = [event for event in turns["events"] if event["type"] == "turn"]
    assert {event["type"] for event in turns["events"]} == {"turn"}
    assert (turn["start"], turn["final"]) == (0.0, True)
    short = post(held.running, content, "&detail=overall").json()
    assert short["events"] == []
    assert short["overall"] == turns["overall"] == whole.json()["overall"] is not None


@pytest.mark.parametrize("query", ["detail=some", "timeout_s=0", "timeout_s=nan", "timeout_s=soon"])
def test_what_is_no_such_option_is_refused(held: Held, query: str) -> None:
    refused(post(held.running, wav(1), f"&{query}"), 400, "bad_request")


def test_an_answer_that_takes_too_long_ends_with_what_there_is(held: Held) -> None:
    held.model.hold()
    try:
        answer = post(held.running, wav(4), "&timeout_s=0.5")
    finally:
        held.model.may_answer.set()
    refused(answer, 504, "timed_out", "0.5 s")
    if "heard" in answer.json():  # it had begun
        check(answer.json()["heard"], "classification", "internal")
    held.running.wait_until(lambda: not held.running.service.taken)
    assert post(held.running, wav(1), "&timeout_s=60").status_code == 200


def test_a_slow_upload_ends_in_time_too(held: Held) -> None:
    head = (
        "POST /v1/classify?timeout_s=0.2 HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        f"Authorization: Bearer {KEYS[0]}\r\nContent-Length: 9999\r\n\r\n"
    )
    with raw_connection(held.running) as connection:
        connection.sendall(head.encode() + wav(1)[:100])
        assert connection.recv(1024).split()[1] == b"504"


def test_the_same_request_is_computed_once(held: Held) -> None:
    content, before = wav(3, seed=1), held.windows()
    first = post(held.running, content, key='"once"')
    after = held.windows()
    again = post(held.running, content, "&timeout_s=9", key="once")
    assert first.status_code == again.status_code == 200
    assert first.content == again.content
    assert "idempotent-replayed" not in first.headers
    assert again.headers["idempotent-replayed"] == "true"
    assert held.windows() == after > before


def test_a_key_stands_for_one_request_of_one_client(held: Held) -> None:
    content = wav(1, seed=2)
    first = post(held.running, content, key="mine")
    refused(post(held.running, wav(1, seed=3), key="mine"), 422, "key_reused")
    refused(post(held.running, content, "&hop_s=1", key="mine"), 422, "key_reused")
    other = post(held.running, wav(1, seed=3), key="mine", by=KEYS[1])
    assert other.status_code == 200
    assert other.content != first.content
    for bad in ("", "x" * 256, "two words"):
        refused(post(held.running, content, key=bad), 400, "bad_request", "Idempotency-Key")


def test_two_at_once_wait_for_one_computation(held: Held) -> None:
    content, before = wav(1, seed=4), held.windows()
    held.model.hold()
    with ThreadPoolExecutor() as pool:
        sent = [pool.submit(post, held.running, content, key="at-once") for _ in range(2)]
        held.running.wait_until(lambda: held.running.service.taken == 2)
        assert held.model.is_asked.wait(60)
        held.model.may_answer.set()
        answers = [one.result() for one in sent]
    assert answers[0].content == answers[1].content
    assert sum("idempotent-replayed" in one.headers for one in answers) == 1
    alone = wav(1, seed=5)
    took = held.windows() - before
    post(held.running, alone)
    assert held.windows() - before == 2 * took


def test_a_failure_is_not_kept(held: Held) -> None:
    held.model.hold()
    try:
        refused(post(held.running, wav(1), "&timeout_s=0.2", key="late"), 504, "timed_out")
    finally:
        held.model.may_answer.set()
    assert post(held.running, wav(1), key="late").status_code == 200


def kept(answers: KeptAnswers, name: str, content: bytes) -> tuple[bytes, bool]:
    async def compute() -> bytes:
        return content

    return asyncio.run(answers.get(("client", name), "print", compute))


def test_answers_expire_and_their_memory_is_bounded() -> None:
    now = [0.0]
    answers = KeptAnswers(lambda: now[0], expiry_s=10, most_bytes=100, most=3)
    assert kept(answers, "a", b"1") == (b"1", False)
    assert kept(answers, "a", b"2") == (b"1", True)
    now[0] = 11
    assert kept(answers, "a", b"3") == (b"3", False)
    for name in "bcd":
        kept(answers, name, b"4")
    assert kept(answers, "b", b"5")[1]
    assert not kept(answers, "a", b"5")[1]
    assert kept(answers, "big", bytes(101)) == (bytes(101), False)
    assert not kept(answers, "big", bytes(101))[1]


def test_who_waits_for_a_failure_computes_itself() -> None:
    answers, asked = KeptAnswers(), []

    async def compute(may_go: asyncio.Event, result: bytes | None) -> bytes:
        asked.append(result)
        await may_go.wait()
        if result is None:
            msg = "failed"
            raise ProtocolError(msg, "model_failed")
        return result

    async def both() -> list[Any]:
        go = asyncio.Event()
        first = asyncio.create_task(answers.get(("", "k"), "p", lambda: compute(go, None)))
        await until(lambda: asked == [None])
        second = asyncio.create_task(answers.get(("", "k"), "p", lambda: compute(go, b"2")))
        go.set()
        return list(await asyncio.gather(first, second, return_exceptions=True))

    failed, answer = asyncio.run(both())
    assert isinstance(failed, ProtocolError)
    assert answer == (b"2", False)
    assert key_of('"a-b"') == key_of("a-b") == "a-b"
