from pathlib import Path

import pytest

from ser_rt.errors import OutputError
from ser_rt.runtime.sinks.rotating_file import RotatingFile


def written(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def test_a_full_file_makes_room_and_lines_stay_whole(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    with RotatingFile(path, max_bytes=20, keep=2, header=True) as file:
        file.write("a,b\n")
        for i in range(12):
            file.write(f"row {i}\n")
    assert written(path) == "a,b\nrow 10\nrow 11\n"
    assert written(tmp_path / "log.csv.1") == "a,b\nrow 8\nrow 9\n"
    assert written(tmp_path / "log.csv.2") == "a,b\nrow 6\nrow 7\n"
    assert not (tmp_path / "log.csv.3").exists()


def test_without_a_limit_it_never_rotates(tmp_path: Path) -> None:
    with RotatingFile(tmp_path / "log") as file:
        for i in range(100):
            file.write(f"{i}\n")
    assert list(tmp_path.iterdir()) == [tmp_path / "log"]


def test_a_link_stays_and_what_it_points_to_rotates(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    link = tmp_path / "log"
    link.symlink_to("disk/log")
    with RotatingFile(link, max_bytes=7, keep=1) as file:
        file.write("row 1\n")
        file.write("row 2\n")
    assert link.is_symlink()
    assert written(link) == "row 2\n"
    assert written(tmp_path / "disk" / "log.1") == "row 1\n"


def test_what_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="cannot be written"):
        RotatingFile(tmp_path / "no" / "log")
