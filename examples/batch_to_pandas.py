"""A folder of recordings through ser-batch, and its tables in pandas."""

import shutil
import sys
import tempfile
from pathlib import Path

import pyarrow.dataset as ds

import ser_rt
from ser_rt.batch.cli import main as ser_batch


def main():
    """Classify a folder, or the sample, and print two tables."""
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work, "recordings")
        if len(sys.argv) > 1:
            folder = Path(sys.argv[1])
        else:
            folder.mkdir()
            shutil.copy(ser_rt.sample_path(), folder / "sample.flac")
        out = Path(work, "result")
        code = ser_batch([str(folder), "--out", str(out), "--model", "compact", "--quiet"])
        if code:
            sys.exit(code)
        files = ds.dataset(out / "files").to_table().to_pandas()
        windows = ds.dataset(out / "windows").to_table().to_pandas()
    print(files[["path", "duration_s", "emotion", "confidence"]].to_string(index=False))
    spoken = windows.dropna(subset=["emotion"])
    print(spoken.groupby("emotion")["end_s"].agg(["count", "min", "max"]).to_string())


if __name__ == "__main__":  # workers are processes that import this file
    main()
