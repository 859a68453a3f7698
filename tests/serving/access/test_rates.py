"""Token buckets: the rate holds over time, and nothing is kept for ever."""

from hypothesis import given
from hypothesis import strategies as st

from serving.access.rates import Bucket, Buckets, taken


def test_a_burst_comes_at_once_and_then_the_rate():
    buckets = Buckets()
    assert [buckets.take("a", 1, 10, 3, 0.0) for _ in range(3)] == [0, 0, 0]
    assert round(buckets.take("a", 1, 10, 3, 0.0), 6) == 0.1
    assert buckets.take("a", 1, 10, 3, 0.1) == 0
    assert buckets.take("b", 1, 10, 3, 0.0) == 0


def test_what_is_refused_takes_nothing():
    buckets = Buckets()
    buckets.take("a", 2, 1, 2, 0.0)
    waits = [buckets.take("a", 1, 1, 2, 0.5) for _ in range(50)]
    assert {round(wait, 6) for wait in waits} == {0.5}
    assert buckets.take("a", 1, 1, 2, 1.0) == 0


def test_a_group_larger_than_the_burst_comes_when_it_is_full_and_is_owed():
    buckets = Buckets()
    assert buckets.take("a", 256, 10, 20, 0.0) == 0
    assert round(buckets.take("a", 1, 10, 20, 0.0), 6) == 23.7
    assert buckets.take("a", 1, 10, 20, 23.7) == 0


def test_the_least_used_is_forgotten_beyond_the_most():
    buckets = Buckets(most=3)
    for name in "abcad":
        buckets.take(name, 1, 1, 1, 0.0)
    assert list(buckets._buckets) == ["c", "a", "d"]


@given(
    rate=st.floats(0.1, 1000),
    burst=st.integers(1, 100),
    asks=st.lists(st.tuples(st.integers(1, 300), st.floats(0, 5)), max_size=60),
)
def test_no_more_than_burst_and_rate_ever_come_but_for_one_group(rate, burst, asks):
    bucket, now, came, largest = Bucket(burst, 0.0), 0.0, 0, 0
    for n, later_s in asks:
        now += later_s
        bucket, wait_s = taken(bucket, n, rate, burst, now)
        if wait_s == 0:
            came, largest = came + n, max(largest, n)
        else:
            assert taken(bucket, n, rate, burst, now + wait_s + 1e-6)[1] == 0  # what is told is long enough
    assert came <= burst + rate * now + largest + 1e-3


def test_a_clock_that_stands_fills_nothing():
    assert taken(Bucket(0, 10.0), 1, 5, 5, 9.0)[1] > 0
