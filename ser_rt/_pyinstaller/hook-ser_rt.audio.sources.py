"""The sources."""

from ser_rt._pyinstaller import modules_of
from ser_rt.audio.sources import SOURCES

hiddenimports = modules_of(SOURCES.values())
