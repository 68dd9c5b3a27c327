"""The sources."""

from ser_rt._pyinstaller import modules_of
from ser_rt.runtime.sources import SOURCES

hiddenimports = modules_of(SOURCES.values())
