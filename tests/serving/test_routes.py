"""What comes with a body: until when an answer is waited for, and where its work is done."""

import asyncio
import threading

import pytest

from contract.errors import DeadlinePassed, InvalidRequest, Overloaded
from serving.admission import Admission
from serving.routes import DEADLINE, LARGE_BYTES, LONGEST_S, Call, call_of


@pytest.mark.parametrize(
    ("said", "seconds"),
    [(None, LONGEST_S), (b"1500", 1.5), (b"24999", 24.999), (b"25001", LONGEST_S), (b"86400000", LONGEST_S)],
)
def test_every_request_has_a_deadline_before_bentomls(said, seconds):
    headers = {} if said is None else {DEADLINE: said}
    assert call_of(headers, 100.0).deadline == pytest.approx(100 + seconds)


@pytest.mark.parametrize("said", [b"0", b"-1", b"1.5", b"", b"x", b"86400001", b"9" * 99])
def test_a_deadline_that_is_none_is_refused(said):
    with pytest.raises(InvalidRequest, match="whole number from 1 to 86400000"):
        call_of({DEADLINE: said}, 0.0)


def whose(size, queue):
    async def case():
        call = Call(size=size, queue=queue)
        names = [await work(lambda: threading.current_thread().name) for work in (call.let_in, call.aside)]
        assert names[0] == names[1]
        return names[0]

    return asyncio.run(case())


def test_only_a_large_body_is_looked_at_on_a_thread():
    assert whose(LARGE_BYTES, Admission(1, 1)) == "MainThread"
    assert whose(LARGE_BYTES + 1, Admission(1, 1)).startswith("score")
    assert whose(LARGE_BYTES + 1, None) == "MainThread"


def test_a_large_body_needs_a_place_in_the_queue_once_and_keeps_its_deadline():
    async def case():
        queue, go = Admission(threads=1, most_waiting=1), threading.Event()
        busy = [asyncio.create_task(queue.run(lambda: go.wait(20))) for _ in range(2)]
        await asyncio.sleep(0.01)
        large = Call(size=LARGE_BYTES + 1, queue=queue)
        with pytest.raises(Overloaded):
            await large.let_in(lambda: pytest.fail("parsed"))
        with pytest.raises(DeadlinePassed):
            await large._replace(deadline=0.0).aside(lambda: pytest.fail("looked at"))
        further = asyncio.create_task(large.aside(lambda: "done"))
        await asyncio.sleep(0.01)
        go.set()
        assert await further == "done"
        await asyncio.gather(*busy)

    asyncio.run(case())
