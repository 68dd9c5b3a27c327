"""An output holds each file once, whenever its writer was killed."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from ser_rt.batch.classify_file import BatchConfig, FileClassifier, FileResult, failed_result
from ser_rt.batch.identity import Identity
from ser_rt.batch.output import Output
from ser_rt.errors import OutputError
from ser_rt.testing import LABELS
from tests.batch.conftest import files_of, windows_of

IDENTITY = Identity("tiny", "1.0", "5" * 64, "fp32", LABELS, {"hop": 0.5})


@pytest.fixture(scope="module")
def results(job: BatchConfig, corpus: Path) -> list[FileResult]:
    classifier = FileClassifier(job)
    good = [classifier.classify(str(path)) for path in sorted(corpus.iterdir())]
    return [*good[:4], failed_result("/x/bad.wav", LABELS, "missing", "gone"), *good[4:]]


def write(folder: Path, results: list[FileResult], commit_every_s: float = 0.0) -> None:
    with Output(folder, IDENTITY, commit_every_s=commit_every_s) as output:
        for one in results:
            if one.file["path"] not in output.done:
                output.add(one)


@pytest.fixture
def whole(tmp_path: Path, results: list[FileResult]) -> Path:
    write(tmp_path / "whole", results)
    return tmp_path / "whole"


def parts(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("*/part-*"))


def check_equal(folder: Path, whole: Path) -> None:
    assert files_of(folder) == files_of(whole)
    assert windows_of(folder).equals(windows_of(whole))
    assert all(".part" not in path.name for path in folder.rglob("*"))


def test_files_are_written_together_and_as_time_passes(
    tmp_path: Path, results: list[FileResult]
) -> None:
    write(tmp_path / "one", results, commit_every_s=1e9)
    write(tmp_path / "each", results)
    assert len(parts(tmp_path / "one")) == 2
    assert len(parts(tmp_path / "each")) == 2 * len(results)
    check_equal(tmp_path / "one", tmp_path / "each")


@pytest.mark.parametrize("count", range(8))
@pytest.mark.parametrize("step", ["windows begun", "windows written", "files begun"])
def test_a_pair_that_was_not_finished_is_done_again(
    tmp_path: Path, results: list[FileResult], whole: Path, count: int, step: str
) -> None:
    out = tmp_path / "out"
    write(out, results[:count])
    source = whole / "windows/part-000008.parquet"
    if step == "windows begun":
        (out / "windows/.part-000008.parquet.partial").write_bytes(source.read_bytes()[:99])
    else:
        shutil.copy(source, out / "windows" / source.name)
    if step == "files begun":
        (out / "files/.part-000008.parquet.partial").write_bytes(b"PAR1")
    write(out, results)
    check_equal(out, whole)


def test_files_with_errors_are_classified_again_if_asked(
    tmp_path: Path, results: list[FileResult], whole: Path
) -> None:
    out = tmp_path / "out"
    write(out, results, commit_every_s=1e9)
    with Output(out, IDENTITY) as output:
        assert output.forget_errors(["/x/other.wav", "1.wav"]) == 0
        assert output.forget_errors(["/x/bad.wav"]) == 1
        assert "/x/bad.wav" not in output.done
        assert "bad.wav" not in files_of(out)
        output.add(results[4])
    check_equal(out, whole)


def test_a_kill_while_errors_are_forgotten_leaves_no_file_twice(
    tmp_path: Path, results: list[FileResult], whole: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    write(out, results, commit_every_s=1e9)

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Output, "_remove_set", die)
        with pytest.raises(KeyboardInterrupt), Output(out, IDENTITY) as output:
            output.forget_errors(["/x/bad.wav"])
    assert len(parts(out)) == 4
    write(out, results)
    check_equal(out, whole)


def test_a_file_that_comes_twice_counts_once(tmp_path: Path, results: list[FileResult]) -> None:
    with Output(tmp_path, IDENTITY) as output:
        output.add(results[0])
        output.add(results[0])
    assert len(files_of(tmp_path)) == 1


def test_what_cannot_be_written_is_not_done(
    tmp_path: Path, results: list[FileResult], whole: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(28, "No space")

    with Output(tmp_path / "out", IDENTITY, commit_every_s=1e9) as output:
        output.add(results[0])
        with monkeypatch.context() as patched:
            patched.setattr("pyarrow.parquet.write_table", fail)
            with pytest.raises(OutputError, match="No space"):
                output.commit()
        assert output.done == set()
    write(tmp_path / "out", results)
    check_equal(tmp_path / "out", whole)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"model_sha256": "6" * 64, "version": "2.0"}, "model tiny 1.0 .*, not tiny 2.0"),
        ({"settings": {"hop": 1.0}}, "hop = 0.5, not 1.0"),
        ({"settings": {"hop": 0.5, "turns": True}}, "turns = None, not True"),
        ({"columns": ("speaker",)}, "the manifest columns none, not speaker"),
    ],
)
def test_an_output_of_something_else_is_refused_unless_told(
    whole: Path, results: list[FileResult], change: dict[str, object], words: str
) -> None:
    other = replace(IDENTITY, **change)  # type: ignore[arg-type]  # values of several types
    with pytest.raises(OutputError, match=words), Output(whole, other):
        pass
    assert len(files_of(whole)) == 8
    with Output(whole, other, overwrite=True) as output:
        assert output.done == set()
        output.add(results[1], ["anna"] * len(other.columns))
    assert list(files_of(whole)) == ["1.wav"]
    assert len(windows_of(whole)) == results[1].file["windows"]


def test_settings_are_compared_as_they_are_written(
    tmp_path: Path, results: list[FileResult]
) -> None:
    settings = {"names": ("agent", "customer"), "hop": 1, "limit": None}
    first = replace(IDENTITY, settings=settings, columns=("speaker", "age"))
    with Output(tmp_path, first) as output:
        output.add(results[0], ["anna", "30"])
    settings = {"names": ["agent", "customer"], "hop": 1.0}
    again = replace(first, settings=settings, columns=("age", "speaker"))
    with Output(tmp_path, again) as output:
        assert output.done == {results[0].file["path"]}
        output.add(results[1], ["40", "ben"])
    rows = files_of(tmp_path)
    assert (rows["0.wav"]["manifest_age"], rows["1.wav"]["manifest_age"]) == ("30", "40")
    assert (rows["0.wav"]["manifest_speaker"], rows["1.wav"]["manifest_speaker"]) == ("anna", "ben")


def test_the_model_and_the_settings_are_in_every_file(whole: Path) -> None:
    for path in whole.glob("*/part-*"):
        assert Identity.from_json(pq.read_schema(path).metadata[b"ser_rt"]) == IDENTITY


def test_a_second_writer_is_refused(whole: Path) -> None:
    with (
        Output(whole, IDENTITY),
        pytest.raises(OutputError, match="another run"),
        Output(whole, IDENTITY),
    ):
        pass
    with Output(whole, IDENTITY):
        pass


@pytest.mark.parametrize(
    "name",
    [
        "thesis.txt",
        "windows/other.parquet",
        "windows/part-00000-3f2c.c000.snappy.parquet",
        "files/part-00000-3f2c.snappy.parquet",
        "files/part-0.parquet",
        "turns",
    ],
)
def test_a_folder_of_something_else_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("mine")
    with (
        pytest.raises(OutputError, match=name),
        Output(tmp_path, IDENTITY, overwrite=True),
    ):
        pass
    assert (tmp_path / name).read_text() == "mine"


def test_what_systems_leave_in_folders_is_passed_over(
    tmp_path: Path, results: list[FileResult], whole: Path
) -> None:
    out, clutter = tmp_path / "out", (".DS_Store", "Thumbs.db", "._part-000001.parquet")
    write(out, results[:2])
    left = [out / folder / name for folder in (".", "files", "windows") for name in clutter]
    left.append(out / "files/.part-00000-3f2c.snappy.parquet.crc")
    for path in left:
        path.write_bytes(b"x")
    write(out, results)
    with Output(out, IDENTITY, overwrite=True) as output:
        assert output.done == set()
    assert all(path.read_bytes() == b"x" for path in left)
    for path in left:
        path.unlink()
    write(out, results)
    check_equal(out, whole)


@pytest.mark.parametrize("where", ["file", "file/below", "/dev/null/x", "/proc/x"])
def test_a_folder_that_cannot_be_written_is_one_line(tmp_path: Path, where: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match=where) as caught, Output(tmp_path / where, IDENTITY):
        pass
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["files/part-000003.parquet", "windows/part-000003.parquet"])
def test_a_damaged_output_is_refused(whole: Path, name: str) -> None:
    if name.startswith("windows"):
        (whole / name).unlink()
    else:
        (whole / name).write_bytes(b"PAR1")
    with pytest.raises(OutputError), Output(whole, IDENTITY):
        pass
