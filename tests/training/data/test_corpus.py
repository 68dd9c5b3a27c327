import unicodedata
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ser_rt.errors import DataError
from ser_rt.files.names import printable
from ser_rt.training.data.corpus import (
    Clip,
    label_id,
    load_directory,
    load_manifest,
)
from ser_rt.training.data.labels import emotion_named
from ser_rt.training.data.splits import hold_out_speakers, shared_speakers

LABELS = ("Neutral", "Angry", "Joy")


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_paths_start_at_the_manifests_folder_and_unknown_emotions_are_left_out(
    tmp_path: Path,
) -> None:
    manifest = write(
        tmp_path / "m.csv",
        "file_path,emotion,speaker,split\na.wav,Joy,x,train\nb.wav,Boredom,x,train\n"
        "c.wav,Angry,y,val\n/far/d.wav,Neutral,z,train\n",
    )
    clips = load_manifest(manifest, LABELS, "train")
    assert [clip.path for clip in clips] == [tmp_path / "a.wav", Path("/far/d.wav")]
    assert [(clip.emotion, clip.speaker) for clip in clips] == [("Joy", "x"), ("Neutral", "z")]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("path,emotion\na.wav,Joy\n", "needs the columns file_path and emotion"),
        ("", "lists no clips"),
        ("file_path,emotion\n", "lists no clips"),
        ("file_path,emotion\na.wav,\n", "line 2: the path or the emotion is empty"),
        ("file_path,emotion\na.wav\n", "line 2: the path or the emotion is empty"),
        ("file_path,emotion\n../a.wav,Joy\n", "line 2: ../a.wav leaves the manifest's folder"),
        ("file_path,emotion\na.wav,Joy\na.wav,Joy\n", "twice"),
        ("file_path,emotion\na.wav,Boredom\n", r"no clip of Neutral.*it has \['Boredom'\]"),
    ],
)
def test_a_bad_manifest_says_what_is_wrong(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(DataError, match=says):
        load_manifest(write(tmp_path / "m.csv", text), LABELS)


def test_a_manifest_of_another_encoding_says_how_to_save_it(tmp_path: Path) -> None:
    path = tmp_path / "m.csv"
    path.write_bytes("file_path,emotion\n한국.wav,Joy\n".encode("cp949"))
    with pytest.raises(DataError, match=r"m.csv is not UTF-8 .* in Excel as 'CSV UTF-8'"):
        load_manifest(path, LABELS)
    path.write_text("file_path,emotion\n한국.wav,Joy\n", encoding="utf-8-sig")  # as Excel does
    assert load_manifest(path, LABELS)[0].path == tmp_path / "한국.wav"


def test_a_missing_manifest_or_split_column_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot read manifest"):
        load_manifest(tmp_path / "none.csv", LABELS)
    manifest = write(tmp_path / "m.csv", "file_path,emotion\na.wav,Joy\n")
    with pytest.raises(DataError, match="no split column"):
        load_manifest(manifest, LABELS, "val")


def test_a_folder_for_each_emotion(tmp_path: Path) -> None:
    for name in ("Joy/b.wav", "Joy/a.FLAC", "Angry/x/c.mp3", "Angry/notes.txt"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    found = [(clip.path.name, clip.emotion) for clip in load_directory(tmp_path, LABELS)]
    assert found == [("c.mp3", "Angry"), ("a.FLAC", "Joy"), ("b.wav", "Joy")]


def test_a_folder_that_is_no_emotion_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no folder"):
        load_directory(tmp_path / "none", LABELS)
    (tmp_path / "Joy").mkdir()
    (tmp_path / "Joy" / "._a.wav").touch()
    with pytest.raises(DataError, match="no audio"):
        load_directory(tmp_path, LABELS)
    (tmp_path / "Jyo").mkdir()
    with pytest.raises(DataError, match=r"\['Jyo'\]"):
        load_directory(tmp_path, LABELS)


def test_a_manifest_finds_files_whose_names_are_written_otherwise(tmp_path: Path) -> None:
    there = [unicodedata.normalize("NFD", "기쁨.wav"), "two\nlines.wav"]
    for name in there:
        (tmp_path / name).touch()
    written = [unicodedata.normalize("NFC", there[0]), printable(there[1]), "none.wav"]
    rows = "".join(f"{name},Joy\n" for name in written)
    clips = load_manifest(write(tmp_path / "m.csv", f"file_path,emotion\n{rows}"), LABELS)
    assert [clip.path.name for clip in clips] == [*there, "none.wav"]


def test_one_file_named_in_two_ways_is_listed_twice(tmp_path: Path) -> None:
    name = unicodedata.normalize("NFD", "감정.wav")
    (tmp_path / name).touch()
    for again in (unicodedata.normalize("NFC", name), str(tmp_path / name)):
        text = f"file_path,emotion\n{name},Joy\n{again},Joy\n"
        with pytest.raises(DataError, match="twice"):
            load_manifest(write(tmp_path / "m.csv", text), LABELS)


def test_backslashes_of_windows_lead_into_folders_and_not_out(tmp_path: Path) -> None:
    (tmp_path / "clips").mkdir()
    (tmp_path / "clips" / "a.wav").touch()
    manifest = write(tmp_path / "m.csv", "file_path,emotion\nclips\\a.wav,Joy\n")
    assert load_manifest(manifest, LABELS)[0].path == tmp_path / "clips" / "a.wav"
    with pytest.raises(DataError, match="leaves the manifest's folder"):
        load_manifest(write(manifest, "file_path,emotion\n..\\a.wav,Joy\n"), LABELS)


def test_values_of_two_tables_are_the_same_however_they_are_composed(tmp_path: Path) -> None:
    text = "File_Path;EMOTION;Speaker;Split\na.wav; joy ;홍길동 ;val\n;;;\nb.wav;기쁨;{};val\n"
    text = text.format(unicodedata.normalize("NFD", "홍길동"))
    for encoding in ("utf-8", "utf-8-sig", "utf-16"):
        (tmp_path / "m.csv").write_bytes(text.encode(encoding))
        clips = load_manifest(tmp_path / "m.csv", LABELS, "val")
        assert {(clip.emotion, clip.speaker) for clip in clips} == {("Joy", "홍길동")}
        assert len(clips) == 2


def test_what_is_left_out_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    text = "file_path,emotion\na.wav,Joy\nb.wav,Bored\nc.wav,Bored\nd.wav,Sad\n"
    assert len(load_manifest(write(tmp_path / "m.csv", text), LABELS)) == 1
    assert "Bored 2, Sad 1" in caplog.text


@pytest.mark.parametrize(
    ("given", "labels", "means"),
    [
        ("Angry", LABELS, "Angry"),
        (" ANGRY ", LABELS, "Angry"),
        ("분노", LABELS, "Angry"),
        (unicodedata.normalize("NFD", "분노"), LABELS, "Angry"),
        ("Angry", ("angry", "joy"), "angry"),
        ("기쁨", ("angry", "joy"), "joy"),
        ("SAD", LABELS, "Sad"),
        ("슬픔", LABELS, "Sad"),
        ("Angry", ("angry", "ANGRY"), "Angry"),
        ("ANgry", ("angry", "ANGRY"), "Angry"),
        ("Happy", LABELS, "Happy"),
        ("Angray", LABELS, "Angray"),
        ("", LABELS, ""),
    ],
)
def test_an_emotion_is_known_by_its_name_in_any_case_and_in_korean(
    given: str, labels: tuple[str, ...], means: str
) -> None:
    assert emotion_named(given, labels) == means


def test_an_id_may_come_from_anywhere() -> None:
    for label in (1, 1.0, np.int64(1), np.float32(1), "angry", "분노"):
        assert label_id(label, LABELS) == 1
    for unknown in (3, -1, 1.5, True, None, float("nan"), "1", "Sad"):
        with pytest.raises(DataError, match="unknown emotion"):
            label_id(unknown, LABELS)


def test_folders_of_emotions_are_named_as_emotions_are(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for name in (
        *("joy/a.wav", "분노/b.wav", "NEUTRAL/c.wav", "joy/._a.wav", "joy/.git/d.wav"),
        *(".ipynb_checkpoints/e.wav", "__MACOSX/f.wav", "@eaDir/g.wav", "stray.wav"),
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    clips = load_directory(tmp_path, LABELS)
    assert [(c.emotion, c.path.name) for c in clips] == [
        ("Neutral", "c.wav"),
        ("Angry", "b.wav"),
        ("Joy", "a.wav"),
    ]
    assert len(caplog.records) == 2
    assert "3 hidden" in caplog.text
    assert "2 of a system" in caplog.text
    assert "1 audio files are in no emotion's folder and left out, such as stray.wav" in caplog.text


clip_lists = st.lists(
    st.builds(
        lambda number, emotion, speaker, dataset: Clip(
            Path(f"{number}.wav"), emotion, f"s{speaker}", f"d{dataset}"
        ),
        st.integers(0, 10_000),
        st.sampled_from(LABELS),
        st.integers(1, 4),
        st.integers(0, 1),
    ),
    min_size=2,
    unique_by=lambda clip: clip.path,
)


@given(clip_lists, st.floats(0.05, 0.9), st.integers(0, 99))
def test_a_split_keeps_every_clip_once_and_shares_no_speaker(
    clips: list[Clip], share: float, seed: int
) -> None:
    datasets = {clip.dataset for clip in clips}
    alone = [d for d in datasets if len({c.speaker for c in clips if c.dataset == d}) == 1]
    if alone:
        with pytest.raises(DataError, match="one speaker"):
            hold_out_speakers(clips, share, seed)
        return
    kept, held = hold_out_speakers(clips, share, seed)
    assert sorted(map(repr, kept + held)) == sorted(map(repr, clips))
    assert not shared_speakers(kept, held)
    assert {clip.dataset for clip in held} == datasets == {clip.dataset for clip in kept}


def test_a_folder_stands_for_the_emotion_that_it_is_said_to_mean(
    tmp_path: Path,
) -> None:
    for name in ("happy", "ANGRY"):
        (tmp_path / "clips" / name).mkdir(parents=True)
        (tmp_path / "clips" / name / "a.wav").touch()
    with pytest.raises(DataError, match="If happy means Joy: --same-labels happy=Joy"):
        load_directory(tmp_path / "clips", ("Joy", "Angry"))
    found = load_directory(tmp_path / "clips", ("Joy", "Angry"), ["happy=Joy"])
    assert [clip.emotion for clip in found] == ["Joy", "Angry"]
