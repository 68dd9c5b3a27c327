"""What lies in folders beside recordings."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ser_rt.audio.discovery import AUDIO_SUFFIXES, find_audio
from ser_rt.errors import DataError


def make(folder: Path, *names: str) -> Path:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return folder


def names(folder: Path, paths: list[str]) -> list[str]:
    return [os.path.relpath(path, folder) for path in paths]


CLUTTER = (
    *("._1.wav", ".DS_Store", ".hidden.wav", ".wav", ".git/1.wav", ".ipynb_checkpoints/1.wav"),
    *("__MACOSX/1.wav", "__macosx/2.wav", "@eaDir/1.wav/SYNO@x.wav", "#recycle/1.wav"),
    *("$RECYCLE.BIN/1.wav", "System Volume Information/1.wav", "lost+found/1.wav"),
    *("Thumbs.db", "desktop.ini", "Icon\r", "sub/.AppleDouble/1.wav", "sub/THUMBS.DB"),
)


def test_clutter_is_passed_over_and_counted(tmp_path: Path) -> None:
    make(tmp_path, "1.wav", "sub/2.MP3", *CLUTTER)
    found = find_audio(tmp_path)
    assert names(tmp_path, found.audio) == ["1.wav", "sub/2.MP3"]
    assert found.others == []
    assert found.counts() == {"hidden": 7, "of a system": len(CLUTTER) - 7}
    (remark,) = found.remarks()
    assert remark.startswith(f"{tmp_path}: passed over ")
    assert "7 hidden (such as " in remark
    assert "\r" not in remark


def test_other_kinds_are_counted_and_told_if_they_could_be_audio(tmp_path: Path) -> None:
    make(tmp_path, "1.wav", "1.txt", "1.TextGrid", "1.json")
    assert find_audio(tmp_path).remarks() == []
    assert find_audio(tmp_path).counts() == {"of other kinds": 3}
    make(tmp_path, "2.sph", "3.SPH", "4", "5.zip")
    assert find_audio(tmp_path).remarks() == [
        f"{tmp_path}: passed over 4 of other kinds (2 .sph, 1 no suffix, 1 .zip)"
    ]


def test_a_folder_that_is_named_is_searched_whatever_its_name_is(tmp_path: Path) -> None:
    for name in (".hidden", "__MACOSX", "@eaDir"):
        make(tmp_path / name, "1.wav")
        assert names(tmp_path / name, find_audio(tmp_path / name).audio) == ["1.wav"]


@pytest.mark.parametrize("suffix", AUDIO_SUFFIXES)
def test_letters_of_a_suffix_may_be_large(tmp_path: Path, suffix: str) -> None:
    make(tmp_path, f"a{suffix}", f"b{suffix.upper()}")
    assert len(find_audio(tmp_path).audio) == 2


def test_linked_folders_are_followed_once_and_loops_end(tmp_path: Path) -> None:
    clips, far = make(tmp_path / "clips", "z/1.wav"), make(tmp_path / "far", "2.wav", "sub/3.wav")
    (clips / "a").symlink_to(clips / "z")  # it comes first, and its target keeps its name
    (clips / "far").symlink_to(far)
    (clips / "far2").symlink_to(far / "sub")
    (clips / "z" / "up").symlink_to(clips)
    (clips / "z" / "self").symlink_to("self")
    found = find_audio(clips)
    assert names(clips, found.audio) == ["far/2.wav", "far/sub/3.wav", "z/1.wav"]


def test_linked_files_count_and_dead_links_are_not_hushed_up(tmp_path: Path) -> None:
    clips = make(tmp_path / "clips", "1.wav")
    (clips / "2.wav").symlink_to(clips / "1.wav")
    (clips / "dead.wav").symlink_to(tmp_path / "none")
    (clips / "loop.wav").symlink_to("loop.wav")
    assert names(clips, find_audio(clips).audio) == ["1.wav", "2.wav", "dead.wav", "loop.wav"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(make(tmp_path, "1.wav") / "pipe.wav")
    found = find_audio(tmp_path)
    assert names(tmp_path, found.audio) == ["1.wav"]
    assert found.counts() == {"neither file nor folder": 1}


def test_the_order_is_that_of_the_paths(tmp_path: Path) -> None:
    make(tmp_path, "b/1.wav", "a-b/1.wav", "a/2.wav", "a/10.wav", "c.wav")
    found = [Path(path) for path in find_audio(tmp_path).audio]
    assert found == sorted(found)


def test_names_of_any_bytes_are_found(tmp_path: Path) -> None:
    name = os.fsdecode("감정.wav".encode("cp949"))
    make(tmp_path, name, "two\nlines.wav")
    assert names(tmp_path, find_audio(tmp_path).audio) == ["two\nlines.wav", name]


def test_a_folder_that_cannot_be_read_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(tmp_path, "1.wav", "closed/2.wav")
    scandir = os.scandir

    def refuse(path: str) -> object:
        if str(path).endswith("closed"):
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    found = find_audio(tmp_path)
    assert names(tmp_path, found.audio) == ["1.wav"]
    assert found.remarks() == [
        f"{tmp_path}: the folder {tmp_path / 'closed'} cannot be read: Permission denied"
    ]
    with pytest.raises(DataError, match="Permission denied"):
        find_audio(tmp_path / "closed")


def test_what_is_no_folder_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "none", make(tmp_path, "a.wav") / "a.wav"):
        with pytest.raises(DataError, match="cannot be read"):
            find_audio(path)
