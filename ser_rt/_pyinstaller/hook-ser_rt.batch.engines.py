"""The engines of ``ser-batch``."""

from ser_rt._pyinstaller import modules_of
from ser_rt.batch.engines import ENGINES

hiddenimports = modules_of(ENGINES.values())
