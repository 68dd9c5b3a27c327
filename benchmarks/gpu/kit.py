"""An offline kit for a machine that reaches no network: source, packages in parts, and hashes.

Wheels are unpacked into one folder and compressed together, which takes a fifth less than wheels
do, and cut into parts that small uploads take.
"""

from __future__ import annotations

import io
import subprocess
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

from ser_rt.errors import ConfigError, OutputError
from ser_rt.files.hashing import sha256_of
from ser_rt.files.provenance import git_state

ROOT = Path(__file__).resolve().parent.parent.parent
MOST_BYTES = 48 * 2**20
"""Largest part."""

SOURCE, PACKAGES, SUMS, JOIN, COMMIT = (
    "source.tar.gz",
    "packages.tar.xz",
    "SHA256SUMS",
    "join.sh",
    "COMMIT",
)

SCRIPT = f"""\
#!/bin/sh
# Joins the kit beside this script in the folder $1, and prints how to begin.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
into=${{1:-gpu-kit}}
mkdir -p "$into/packages"
(cd "$here" && sha256sum --check --quiet {SUMS})
tar xzf "$here/{SOURCE}" -C "$into"
if [ -e "$here/{PACKAGES}.000" ]; then
    cat "$here/{PACKAGES}".* | tar xJ -C "$into/packages"
fi
# Nothing is installed there: these two folders belong into the package.
ln -sfn ../export ../benchmarks "$into/ser_rt/"
commit=$(cat "$here/{COMMIT}")
echo "cd $into && PYTHONPATH=packages python3 -m ser_rt.benchmarks.gpu.session --commit $commit"
"""


def pack(out: Path, wheels: Path | None = None) -> list[Path]:
    """Write a kit into a folder; return its files.

    Raises:
        ConfigError: this is no checkout, or there are no wheels in the folder.
        OutputError: the folder cannot be written, or holds something.
    """
    commit = git_state()
    if not commit or not (ROOT / "pyproject.toml").is_file():
        msg = f"{ROOT} is no checkout of the repository: pack a kit from one"
        raise ConfigError(msg)
    found = sorted(wheels.glob("*.whl")) if wheels else []
    if wheels and not found:
        msg = f"{wheels} has no wheels: pip download -d {wheels} onnxruntime-gpu soundfile soxr"
        raise ConfigError(msg)
    try:
        out.mkdir(parents=True, exist_ok=True)
        if any(out.iterdir()):
            msg = f"{out} is not empty: give another folder"
            raise OutputError(msg)
        _archive_source(out / SOURCE)
        if found:
            _archive_packages(out, found)
        (out / COMMIT).write_text(commit + "\n", encoding="utf-8")
        (out / JOIN).write_text(SCRIPT, encoding="utf-8")
        files = [path for path in sorted(out.iterdir()) if path.name != JOIN]
        lines = [f"{sha256_of(path)}  {path.name}\n" for path in files]
        (out / SUMS).write_text("".join(lines), encoding="utf-8")
    except OSError as error:
        if isinstance(error, OutputError):
            raise
        msg = f"cannot write {out}: {error.strerror}"
        raise OutputError(msg) from error
    return sorted(out.iterdir())


def _archive_source(path: Path) -> None:
    command = ["git", "-C", str(ROOT), "archive", "--format=tar.gz", "-o", str(path.resolve())]
    subprocess.run([*command, "HEAD"], check=True)


def _archive_packages(out: Path, wheels: list[Path]) -> None:
    with tempfile.TemporaryFile() as whole:
        with tarfile.open(fileobj=whole, mode="w:xz", preset=6) as archive:
            for wheel in wheels:
                for name, content in _contents(wheel):
                    member = tarfile.TarInfo(name)
                    member.size, member.mode = len(content), 0o755
                    archive.addfile(member, io.BytesIO(content))
        whole.seek(0)
        for number, part in enumerate(iter(lambda: whole.read(MOST_BYTES), b"")):
            (out / f"{PACKAGES}.{number:03}").write_bytes(part)


def _contents(wheel: Path) -> Iterator[tuple[str, bytes]]:
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            if not name.endswith("/"):
                yield name, archive.read(name)
