"""However many reloads wait, they take one thread, and each looks at the source after it was asked for."""

import asyncio
import threading
from concurrent.futures import Executor

import pytest

from contract.errors import NotReloaded
from serving.swap.group import Group
from serving.swap.holder import Served
from serving.swap.sharing import Sharing


class Work:
    """Returns how often it ran, once it may go on; keeps what it was told and where it ran."""

    def __init__(self):
        self.left, self.threads = [], set()
        self.begun, self.go_on = threading.Semaphore(0), threading.Semaphore(0)

    def __call__(self, left_s):
        self.left.append(left_s)
        self.threads.add(threading.current_thread())
        n = len(self.left)
        self.begun.release()
        self.go_on.acquire()
        if n == 2:
            raise NotReloaded("the second is refused", type="refused")
        return n


@pytest.fixture
def work():
    made = Work()
    yield made
    made.go_on.release(10)


def test_who_asks_while_one_runs_shares_the_next_and_its_outcome(work):
    sharing = Sharing(work, 60)
    first = sharing.ask()
    work.begun.acquire()
    later = [sharing.ask() for _ in range(20)]
    assert set(later) == {later[0]}
    assert later[0] is not first
    work.go_on.release()
    assert first.result() == 1
    work.begun.acquire()
    last = sharing.ask()
    work.go_on.release(2)
    with pytest.raises(NotReloaded, match="the second is refused"):
        later[0].result()
    assert last.result() == 3
    assert len(work.threads) == 1
    assert all(0 < left <= 60 for left in work.left)


def test_who_has_waited_as_long_as_he_may_is_told_that_one_is_under_way(work):
    sharing = Sharing(work, 60)
    first = sharing.ask()
    work.begun.acquire()
    sharing._wait_s = 0
    second = sharing.ask()
    work.go_on.release()
    assert first.result() == 1
    with pytest.raises(NotReloaded, match="another reload is under way; wait for it") as refused:
        second.result()
    assert (refused.value.type, refused.value.status) == ("busy", 409)
    assert len(work.left) == 1


def test_what_waits_begins_no_more_once_it_is_closed(work):
    sharing = Sharing(work, 60)
    first = sharing.ask()
    work.begun.acquire()
    second = sharing.ask()
    sharing.close()
    work.go_on.release()
    assert first.result() == 1
    assert second.cancelled()


class Refuses(Executor):
    def submit(self, *_, **__):
        raise AssertionError("a reload took a thread of the event loop's own")


@pytest.mark.usefixtures("one_encoder")
def test_reloads_that_wait_leave_the_event_loops_threads_alone_and_one_who_leaves_ends_none(settings, models, tmp_path):
    served = Served(settings(), folder=tmp_path / "shared")

    async def ask():
        asyncio.get_running_loop()._default_executor = Refuses()
        with Group(tmp_path / "shared").held("swap.lock"):
            waiting = [asyncio.create_task(served.reloaded()) for _ in range(16)]
            await asyncio.sleep(0)  # each has asked
            waiting.pop(0).cancel()
            waiting.pop(5).cancel()
            (models / "current").write_text("two")
        return await asyncio.gather(*waiting)

    try:
        assert asyncio.run(ask()) == [{"revision": "thinkworth/two", "generation": 2, "workers": 1}] * 14
    finally:
        served.close()
