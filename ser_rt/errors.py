"""Every error that ser-rt raises on purpose.

SerError
├── ConfigError (ValueError)                 a setting or flag has a bad name or value
├── BundleError
│   ├── BundleNotFoundError (FileNotFoundError)
│   └── BundleInvalidError (ValueError)      wrong hash, unknown format, path outside the folder
├── AudioError
│   ├── AudioNotFoundError (FileNotFoundError)
│   ├── AudioDecodeError (ValueError)        not audio, truncated
│   │   └── NoAudioError                     nothing in it
│   └── AudioInputError (ValueError)         samples pushed with a wrong type, rate or value
│       ├── NoChannelError                   the audio has no such channels
│       └── NoTrackError                     the file has no such audio track
├── DeviceError (OSError)                    no such microphone, or it does not open
├── ProviderError (RuntimeError)             an execution provider did not come up
├── InferenceError (RuntimeError)            the model failed on a window
├── ClusterError (ConnectionError)           a Ray cluster does not answer, or has no room
├── ServerError (ConnectionError)            a server is not there, refuses, or fails
├── OutputError (OSError)                    an output cannot be written
├── DataError (ValueError)                   a manifest, a folder of clips or a split is unfit
├── CheckpointError (ValueError)             not a checkpoint, or its head was never trained
├── TrainingError (RuntimeError)             training cannot go on
├── ExportError (RuntimeError)
│   └── GateError                            the exported graph is not equal to the network
└── MissingDependencyError (ImportError)     an extra is not installed

Each also inherits the builtin that a caller would catch. A message says what was wrong, with
which value, and what to do.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


class SerError(Exception):
    """Base of every error that ser-rt raises on purpose."""


class ConfigError(SerError, ValueError):
    """A setting or flag has an unknown name or a value out of range."""


class BundleError(SerError):
    """A model bundle cannot be used."""


class BundleNotFoundError(BundleError, FileNotFoundError):
    """There is no bundle at the path, or one of its files is missing."""


class BundleInvalidError(BundleError, ValueError):
    """A bundle's manifest or files are not what they claim to be."""


class AudioError(SerError):
    """Audio cannot be read."""


class AudioNotFoundError(AudioError, FileNotFoundError):
    """There is no audio file at the path."""


class AudioDecodeError(AudioError, ValueError):
    """A file or byte stream is not audio that can be decoded."""


class NoAudioError(AudioDecodeError):
    """A file or byte stream holds no audio at all."""


class AudioInputError(AudioError, ValueError):
    """Samples handed over by a caller have a wrong type, shape, rate or value."""


class NoChannelError(AudioInputError):
    """Audio does not have the channels that are asked for."""


class NoTrackError(AudioInputError):
    """A file does not have the audio track that is asked for."""


class DeviceError(SerError, OSError):
    """A microphone does not exist or cannot be opened."""


class ProviderError(SerError, RuntimeError):
    """An execution provider was asked for and did not come up."""


class InferenceError(SerError, RuntimeError):
    """The model failed on a window, or takes no more windows."""


class ClusterError(SerError, ConnectionError):
    """A Ray cluster does not answer, or has nothing to run on."""


class ServerError(SerError, ConnectionError):
    """A server is not there, refuses a stream, or ends it."""


class OutputError(SerError, OSError):
    """An output cannot be written."""


class DataError(SerError, ValueError):
    """A manifest, a folder of clips or a split is unfit for its purpose."""


class CheckpointError(SerError, ValueError):
    """A folder is not a checkpoint, or its classification head was never trained."""


class TrainingError(SerError, RuntimeError):
    """Training cannot go on."""


class ExportError(SerError, RuntimeError):
    """A network cannot be exported."""


class GateError(ExportError):
    """An exported graph failed a gate: it is not equal enough to its network."""


class MissingDependencyError(SerError, ImportError):
    """An optional dependency is not installed; the message names what to install."""


@contextmanager
def requires(name: str, *extras: str) -> Iterator[None]:
    """Translate a failed import of an optional dependency.

    Args:
        name: The dependency, or what needs it, as the message names it.
        extras: Extras of ser-rt, any of which has it; without one, ``name`` is a package.

    Raises:
        MissingDependencyError: An import inside failed; it names what to install.
    """
    try:
        yield
    except MissingDependencyError:
        raise
    except ImportError as error:
        what = " or ".join(f"'ser-rt[{extra}]'" for extra in extras) or name
        msg = f"{name} does not load ({error}): pip install {what}"
        raise MissingDependencyError(msg) from error
