import asyncio
import threading
import time

import pytest

from facekit.show.background import LatestOnly


class Slider:
    """A number that work depends on, with the results of the work."""

    def __init__(self, seconds=0.0):
        self.value, self.seconds = 0, seconds
        self.delivered, self.failed, self.threads = [], [], set()
        self.latest = LatestOnly(lambda: self.value, self.work, self.delivered.append, self.failed.append)

    def work(self, value):
        self.threads.add(threading.current_thread())
        time.sleep(self.seconds)
        if value < 0:
            raise ValueError("less than nothing")
        return value

    def move(self, value):
        self.value = value
        self.latest.schedule()


def test_without_an_event_loop_work_runs_at_once():
    slider = Slider()
    slider.move(3)
    assert slider.delivered == [3]


def test_in_an_event_loop_outdated_moves_are_skipped_and_the_loop_is_not_blocked():
    slider = Slider(seconds=0.15)

    async def drag():
        turns = 0
        for value in range(1, 41):
            slider.move(value)
            await asyncio.sleep(0.005)
            turns += 1
        assert len(slider.delivered) < turns
        while slider.delivered[-1:] != [40]:
            await asyncio.sleep(0.01)

    asyncio.run(asyncio.wait_for(drag(), 20))
    assert len(slider.delivered) <= 4
    assert threading.main_thread() not in slider.threads


def test_an_older_result_never_follows_a_newer_one():
    slider = Slider(seconds=0.2)

    async def overtake():
        slider.move(1)
        await asyncio.sleep(0.1)  # the thread works on 1
        slider.seconds, slider.value = 0.0, 2
        slider.latest.run()
        await asyncio.sleep(0.4)

    asyncio.run(overtake())
    assert slider.delivered == [2]


@pytest.mark.parametrize("in_loop", [False, True])
def test_exceptions_are_passed_on(in_loop):
    slider = Slider()

    async def move():
        slider.move(-1)
        await asyncio.sleep(0.2)

    if in_loop:
        asyncio.run(move())
    else:
        slider.move(-1)
    assert [str(error) for error in slider.failed] == ["less than nothing"]
    assert not slider.delivered
