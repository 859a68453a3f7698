"""Whether a processor adds products of int8 without saturating, and that embeddings do not depend on who asked it to."""

import numpy as np
import pytest

from contract import encoder
from contract.encoder import Encoder
from contract.locate import find
from contract.processor import adds_int8_exactly


@pytest.mark.parametrize(
    ("said", "exactly"),
    [
        ("processor : 0\nflags\t\t: fpu avx2 avx512_vnni avx512vl\n", True),
        ("flags\t\t: fpu avx2 avx_vnni\n", True),
        ("flags\t\t: fpu avx2 avx512f avx512bw\n", False),
        ("model name\t: a name with avx512_vnni in it\nflags\t\t: fpu avx2\n", False),
        ("Features\t: fp asimd\n", False),
        ("", False),
    ],
)
def test_it_is_read_off_the_flags(tmp_path, said, exactly):
    (tmp_path / "cpuinfo").write_text(said)
    assert adds_int8_exactly(tmp_path / "cpuinfo") is exactly


def test_where_no_flags_are_told_it_is_not_known(tmp_path):
    assert not adds_int8_exactly(tmp_path / "none")


@pytest.mark.skipif(not adds_int8_exactly(), reason="this processor has no VNNI: only the exact way is right")
def test_with_vnni_both_ways_give_the_same_embedding_bit_by_bit(monkeypatch):
    fast = Encoder(find("models/encoder"))
    monkeypatch.setattr(encoder, "adds_int8_exactly", lambda: False)
    exact = Encoder(find("models/encoder"))
    for text in ("What is 1 + 9900?", "为什么天空是蓝色的", "Prove that there are infinitely many primes. " * 40, ""):
        assert np.array_equal(fast.encode(text).vector, exact.encode(text).vector)
