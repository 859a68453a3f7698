import asyncio

import pytest

from training.collect.spending import Cost, Meter, Pace, added, counted, known
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


@pytest.mark.parametrize(
    ("told", "total", "counts"),
    [
        ((100, 90, 20, 4), 120, (100, 90, 20, 4)), ((10, 90, 20, 4), 120, (100, 90, 20, 4)),
        ((10, 90, 20, None), 30, (100, 90, 20, None)), ((10, 90, None, None), None, (100, 90, None, None)),
        ((9, None, 8, None), 3017, (3009, None, 8, None)), ((9, None, 8, None), 10**30, (9, None, 8, None)),
        ((0, 0, 0, 0), 0, (None, None, None, None)), ((0, 0, 20, 0), 20, (None, None, 20, 0)),
        ((10, 0, 0, 0), 10, (10, 0, None, None)), ((10, 0, 20, 24), 30, (10, 0, 44, 24)),
        ((10**30, 5, -1, 2), 30, (None, None, None, None)),
    ],
)  # fmt: skip
def test_counts_are_what_a_server_told_and_what_it_did_not_say_is_unknown(told, total, counts):
    assert counted(usage_of(told), total, inputs=[told[-1]], said=True) == usage_of(counts)


def test_zero_output_is_zero_where_nothing_was_said():
    assert counted(usage_of((0, 0, 20, 0)), 20, inputs=[], said=False) == usage_of((0, 0, 20, 0))
    assert counted(usage_of((0, 90, 20, 0)), 110, inputs=[], said=False) == usage_of((90, 90, 20, 0))
    assert counted(usage_of((0, 0, 0, 0)), 0, inputs=[], said=False) == Usage()


def usage_of(counts):
    return Usage(
        **dict(zip(("output_tokens", "thinking_tokens", "input_tokens", "cached_tokens"), counts, strict=True))
    )


def test_what_a_column_cannot_hold_is_unknown():
    assert [known("output_tokens", value) for value in (5, 0, 2**63 - 1, 2**63, -1, "many", None)] == [
        5, 0, 2**63 - 1, None, None, None, None
    ]  # fmt: skip
    assert [known("finish_reason", value) for value in ("stop", 7, ["stop"], "\ud800", None)] == ["stop", *[None] * 4]
    assert known("cost_usd", float("inf")) is None


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
