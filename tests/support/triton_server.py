"""A real Triton server with its python backend, as the package nvidia-pytriton carries it.

It lives in an environment of its own (`make triton`): its backend works with numpy 1 alone.
"""

from __future__ import annotations

import os
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Self

from tests.support.source_tree import ROOT

ENVIRONMENT = ROOT / ".venv/triton"
_STARTED = ("Started GRPCInferenceService", "Started HTTPService")
_END_S = 30.0


def why_not() -> str | None:
    """Return why there is no server here; None if there is one."""
    package = _package()
    if package is None:
        return "no Triton server is installed: make triton"
    needs = subprocess.run(["ldd", _stub(package)], check=False, capture_output=True, text=True)
    missing = [line.split()[0] for line in needs.stdout.splitlines() if "not found" in line]
    return f"Triton's python backend needs {missing[0]}" if missing else None


class TritonServer:
    """A server of a repository, at ports of its own; it loads models on request.

    Attributes:
        grpc: Host and port of the gRPC service.
        http: Host and port of the HTTP service.
    """

    def __init__(self, repository: Path, scratch: Path) -> None:
        """Name the repository, and a folder to write to."""
        self._repository, self._scratch = repository, scratch
        self._ports = list(_free_ports(2))
        self.grpc, self.http = (f"127.0.0.1:{port}" for port in self._ports)
        self._log: list[str] = []

    def __enter__(self) -> Self:
        """Start it, and wait until it is ready."""
        package = _package()
        assert package is not None
        backend = self._scratch / "backends/python"
        backend.mkdir(parents=True)
        for path in (*(package / "tritonserver/backends/python").iterdir(), _stub(package)):
            (backend / path.name).symlink_to(path)
        grpc_port, http_port = self._ports
        command = [
            str(package / "tritonserver/bin/tritonserver"),
            f"--model-repository={self._repository}",
            f"--backend-directory={backend.parent}",
            "--model-control-mode=explicit",
            "--grpc-address=127.0.0.1",
            f"--grpc-port={grpc_port}",
            "--http-address=127.0.0.1",
            f"--http-port={http_port}",
            "--allow-metrics=false",
        ]
        # The backend has the packages of the first python3 in PATH.
        env = os.environ | {"PATH": f"{ENVIRONMENT / 'bin'}:{os.environ['PATH']}"}
        self._process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=env)
        assert self._process.stderr
        waiting = set(_STARTED)
        for line in self._process.stderr:
            self._log.append(line)
            waiting -= {words for words in waiting if words in line}
            if not waiting:
                break
        assert not waiting, "".join(self._log)
        self._reader = threading.Thread(target=self._read, args=[self._process.stderr])
        self._reader.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        """End it."""
        self.stop()

    def stop(self) -> int:
        """Terminate it; return its exit code."""
        self._process.terminate()
        try:
            return self._process.wait(_END_S)
        finally:
            self._process.kill()
            self._reader.join()

    def _read(self, stream: IO[str]) -> None:
        with stream:
            self._log += stream


def _package() -> Path | None:
    return next(ENVIRONMENT.glob("lib/python*/site-packages/pytriton"), None)


def _stub(package: Path) -> Path:
    version = package.parent.parent.name.removeprefix("python")
    return package / "tritonserver/python_backend_stubs" / version / "triton_python_backend_stub"


def _free_ports(count: int) -> Iterator[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    for one in sockets:
        yield one.getsockname()[1]
        one.close()
