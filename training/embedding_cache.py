"""A cache of embeddings by content hash: training again embeds only what is new.

One SQLite file holds (digest of the encoder, digest of the text) -> vector and whether the text was truncated; no text
is stored. Two processes may use it at once: writers queue, and the first to embed a text wins, with equal bytes.
"""

import hashlib
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from contract.encoder import Encoder
from contract.errors import InvalidInput
from contract.progress import progress

FILE = "embeddings.sqlite"
BATCH = 500
"""Texts embedded and written at a time: what an interruption may lose."""

BUSY_TIMEOUT_S = 60.0

_SCHEMA = """
CREATE TABLE IF NOT EXISTS embeddings (
    encoder TEXT NOT NULL, text BLOB NOT NULL, vector BLOB NOT NULL, truncated INTEGER NOT NULL,
    PRIMARY KEY (encoder, text)
) WITHOUT ROWID
"""
_SELECT = "SELECT vector, truncated FROM embeddings WHERE encoder = ? AND text = ?"
_INSERT = "INSERT OR IGNORE INTO embeddings VALUES (?, ?, ?, ?)"


class EmbeddingCache:
    """Embeds texts through a folder that remembers.

    Args:
        folder: where the cache lies, such as data/cache; made if missing.
        encoder: what embeds; another encoder's vectors are never returned.
    """

    def __init__(self, folder: Path, encoder: Encoder) -> None:
        self.path = folder / FILE
        self._encoder = encoder
        self._key = encoder.sha256

    @property
    def encoder(self) -> str:
        """The SHA-256 of the encoder."""
        return self._key

    @property
    def dimension(self) -> int:
        """Length of a vector."""
        return self._encoder.dimension

    def embed(self, texts: Sequence[str]) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Return vectors [n, dimension] and truncated [n], in order, equal to `Encoder.encode` of each text.

        Raises:
            InvalidInput: the cache file is damaged, cannot be written, or stays locked by another process.
        """
        digests = [_digest(text) for text in texts]
        first = {digest: i for i, digest in reversed(list(enumerate(digests)))}  # where each text occurs first
        vectors = np.empty((len(texts), self._encoder.dimension), dtype=np.float32)
        truncated = np.zeros(len(texts), dtype=np.bool_)
        with self._connection() as connection:
            missing = []
            for digest in dict.fromkeys(digests):
                found = self._read(connection, digest)
                if found is None:
                    missing.append(digest)
                else:
                    vectors[first[digest]], truncated[first[digest]] = found
            for batch in self._batches(missing):
                rows = [first[digest] for digest in batch]
                vectors[rows], truncated[rows] = self._encoder.encode_many([texts[i] for i in rows])
                self._write(connection, batch, vectors[rows], truncated[rows])
        origin = [first[digest] for digest in digests]
        return vectors[origin], truncated[origin]

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InvalidInput(f"{self.path.parent}: {error.strerror}; name another cache folder") from error
        try:
            with closing(sqlite3.connect(self.path, timeout=BUSY_TIMEOUT_S)) as connection:
                _use_wal(connection)
                connection.execute("PRAGMA synchronous = NORMAL")  # a lost write is only embedded again
                connection.execute(_SCHEMA)
                yield connection
        except sqlite3.OperationalError as error:
            raise InvalidInput(
                f"{self.path}: {error}; wait for the other process, or name another cache folder"
            ) from error
        except sqlite3.DatabaseError as error:
            raise self._damaged(str(error)) from error

    def _read(self, connection: sqlite3.Connection, digest: bytes) -> tuple[NDArray[np.float32], bool] | None:
        row = connection.execute(_SELECT, (self._key, digest)).fetchone()
        if row is None:
            return None
        blob, truncated = row
        if not isinstance(blob, bytes) or len(blob) != 4 * self._encoder.dimension:
            raise self._damaged("a vector has the wrong length")
        return np.frombuffer(blob, dtype="<f4"), bool(truncated)

    def _write(
        self,
        connection: sqlite3.Connection,
        digests: Sequence[bytes],
        vectors: NDArray[np.float32],
        truncated: NDArray[np.bool_],
    ) -> None:
        rows = (
            (self._key, digest, vector.astype("<f4").tobytes(), int(cut))
            for digest, vector, cut in zip(digests, vectors, truncated, strict=True)
        )
        with connection:  # one transaction a batch, so that no lock is held while embedding
            connection.executemany(_INSERT, rows)

    def _batches(self, digests: Sequence[bytes]) -> Iterator[Sequence[bytes]]:
        starts = range(0, len(digests), BATCH)
        for start in progress(starts, "embedding") if starts else ():
            yield digests[start : start + BATCH]

    def _damaged(self, reason: str) -> InvalidInput:
        return InvalidInput(f"{self.path} is damaged ({reason}); delete it: it only holds what can be embedded again")


def _use_wal(connection: sqlite3.Connection) -> None:
    """Switch to write-ahead logging, waiting here: SQLite does not when two processes create the file at once."""
    give_up = time.monotonic() + BUSY_TIMEOUT_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > give_up:
                raise
            time.sleep(0.01)
        else:
            return


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
