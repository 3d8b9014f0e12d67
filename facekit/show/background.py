"""Work that follows sliders: beside whoever moves them, and only for where they are now."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

_PAUSE = 0.03  # seconds that moves are gathered for before they are looked at


class LatestOnly:
    """Work that is done again when what it depends on has changed, without holding up who changes it.

    Widgets speak from a notebook's event loop, and the work is done in a thread, one piece at a time: whatever
    changes meanwhile, it is done once more for how things are then. Outside of a loop, in a script or a test, it is
    done at once.

    request  how things are now: called in the loop
    work     request to result: called in the thread
    deliver  takes a result, in the loop; never an older one after a newer one
    fail     takes what one of these two raised, likewise
    """

    def __init__(
        self,
        request: Callable[[], object],
        work: Callable[[object], object],
        deliver: Callable[[object], None],
        fail: Callable[[Exception], None],
    ) -> None:
        self._request, self._work, self._deliver, self._fail = request, work, deliver, fail
        self._thread = ThreadPoolExecutor(1, "facekit-latest")
        self._timer: asyncio.TimerHandle | None = None
        self._busy = self._again = False
        self._begun = self._delivered = 0

    def soon(self) -> None:
        """Something has changed."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            self.now()
            return
        if self._timer is None:
            self._timer = loop.call_later(_PAUSE, self._due, loop)

    def now(self) -> None:
        """Do the work here, and return when it is delivered."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._again = False
        self._begun += 1
        number, (request, error) = self._begun, _attempt(self._request)
        self._hand_over(number, *((None, error) if error else _attempt(self._work, request)))

    def _due(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = None
        if self._busy:
            self._again = True
        else:
            self._start(loop)

    def _start(self, loop: asyncio.AbstractEventLoop) -> None:
        self._busy, self._again = True, False
        self._begun += 1
        number, (request, error) = self._begun, _attempt(self._request)
        if error:
            self._finished(loop, number, None, error)
            return
        done = loop.run_in_executor(self._thread, _attempt, self._work, request)
        done.add_done_callback(lambda done: self._finished(loop, number, *done.result()))

    def _finished(self, loop: asyncio.AbstractEventLoop, number: int, result: object, error: Exception | None) -> None:
        self._busy = False
        if self._again:
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


def _attempt(work: Callable, *request: object) -> tuple[object, Exception | None]:
    """What comes of it, or what it raises: in a callback or a thread nobody would see that."""
    try:
        return work(*request), None
    except Exception as error:
        return None, error
