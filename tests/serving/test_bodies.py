"""Bodies: read to a limit, in time, and no more of them at once than there is memory for."""

import asyncio

import pytest

from contract.errors import BodyTooLarge, DeadlinePassed, InvalidRequest, Overloaded
from serving.bodies import DRAINED, Bodies

pytestmark = pytest.mark.timeout(30)


def sent(*chunks, ends=True):
    """A connection that sends these chunks and then, where the body does not end, nothing."""
    left = list(chunks)

    async def receive():
        if not left:
            await asyncio.Event().wait()
        chunk = left.pop(0)
        if chunk is None:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": chunk, "more_body": bool(left) or not ends}

    receive.left = left
    return receive


def read(bodies, receive, limit=100):
    return asyncio.run(bodies.read(receive, limit))


def test_a_body_is_held_until_it_is_given_back():
    bodies = Bodies(most_bytes=10)
    assert read(bodies, sent(b"ab", b"", b"cde")) == b"abcde"
    assert bodies.held == 5
    bodies.give_back(5)
    assert bodies.held == 0


def test_what_all_hold_together_is_bounded_and_the_rest_is_drained_and_refused():
    bodies = Bodies(most_bytes=10)
    assert read(bodies, sent(b"abcdef")) == b"abcdef"
    one_more = sent(b"abc", b"def", b"ghi")
    with pytest.raises(Overloaded, match="bodies of 10 bytes are being read already") as refused:
        read(bodies, one_more)
    assert refused.value.headers["Retry-After"] == "1"
    assert one_more.left == []
    assert bodies.held == 6  # nothing of the refused one
    assert read(bodies, sent(b"abcd")) == b"abcd"


@pytest.mark.parametrize(
    ("chunks", "ends", "error"),
    [
        ((b"x" * 60, b"x" * 41), True, BodyTooLarge),
        ((b"x" * 60, b"x" * 41, *[b"x" * 100] * (DRAINED + 9)), True, BodyTooLarge),
        ((b"x", None), False, InvalidRequest),
        ((b"x",), False, DeadlinePassed),
        ((), False, DeadlinePassed),
    ],
    ids=["large", "endless", "gone", "stalled", "never"],
)
def test_what_does_not_come_whole_is_refused_and_holds_nothing(chunks, ends, error):
    bodies = Bodies(in_s=0.05)
    with pytest.raises(error) as refused:
        read(bodies, sent(*chunks, ends=ends))
    assert bodies.held == 0
    assert (refused.value.headers.get("Connection") == "close") is (error is DeadlinePassed)


def test_of_what_is_too_large_no_more_is_read_than_lets_the_client_read_the_answer():
    endless = sent(*[b"x" * 100] * 2 * DRAINED)
    with pytest.raises(BodyTooLarge, match="over 6500 bytes; limit 100"):
        read(Bodies(), endless)
    assert len(endless.left) == 2 * DRAINED - DRAINED - 1


def test_requests_that_are_refused_at_once_wait_for_no_other():
    async def case():
        bodies = Bodies(most_bytes=10)
        stalled = asyncio.create_task(bodies.read(sent(b"x" * 10, ends=False), 100))
        await asyncio.sleep(0)
        with pytest.raises(Overloaded):
            await bodies.read(sent(b"y"), 100)
        stalled.cancel()
        await asyncio.gather(stalled, return_exceptions=True)
        assert bodies.held == 0
        assert await bodies.read(sent(b"y"), 100) == b"y"

    asyncio.run(case())
