"""The examples of docs/embedding.md on a tiny model; and leaving a live stream from asyncio."""

import asyncio
import re
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import ser_rt
from ser_rt.audio.sources.push import PushSource
from ser_rt.runtime import stream
from ser_rt.runtime.backends.onnx_classifier import OnnxClassifier
from tests.conftest import RATE, make_wave
from tests.support.source_tree import ROOT

TEXT = (ROOT / "docs" / "embedding.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"(<!-- not run: [^\n]+ -->\n)?```python\n(.*?)```", re.DOTALL)
EXAMPLES = [code for not_run, code in BLOCK.findall(TEXT) if not not_run]


@pytest.mark.parametrize("code", EXAMPLES)
def test_example_runs(
    code: str,
    tiny_bundle: Path,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    write_audio: Callable[..., Path],
) -> None:
    write_audio("speech.wav", make_wave(3))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(stream, "find_bundle", lambda _: tiny_bundle)
    before = threading.active_count()
    a_reader_has = {"chunks": list(make_wave(2, 48_000).reshape(-1, 4_800)), "__name__": "x"}
    exec(compile(code, "docs/embedding.md", "exec"), a_reader_has)  # noqa: S102 (our docs)
    assert threading.active_count() <= before + 1  # asyncio's executor may linger


def test_every_warning_is_in_the_table() -> None:
    codes = set()
    for path in (ROOT / "ser_rt" / "runtime").rglob("*.py"):
        code = path.read_text(encoding="utf-8")
        codes |= set(re.findall(r'(?:SourceWarning|_say|\.warn)\(\s*"(\w+)"', code))
    assert codes
    assert {code for code in codes if f"`{code}`" not in TEXT} == set()


def test_a_cancelled_task_ends_a_live_stream(classifier: OnnxClassifier) -> None:
    source = PushSource(RATE)

    async def cancel_it() -> None:
        has_event = asyncio.Event()

        async def consume() -> None:
            async for _ in ser_rt.astream(source, model=classifier, vad=False):
                has_event.set()

        task = asyncio.create_task(consume())
        source.push(np.zeros(RATE, np.float32))
        await has_event.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(asyncio.wait_for(cancel_it(), 60))


def test_a_live_push_stream_leaves_out_what_comes_too_late(classifier: OnnxClassifier) -> None:
    with ser_rt.open_stream(sample_rate=RATE, model=classifier, vad=False, live=True) as stream:
        assert stream.push(make_wave(1), captured_at=0.0) == []
        assert [event.code for event in stream.push(make_wave(0.5))] == ["stale", None]
