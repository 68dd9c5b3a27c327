from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ser_rt.corpus import (
    Clip,
    hold_out_speakers,
    load_directory,
    load_manifest,
    shared_speakers,
)
from ser_rt.errors import DataError

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
    with pytest.raises(DataError, match="no audio"):
        load_directory(tmp_path, LABELS)
    (tmp_path / "Jyo").mkdir()
    with pytest.raises(DataError, match=r"no emotion: \['Jyo'\]"):
        load_directory(tmp_path, LABELS)


clip_lists = st.lists(
    st.builds(
        lambda number, emotion, speaker: Clip(
            Path(f"{number}.wav"), emotion, speaker and f"s{speaker}", f"d{speaker % 2}"
        ),
        st.integers(0, 10_000),
        st.sampled_from(LABELS),
        st.integers(1, 8),
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
