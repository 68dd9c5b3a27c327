"""The bundled models, samples, schemas and pages, and the names that `ser_rt` loads lazily."""

from PyInstaller.utils.hooks import collect_data_files

from ser_rt import _HOME
from ser_rt._pyinstaller import modules_of

datas = collect_data_files("ser_rt")
hiddenimports = modules_of(_HOME.values())
