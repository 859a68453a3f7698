"""Who gets a core: a bounded queue, an answer at once for what finds no place, nothing computed for who has left."""

import asyncio
import threading
import time

import pytest

from contract.errors import ClientGone, DeadlinePassed, Overloaded
from serving.admission import LONGEST_BATCH_S, OF_A_BATCH, Admission


def run(case):
    return asyncio.run(asyncio.wait_for(case, timeout=60))


class Cores:
    """Work that runs until it is let go."""

    def __init__(self):
        self.go, self.begun, self.most, self.now = threading.Event(), [], 0, 0
        self.lock = threading.Lock()

    def work(self, name, wait=True):
        def one():
            with self.lock:
                self.begun.append(name)
                self.now += 1
                self.most = max(self.most, self.now)
            if wait:
                assert self.go.wait(30)
            with self.lock:
                self.now -= 1
            return name

        return one


async def until(condition):
    while not condition():
        await asyncio.sleep(0.005)


def test_what_finds_no_place_is_refused_at_once_and_the_rest_is_answered():
    async def case():
        admission, cores = Admission(threads=2, most_waiting=3), Cores()
        let_in = [asyncio.create_task(admission.run(cores.work(i))) for i in range(5)]
        await until(lambda: len(cores.begun) == 2)
        with pytest.raises(Overloaded) as refused:
            await admission.run(cores.work("late"))
        assert int(refused.value.headers["Retry-After"]) >= 1
        assert refused.value.limit == 3
        assert not any(task.done() for task in let_in)
        cores.go.set()
        assert await asyncio.gather(*let_in) == list(range(5))
        assert "late" not in cores.begun
        assert (admission.in_flight, admission.shed, cores.most) == (0, 1, 2)
        assert await admission.run(cores.work("after")) == "after"  # there is room again

    run(case())


def test_who_has_left_costs_no_compute():
    async def case():
        admission, cores = Admission(threads=1, most_waiting=9), Cores()
        first = asyncio.create_task(admission.run(cores.work("first"), deadline=time.monotonic() + 60))
        await until(lambda: cores.begun)
        gone = asyncio.create_task(admission.run(cores.work("gone"), deadline=time.monotonic()))
        patient = asyncio.create_task(admission.run(cores.work("patient")))
        await asyncio.sleep(0.01)
        cores.go.set()
        with pytest.raises(DeadlinePassed):
            await gone
        assert await asyncio.gather(first, patient) == ["first", "patient"]
        assert cores.begun == ["first", "patient"]
        assert admission.late == 1

    run(case())


def test_who_stops_waiting_gives_up_the_place_at_once():
    async def case():
        admission, cores = Admission(threads=1, most_waiting=1), Cores()
        first = asyncio.create_task(admission.run(cores.work("first")))
        await until(lambda: cores.begun)
        with pytest.raises(DeadlinePassed):  # while the core is still busy
            await admission.run(cores.work("late"), deadline=time.monotonic() + 0.01)
        left = asyncio.get_running_loop().create_future()
        vanishing = asyncio.create_task(admission.run(cores.work("gone"), gone=lambda: left))
        await until(lambda: admission.in_flight == 2)
        left.set_result(None)
        with pytest.raises(ClientGone):
            await vanishing
        batch = asyncio.create_task(admission.run_all([cores.work(i) for i in range(9)], gone=lambda: left))
        with pytest.raises(ClientGone):
            await batch
        assert admission.in_flight == 1
        patient = asyncio.create_task(admission.run(cores.work("patient")))  # there is room again
        await asyncio.sleep(0.01)
        cores.go.set()
        assert await asyncio.gather(first, patient) == ["first", "patient"]
        assert cores.begun == ["first", "patient"]
        assert admission.late == 1
        assert admission.gone >= 2
        assert admission.in_flight == 0

    run(case())


def test_what_has_begun_is_ended_whoever_waits():
    async def case():
        admission, cores = Admission(threads=1, most_waiting=1), Cores()
        first = asyncio.create_task(admission.run(cores.work("first")))
        await until(lambda: cores.begun)
        left = asyncio.get_running_loop().create_future()
        second = asyncio.create_task(admission.run(cores.work("second"), gone=lambda: left))
        await until(lambda: admission.in_flight == 2)
        cores.go.set()
        await first
        await until(lambda: "second" in cores.begun)
        left.set_result(None)
        assert await second == "second"

    run(case())


def test_a_connection_is_watched_only_where_a_request_waits():
    async def case():
        admission = Admission(threads=2, most_waiting=1)
        assert await admission.run(lambda: 1, gone=lambda: pytest.fail("watched")) == 1

    run(case())


