"""The execution providers that are packages of their own, with the libraries that they bring."""

from PyInstaller.utils.hooks import collect_dynamic_libs

from ser_rt.runtime.backends.plugins import RTX, WEBGPU

hiddenimports = sorted({RTX.module, WEBGPU.module})
binaries = [library for module in hiddenimports for library in collect_dynamic_libs(module)]
