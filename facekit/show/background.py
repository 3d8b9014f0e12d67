"""Work that follows sliders: it runs in the background, and only for the latest position of the controls."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

_PAUSE = 0.03  # seconds during which moves are collected before work starts


class LatestOnly:
    """Repeats work when its input changes, in a thread, one run at a time. Inputs that are outdated before their turn
    are skipped.

    Widgets call back from a notebook's event loop, which must not be blocked by the work. While a run is in progress,
    any number of changes leads to one more run, with the input at that time. Without an event loop, as in a script or a
    test, the work runs at once in the calling thread.

    get_input  returns the current input; called in the event loop
    work       input to result; called in the thread
    deliver    receives a result, in the event loop; results never arrive out of order
    fail       receives an exception that `get_input` or `work` raised, likewise
    """

    def __init__(
        self,
        get_input: Callable[[], object],
        work: Callable[[object], object],
        deliver: Callable[[object], None],
        fail: Callable[[Exception], None],
    ) -> None:
        self._get_input, self._work, self._deliver, self._fail = get_input, work, deliver, fail
        self._thread = ThreadPoolExecutor(1, "facekit-latest")
        self._timer: asyncio.TimerHandle | None = None
        self._running = self._outdated = False
        self._started = self._delivered = 0  # numbers of the latest run started and of the latest result delivered

    def schedule(self) -> None:
        """Run soon, because the input has changed."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            self.run()
            return
        if self._timer is None:
            self._timer = loop.call_later(_PAUSE, self._due, loop)

    def run(self) -> None:
        """Run here and now; returns after delivery."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._outdated = False
        self._started += 1
        number, (value, error) = self._started, _attempt(self._get_input)
        self._hand_over(number, *((None, error) if error else _attempt(self._work, value)))

    def _due(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = None
        if self._running:
            self._outdated = True
        else:
            self._start(loop)

    def _start(self, loop: asyncio.AbstractEventLoop) -> None:
        self._running, self._outdated = True, False
        self._started += 1
        number, (value, error) = self._started, _attempt(self._get_input)
        if error:
            self._finished(loop, number, None, error)
            return
        done = loop.run_in_executor(self._thread, _attempt, self._work, value)
        done.add_done_callback(lambda done: self._finished(loop, number, *done.result()))

    def _finished(self, loop: asyncio.AbstractEventLoop, number: int, result: object, error: Exception | None) -> None:
        self._running = False
        if self._outdated:
            self._start(loop)
        self._hand_over(number, result, error)

    def _hand_over(self, number: int, result: object, error: Exception | None) -> None:
        if number < self._delivered:
            return
        self._delivered = number
        if error is None:
            self._deliver(result)
        else:
            self._fail(error)


def _attempt(work: Callable, *arguments: object) -> tuple[object, Exception | None]:
    """The result of `work`, or its exception, which would be lost in a callback or a thread."""
    try:
        return work(*arguments), None
    except Exception as error:
        return None, error
