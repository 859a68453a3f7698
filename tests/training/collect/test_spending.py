import asyncio

import pytest

from training.collect.spending import Cost, Meter, Pace, added
from training.importers.call import Usage

CALL = Cost(100, 0.5)


def test_a_call_reserves_its_worst_case():
    async def scenario():
        meter = Meter(Cost(), max_tokens=250)
        assert await meter.reserve(CALL)
        assert await meter.reserve(CALL)
        third = asyncio.create_task(meter.reserve(CALL))
        await asyncio.sleep(0)
        assert not third.done()  # it waits for what is in flight, which may cost less
        await meter.settle(CALL, Cost(20))
        assert await third
        await meter.settle(CALL, Cost(100))
        await meter.settle(CALL, Cost(100))
        assert meter.spent == Cost(220)
        assert not await meter.reserve(CALL)
        assert await meter.reserve(Cost(30))

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("ceilings", "spent", "fits"),
    [
        ({"max_tokens": 100}, Cost(), True), ({"max_tokens": 100}, Cost(1), False), ({"max_usd": 0.5}, Cost(), True),
        ({"max_usd": 0.5}, Cost(0, 0.01), False), ({"max_tokens": 500, "max_usd": 0.4}, Cost(), False), ({}, CALL, True),
        ({"max_usd": 0.0}, Cost(), False),
    ],
)  # fmt: skip
def test_ceilings(ceilings, spent, fits):
    async def scenario():
        return await Meter(spent, **ceilings).reserve(CALL)

    assert asyncio.run(scenario()) is fits


def test_dollars_stay_unknown_until_some_are_known():
    assert Cost(1) + Cost(2) == Cost(3, None)
    assert Cost(1) + Cost(2, 0.5) == Cost(3, 0.5)


def test_added_usages_keep_what_is_unknown():
    one, other = Usage(output_tokens=5, thinking_tokens=2), Usage(output_tokens=7, cost_usd=0.1)
    assert added(one, other) == Usage(output_tokens=12, thinking_tokens=2, cost_usd=0.1)


def test_calls_are_spaced():
    async def scenario():
        pace, loop = Pace(6000), asyncio.get_running_loop()
        start, times = loop.time(), []
        for _ in range(4):
            await pace.turn()
            times.append(loop.time() - start)
        return times

    assert all(at >= 0.01 * n - 1e-3 for n, at in enumerate(asyncio.run(scenario())))
