"""Cores of a process, and of a container that is allowed a part of them."""

import os

import pytest

from contract.cores import cores

BOUND = len(os.sched_getaffinity(0))


@pytest.mark.parametrize(
    ("said", "found"),
    [("max 100000", BOUND), ("100000 100000", 1), ("50000 100000", 1), (f"{BOUND}99999 100000", BOUND), ("", BOUND), ("100000 0", BOUND)],
)  # fmt: skip
def test_the_limit_of_the_container_counts_where_it_is_the_smaller(tmp_path, said, found):
    (tmp_path / "cpu.max").write_text(said)
    assert cores(tmp_path / "cpu.max") == found


def test_without_a_limit_those_that_the_process_is_bound_to_count(tmp_path):
    assert cores(tmp_path / "none") == BOUND
