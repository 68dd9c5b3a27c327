"""SIGTERM and SIGHUP as Ctrl-C."""

from __future__ import annotations

import os
import signal
from concurrent.futures import ThreadPoolExecutor

import pytest

from ser_rt.cli.signals import ENDING, Terminated, terminable, uninterrupted


@pytest.mark.parametrize("number", ENDING)
def test_a_signal_is_raised_once_and_then_passed_over(number: int) -> None:
    before = [signal.getsignal(each) for each in ENDING]
    with terminable():
        with pytest.raises(Terminated) as caught:
            os.kill(os.getpid(), number)
        for each in ENDING:
            os.kill(os.getpid(), each)
    assert caught.value.number == number
    assert [signal.getsignal(each) for each in ENDING] == before


def test_what_is_ignored_stays_so() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does
    try:
        with terminable():
            os.kill(os.getpid(), signal.SIGHUP)
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_other_threads_leave_signals_alone() -> None:
    def handlers() -> list[object]:
        with terminable(), uninterrupted():
            return [signal.getsignal(each) for each in ENDING]

    with ThreadPoolExecutor() as pool:
        assert pool.submit(handlers).result() == [signal.getsignal(each) for each in ENDING]


@pytest.mark.parametrize(
    ("number", "error"),
    [(signal.SIGINT, KeyboardInterrupt), *((number, Terminated) for number in ENDING)],
)
def test_what_must_be_whole_ends_before_the_signal_is_handled(
    number: int, error: type[KeyboardInterrupt]
) -> None:
    done = []

    def work() -> None:
        with terminable(), uninterrupted():
            os.kill(os.getpid(), number)
            done.append("all of it")

    with pytest.raises(error):
        work()
    assert done
