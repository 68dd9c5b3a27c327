"""The JavaScript client in Node: the example of the docs as it stands, and the package."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import numpy as np

from tests.conftest import make_wave
from tests.server.conftest import Running
from tests.support.programs import needs
from tests.support.source_tree import ROOT

CLIENT = ROOT / "ser_rt/server/static/ser-client.js"
PACKAGE = ROOT / "npm"
NODE = ["node", "--no-warnings", "--experimental-websocket"]
HEAD = """\
import {{ readFileSync }} from "node:fs";
const pcm = readFileSync({pcm});
const samples = new Int16Array(pcm.buffer, pcm.byteOffset, pcm.length / 2);
const heard = [];
const keep = ({{ detail }}) => heard.push(detail.event);
"""
TAIL = """
process.stderr.write(JSON.stringify({ heard, lost_s: client.lost_s, state: client.state }));
"""


def example(page: Path) -> str:
    """The example of a page."""
    found = re.search(r"```js\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    assert found
    return found[1]


def run_example(text: str, url: str, folder: Path) -> tuple[str, dict[str, object]]:
    """Run it with six seconds of noise; return its output, and what it heard."""
    wave = make_wave(6.0, rate=48_000)
    (folder / "audio.pcm").write_bytes((wave * 32767).astype(np.int16).tobytes())
    text = re.sub(r'from "[^"]+"', f"from {json.dumps(CLIENT.as_uri())}", text, count=1)
    text = text.replace("wss://host/v1/stream", url)
    text = text.replace(
        "client.connect();", 'client.addEventListener("result", keep);\nclient.connect();'
    )
    head = HEAD.format(pcm=json.dumps(str(folder / "audio.pcm")))
    (folder / "example.mjs").write_text(head + text + TAIL, encoding="utf-8")
    done = subprocess.run(
        [*NODE, "example.mjs"], check=True, capture_output=True, text=True, cwd=folder, timeout=120
    )
    return done.stdout, json.loads(done.stderr.splitlines()[-1])


@needs("node")
def test_the_example_of_the_docs_loses_nothing(running: Running, tmp_path: Path) -> None:
    shown, told = run_example(example(ROOT / "docs/server.md"), running.ws, tmp_path)
    summary = told["heard"][-1]  # type: ignore[index]  # of JSON
    assert summary["type"] == "summary"
    assert summary["audio_s"] == 6.0
    assert (told["lost_s"], told["state"]) == (0, "closed")
    assert len(shown.splitlines()) == len(told["heard"])  # type: ignore[arg-type]  # of JSON


@needs("node")
def test_what_cannot_pass_ends_the_wait(running: Running, tmp_path: Path) -> None:
    url = running.ws.replace("/v1/stream", "/v1/stream?token=none")
    text = example(ROOT / "docs/server.md").replace("sample_rate: 48000", "sample_rate: 1")
    _, told = run_example(text, url, tmp_path)
    assert (told["heard"], told["state"]) == ([], "closed")


MUTE = """
import {{ mock }} from "node:test";
import {{ SerClient }} from {client};
mock.timers.enable({{ apis: ["setTimeout"] }});
const opened = [];
/** The first accepts, and never says anything; the second is ready at once. */
class Server {{
  readyState = 1;
  bufferedAmount = 0;
  sent = [];
  constructor() {{
    const number = opened.push(this);
    queueMicrotask(() => {{
      this.onopen();
      const ready = {{ type: "ready", hop_s: 0.5, min_window_s: 1 }};
      if (number === 2) this.onmessage({{ data: JSON.stringify(ready) }});
    }});
  }}
  send(data) {{ this.sent.push(typeof data === "string" ? JSON.parse(data) : data.length); }}
  close() {{}}
}}
const config = {{ sample_rate: 16000 }};
const client = new SerClient("ws://host", {{ config, WebSocket: Server }});
const failures = [];
client.addEventListener("failure", ({{ detail }}) => failures.push(detail.code));
client.connect();
await null;
client.send(new Int16Array(16000));
mock.timers.tick(20_000);
await new Promise(setImmediate);
client.send(new Int16Array(8000));
mock.timers.tick(1_000);
await new Promise(setImmediate);
const [first, ...audio] = opened[1]?.sent ?? [];
process.stdout.write(JSON.stringify({{
  failures, state: client.state, lost_s: client.lost_s, start_s: first?.start_s, audio,
}}));
client.stop();
"""


@needs("node")
def test_a_server_that_accepts_and_says_nothing_is_tried_again(tmp_path: Path) -> None:
    script = tmp_path / "mute.mjs"
    script.write_text(MUTE.format(client=json.dumps(CLIENT.as_uri())), encoding="utf-8")
    done = subprocess.run([*NODE, script], check=True, capture_output=True, text=True, timeout=60)
    assert json.loads(done.stdout) == {
        "failures": ["unreachable"], "state": "open", "lost_s": 0, "start_s": 0,
        "audio": [16000, 8000],
    }  # fmt: skip


@needs("node")
def test_the_package_holds_the_client_of_the_page() -> None:
    about = json.loads((PACKAGE / "package.json").read_text(encoding="utf-8"))
    assert example(PACKAGE / "README.md").replace('"ser-client"', '"./ser-client.js"') == example(
        ROOT / "docs/server.md"
    )
    done = subprocess.run(
        ["node", "-e", re.search(r"-e \"(.*)\"$", about["scripts"]["prepack"])[1]],  # type: ignore[index]
        check=True,
        cwd=PACKAGE,
    )
    assert done.returncode == 0
    copied = PACKAGE / "ser-client.js"
    try:
        assert copied.read_bytes() == CLIENT.read_bytes()
    finally:
        copied.unlink()
    typed = (PACKAGE / "ser-client.d.ts").read_text(encoding="utf-8")
    for member in re.findall(
        r"^  (?:get |async )?(\w+)(?:\(.*\))? \{$", CLIENT.read_text(), re.MULTILINE
    ):
        if member not in {"constructor", "add"} and not member.endswith("delay_ms"):
            assert re.search(rf"\b{member}\b", typed), member
