"""`Analyser`: one model and one thread for all sessions of a process."""

from __future__ import annotations

import functools
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Unpack

from ser_rt.agents.analysis import StreamAnalysis
from ser_rt.agents.participant import ParticipantSession
from ser_rt.audio.channels import is_divided
from ser_rt.bundle import find_bundle
from ser_rt.checks import above, require
from ser_rt.classifier import EmotionClassifier
from ser_rt.errors import ConfigError, InferenceError, SerError
from ser_rt.runtime.engine import make_engine
from ser_rt.runtime.event import Event
from ser_rt.runtime.settings import StreamKeywords, StreamSettings
from ser_rt.runtime.stream import Model, as_classifier
from ser_rt.runtime.vad.settings import VadSettings


class Analyser:
    """Opens sessions, and analyses their audio in a thread, a slice of each in turn.

    Example:
        >>> analyser = Analyser("compact", turn_pause_s=0.5)
        >>> analyser.load().labels[0]
        'Neutral'
        >>> analyser.close()
    """

    def __init__(
        self,
        model: Model = None,
        *,
        backlog_s: float = 5.0,
        clock: Callable[[], float] = time.monotonic,
        **settings: Unpack[StreamKeywords],
    ) -> None:
        """Name a model, which is loaded when it is needed, and the settings of all sessions.

        Args:
            model: As of `ser_rt.stream`.
            backlog_s: Seconds of a session's audio that may wait; beyond, the oldest is dropped.
            clock: Monotonic time in seconds.
            **settings: As of `ser_rt.stream`; turns are on unless they are turned off.

        Raises:
            BundleNotFoundError: There is no such model.
            ConfigError: A setting has a bad value.
        """
        require("backlog_s", backlog_s, above(0))
        wanted: StreamKeywords = {"turns": True}
        wanted.update(settings)
        self._settings = StreamSettings.of(**wanted)
        if not isinstance(self._settings.vad, bool | VadSettings):
            msg = "a Vad is made for one stream: give vad=True, False or VadSettings"
            raise ConfigError(msg)
        if is_divided(self._settings.source_channel):
            msg = "a session is of one participant: open one for each channel"
            raise ConfigError(msg)
        self._model: Model = model
        if model is None or isinstance(model, str | Path):
            self._model = find_bundle(model)
        self._classifier: EmotionClassifier | None = None
        self._loading = threading.Lock()
        self._backlog_s, self.clock = backlog_s, clock
        self._due: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self.is_closed = False
        """Whether `close` was called."""

    def load(self) -> EmotionClassifier:
        """Load the model, which takes a moment, and return it; else the first session does.

        Raises:
            BundleError: It is no valid bundle.
            ProviderError: Its provider did not come up.
        """
        with self._loading:
            if self._classifier is None:
                classifier = as_classifier(self._model, self._settings)
                # A stream, for what the first one loads: it would stop the event loop in a call.
                make_engine(classifier, self._settings, clock=self.clock)
                self._classifier = classifier
            return self._classifier

    def prepare(self) -> None:
        """Begin to load the model in the thread; the first session has the error if it fails.

        Raises:
            InferenceError: The analyser is closed.
        """
        self._start()

        def try_to_load() -> None:
            with suppress(SerError):
                self.load()

        self._due.put(try_to_load)

    def open(
        self,
        on_event: Callable[[Event], None],
        *,
        name: str | None = None,
        backlog_s: float | None = None,
    ) -> ParticipantSession:
        """Open the session of one participant, in a running event loop.

        Args:
            on_event: Called in the loop with each event.
            name: The ``source`` of each event.
            backlog_s: Another bound than the analyser's.

        Raises:
            InferenceError: The analyser is closed.
            RuntimeError: No event loop is running.
        """
        longest_s = self._backlog_s if backlog_s is None else backlog_s
        settings = self._settings if name is None else replace(self._settings, name=name)
        analysis = StreamAnalysis(self.load, settings, self.clock)
        session = ParticipantSession(self, analysis, on_event, longest_s=longest_s)
        self._start()
        return session

    def close(self) -> None:
        """Take no more audio, analyse what waits, and end the thread."""
        self.is_closed = True
        self._due.put(None)
        if self._thread is not None:
            self._thread.join()

    def schedule(self, session: ParticipantSession) -> None:
        """Let the thread call a session's `work`."""
        self._due.put(session.work)

    def _start(self) -> None:
        if self.is_closed:
            msg = "the analyser is closed; make another one"
            raise InferenceError(msg)
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="ser-rt-analyser", daemon=True)
            self._thread.start()

    def _work(self) -> None:
        while (work := self._due.get()) is not None:
            work()
        with suppress(Empty):
            while True:
                if (work := self._due.get_nowait()) is not None:
                    work()


@functools.cache
def shared_analyser() -> Analyser:
    """Return the one that sessions of this process share where none is named: the default model."""
    return Analyser()
