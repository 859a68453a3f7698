import sqlite3
import subprocess
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from contract.encoder import Encoder
from contract.errors import InvalidInput
from contract.locate import ROOT
from training.embedding_cache import BATCH, EmbeddingCache


class Fake:
    """A stand-in encoder: a vector from the length and the first letter; counts what it is asked for."""

    dimension = 3

    def __init__(self, sha256: str = "a" * 64, *, fail_after: int | None = None) -> None:
        self.sha256 = sha256
        self.asked: list[str] = []
        self.fail_after = fail_after

    def encode_many(self, texts: Sequence[str]) -> Any:
        if self.fail_after is not None and len(self.asked) >= self.fail_after:
            raise KeyboardInterrupt
        self.asked += texts
        vectors = np.array([[len(t), ord(t[0]) if t else 0, sum(map(ord, t))] for t in texts], dtype=np.float32)
        return vectors, np.array([len(t) > 10 for t in texts])


def cache(folder: Path, encoder: Any) -> EmbeddingCache:
    return EmbeddingCache(folder, encoder)


def count(folder: Path) -> int:
    with closing(sqlite3.connect(folder / "embeddings.sqlite")) as connection:
        return int(connection.execute("SELECT count(*) FROM embeddings").fetchone()[0])


def test_order_is_kept_and_equal_texts_are_embedded_once(tmp_path: Path) -> None:
    fake = Fake()
    vectors, truncated = cache(tmp_path / "data" / "cache", fake).embed(["b", "a", "b", "long enough to cut", "a"])
    assert fake.asked == ["b", "a", "long enough to cut"]
    assert vectors.dtype == np.float32
    assert vectors[:, 1].tolist() == [98, 97, 98, 108, 97]
    assert truncated.tolist() == [False, False, False, True, False]


def test_a_second_time_embeds_only_what_is_new(tmp_path: Path) -> None:
    first = cache(tmp_path, Fake()).embed(["a", "b", "long enough to cut"])
    fake = Fake()
    again = cache(tmp_path, fake).embed(["long enough to cut", "new", "a"])
    assert fake.asked == ["new"]
    assert np.array_equal(again[0][[2, 0]], first[0][[0, 2]])
    assert again[1].tolist() == [True, False, False]


def test_nothing_is_nothing(tmp_path: Path) -> None:
    vectors, truncated = cache(tmp_path, Fake()).embed([])
    assert vectors.shape == (0, 3)
    assert truncated.shape == (0,)


def test_another_encoder_never_gets_these_vectors(tmp_path: Path) -> None:
    cache(tmp_path, Fake("a" * 64)).embed(["text"])
    other = Fake("b" * 64)
    cache(tmp_path, other).embed(["text"])
    assert other.asked == ["text"]


def test_no_text_is_stored(tmp_path: Path) -> None:
    cache(tmp_path, Fake()).embed(["my secret prompt", "my \ud800 secret"])
    assert b"secret" not in b"".join(path.read_bytes() for path in tmp_path.iterdir())


def test_the_values_are_those_of_the_encoder(tmp_path: Path) -> None:
    encoder = Encoder(ROOT / "models" / "encoder")
    texts = ["What is 1 + 9900?", "word " * 300]
    for _ in range(2):
        vectors, truncated = EmbeddingCache(tmp_path, encoder).embed(texts)
        for text, vector, cut in zip(texts, vectors, truncated, strict=True):
            one = encoder.encode(text)
            assert np.array_equal(one.vector, vector)
            assert one.truncated == cut


def test_an_interruption_keeps_the_batches_that_were_done(tmp_path: Path) -> None:
    texts = [f"text {i}" for i in range(2 * BATCH + 10)]
    with pytest.raises(KeyboardInterrupt):
        cache(tmp_path, Fake(fail_after=BATCH)).embed(texts)
    assert count(tmp_path) == BATCH
    fake = Fake()
    vectors, _ = cache(tmp_path, fake).embed(texts)
    assert fake.asked == texts[BATCH:]
    assert np.array_equal(vectors, Fake().encode_many(texts)[0])


WORKER = """
import sys
from pathlib import Path
import numpy as np
from training.embedding_cache import EmbeddingCache

class Fake:
    sha256, dimension = "a" * 64, 3
    def encode_many(self, texts):
        vectors = np.array([[float(t), 1, 2] for t in texts], dtype=np.float32)
        return vectors, np.zeros(len(texts), dtype=bool)

folder, low, high = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
print("ready", flush=True)
sys.stdin.readline()
for round in range(10):
    vectors, _ = EmbeddingCache(folder / str(round), Fake()).embed([str(i) for i in range(low, high)])
    assert vectors[:, 0].tolist() == list(range(low, high))
"""


def test_two_processes_at_once_lose_nothing(tmp_path: Path) -> None:
    spans = [(0, 1500), (700, 2000)]
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", WORKER, str(tmp_path), str(low), str(high)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        for low, high in spans
    ]
    for worker in workers:  # both wait here, so that they create the same files at the same moment
        assert worker.stdout is not None
        assert worker.stdout.readline() == "ready\n"
    for worker in workers:
        assert worker.stdin is not None
        worker.stdin.write("\n")
        worker.stdin.flush()
    for worker in workers:
        _, errors = worker.communicate(timeout=120)
        assert worker.returncode == 0, errors
    assert [count(tmp_path / str(i)) for i in range(10)] == [2000] * 10


@pytest.mark.parametrize("content", [b"this is no database at all" * 100, b"SQLite format 3\x00" + b"\xff" * 4096])
def test_a_damaged_file_is_named_with_the_remedy(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "embeddings.sqlite").write_bytes(content)
    with pytest.raises(InvalidInput, match=r"embeddings\.sqlite.*damaged.*delete it"):
        cache(tmp_path, Fake()).embed(["a"])


def test_a_damaged_page_is_named_with_the_remedy(tmp_path: Path) -> None:
    texts = [f"text {i}" for i in range(2000)]
    cache(tmp_path, Fake()).embed(texts)
    path = tmp_path / "embeddings.sqlite"
    content = path.read_bytes()
    path.write_bytes(content[:4096] + b"\xff" * (len(content) - 4096))
    with pytest.raises(InvalidInput, match=r"damaged.*delete it"):
        cache(tmp_path, Fake()).embed(texts)


def test_a_vector_of_the_wrong_length_is_named_with_the_remedy(tmp_path: Path) -> None:
    cache(tmp_path, Fake()).embed(["a"])
    with closing(sqlite3.connect(tmp_path / "embeddings.sqlite")) as connection, connection:
        connection.execute("UPDATE embeddings SET vector = ?", (b"1234",))
    with pytest.raises(InvalidInput, match=r"wrong length.*delete it"):
        cache(tmp_path, Fake()).embed(["a"])


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", "utf-8")
    with pytest.raises(InvalidInput, match="name another cache folder"):
        cache(tmp_path / "file", Fake()).embed(["a"])


def test_a_cache_that_stays_locked_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("training.embedding_cache.BUSY_TIMEOUT_S", 0.2)
    cache(tmp_path, Fake()).embed(["a"])
    with closing(sqlite3.connect(tmp_path / "embeddings.sqlite", isolation_level=None)) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        with pytest.raises(InvalidInput, match="locked; wait for the other process"):
            cache(tmp_path, Fake()).embed(["b"])