def test_a_batch_is_refused_where_others_leave_too_much_to_do_and_told_when_to_come_again():
    async def case():
        admission, cores = Admission(threads=1, most_waiting=8), Cores()
        admission._mean_s = LONGEST_BATCH_S / 50
        alone = asyncio.create_task(admission.run_all([cores.work(i) for i in range(100)]))  # twice that, but alone
        await until(lambda: cores.begun)
        assert admission.owed == 100 - OF_A_BATCH
        with pytest.raises(Overloaded) as refused:
            await admission.run_all([cores.work("batch")])
        assert refused.value.headers["Retry-After"] == "20"
        single = asyncio.create_task(admission.run(cores.work("single")))  # passes between
        await asyncio.sleep(0.01)
        cores.go.set()
        assert await single == "single"
        assert await alone == list(range(100))
        assert (admission.owed, admission.in_flight) == (0, 0)
        assert await admission.run_all([cores.work("again")]) == ["again"]

    run(case())


def test_batches_share_the_cores_while_there_is_time():
    async def case():
        admission, cores = Admission(threads=1, most_waiting=8), Cores()
        admission._mean_s = LONGEST_BATCH_S / 1000
        batches = [asyncio.create_task(admission.run_all([cores.work(i) for i in range(50)])) for _ in range(3)]
        await until(lambda: admission.owed == 3 * (50 - OF_A_BATCH))
        cores.go.set()
        assert await asyncio.gather(*batches) == [list(range(50))] * 3
        assert admission.owed == 0

    run(case())


def test_a_batch_that_fails_owes_nothing_more():
    async def case():
        admission = Admission(threads=1, most_waiting=8)
        with pytest.raises(ZeroDivisionError):
            await admission.run_all([lambda: 1 // 0] * 50)
        assert (admission.owed, admission.in_flight) == (0, 0)

    run(case())


def test_a_batch_keeps_its_order_and_lets_others_pass():
    async def case():
        admission, cores = Admission(threads=2, most_waiting=8), Cores()
        batch = asyncio.create_task(admission.run_all([cores.work(i) for i in range(100)]))
        await until(lambda: len(cores.begun) == 2)
        assert admission.in_flight == OF_A_BATCH * 2
        single = asyncio.create_task(admission.run(cores.work("single")))
        await asyncio.sleep(0.01)
        cores.go.set()
        assert await single == "single"
        assert await batch == list(range(100))
        assert cores.begun.index("single") < 10
        assert cores.most == 2

    run(case())


def test_a_batch_is_refused_whole_where_the_queue_is_full_and_dropped_where_its_time_is_over():
    async def case():
        admission, cores = Admission(threads=1, most_waiting=1), Cores()
        waiting = [asyncio.create_task(admission.run(cores.work(i))) for i in range(2)]
        await until(lambda: cores.begun)
        with pytest.raises(Overloaded):
            await admission.run_all([cores.work("batch")])
        cores.go.set()
        await asyncio.gather(*waiting)
        with pytest.raises(DeadlinePassed):
            await admission.run_all([cores.work(i) for i in range(50)], deadline=time.monotonic() - 1)
        assert cores.begun == [0, 1]
        await until(lambda: admission.in_flight == 0)

    run(case())


def test_an_error_of_the_work_is_the_callers_and_frees_its_place():
    async def case():
        admission = Admission(threads=1, most_waiting=1)
        for _ in range(5):
            with pytest.raises(ZeroDivisionError):
                await admission.run(lambda: 1 / 0)
            with pytest.raises(ZeroDivisionError):
                await admission.run_all([lambda: 1 / 0] * 3)
        assert admission.in_flight == 0

    run(case())


def test_who_was_let_in_is_not_refused_half_way():
    async def case():
        admission, cores = Admission(threads=1, most_waiting=1), Cores()
        first = asyncio.create_task(admission.run(cores.work("first")))
        await until(lambda: cores.begun)
        parsed = asyncio.create_task(admission.run(cores.work("parsed"), of_graphs=False))
        await until(lambda: admission.in_flight == 2)
        with pytest.raises(Overloaded):
            await admission.run(cores.work("refused"), of_graphs=False)
        scored = asyncio.create_task(admission.run(cores.work("scored"), let_in=True))
        await until(lambda: admission.in_flight == 3)
        cores.go.set()
        assert await asyncio.gather(first, parsed, scored) == ["first", "parsed", "scored"]
        assert cores.begun == ["first", "parsed", "scored"]

    run(case())


def test_only_the_graphs_tell_how_long_others_will_take():
    async def case():
        admission = Admission(threads=1, most_waiting=1)
        before = admission._mean_s
        await admission.run(lambda: 1, of_graphs=False)
        assert admission._mean_s == before
        await admission.run(lambda: 1)
        assert admission._mean_s < before

    run(case())
