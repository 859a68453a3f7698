"""The encoder: a text to its embedding, by one int8 ONNX graph that training and serving share.

    models/encoder/
        manifest.json        format version, name, dimension, max_tokens, sha256 of every other file
        encoder.onnx         tokens -> embedding, pooling and normalisation inside; the only .onnx of the folder
        tokenizer.json       the tokens
        parity.json          how near it is to the model it was exported from

One text a call, never padded: dynamic int8 scales its activations over a whole batch, so a neighbour would change an
embedding (cosines down to .987), and on a CPU padding costs more than batching saves. Many texts are embedded by many
threads instead, one a core.
"""

import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from threading import Lock
from typing import NamedTuple

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from tokenizers import Tokenizer

from contract.cores import cores
from contract.errors import BundleMismatch
from contract.manifest_file import MANIFEST, Files, read_manifest, verify
from contract.processor import adds_int8_exactly

ENCODER_FORMAT_VERSION = 1
"""Bumped when an older reader would misuse a newer folder: an input, the output or a key changes meaning or name."""

TOKENIZER = "tokenizer.json"
CHARACTERS_PER_TOKEN = 16
"""Texts beyond this many characters a token of the window are cut to head and tail before they are tokenised.

Prose has 4 to 5 characters a token, indented code and wide tables up to 10: wherever head and tail average 12 or fewer,
the cut leaves the embedding as it was. Beyond (long runs of spaces or of one letter) it only bounds the time.
"""

THREADS_A_TEXT = 2
"""Threads that a text spreads over while it is the only one; the embedding is the same with one, bit by bit.

A lone text takes an eighth less time so. Several at a time, each on one thread, take a sixth less than each on two, which wait for each other.
"""

_INPUTS = ("input_ids", "attention_mask", "token_type_ids")
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")
_REMEDY = "restore it, or make it again with `thinkworth encoder export`"


class Embedding(NamedTuple):
    """One embedded text.

    Attributes:
        vector: float32 [dimension], of length 1.
        truncated: whether the middle of the text was left out to fit the token window.
    """

    vector: NDArray[np.float32]
    truncated: bool


class _Manifest(BaseModel):
    """What is read of a manifest; it says more, of where the graph comes from."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    name: str = Field(min_length=1)
    dimension: int = Field(gt=0)
    max_tokens: int = Field(ge=8)
    files: Files


class Encoder:
    """A verified encoder folder, ready to embed; safe to share between threads.

    Raises:
        BundleMissing: the folder, its manifest or a listed file is not there.
        BundleMismatch: a file's sha256 differs, or the manifest does not describe an encoder.
        BundleTooNew: the format is newer than this thinkworth reads.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._manifest = read_manifest(
            folder / MANIFEST, _Manifest, of="encoder", reads=(1, ENCODER_FORMAT_VERSION), remedy=_REMEDY
        )
        verify(folder, self._manifest.files, remedy=_REMEDY)
        graph = folder / _graph_name(folder, self._manifest.files)
        self._session = open_graph(graph, remedy=_REMEDY)
        spread = min(THREADS_A_TEXT, cores())
        self._for_one = open_graph(graph, remedy=_REMEDY, threads=spread) if spread > 1 else self._session
        self._busy, self._counting = 0, Lock()
        self._inputs = _check_inputs(folder, {node.name for node in self._session.get_inputs()})
        self._tokenizer = _open_tokenizer(folder / TOKENIZER)
        self._tokenizer.no_padding()  # the one of all-MiniLM-L6-v2 pads to 128 and truncates at 128
        self._tokenizer.no_truncation()
        self._tokenizer.encode_special_tokens = True  # "[SEP]" written by a user is five characters, not a separator
        self._head, self._tail = _frame(self._tokenizer)

    @property
    def name(self) -> str:
        """Name of the model that was exported."""
        return self._manifest.name

    @property
    def sha256(self) -> str:
        """Digest of all that an embedding depends on: the graph, the tokenizer and the window."""
        parts = {
            name: digest for name, digest in self._manifest.files.items() if name.endswith(".onnx") or name == TOKENIZER
        }
        text = json.dumps([sorted(parts.values()), self.dimension, self.max_tokens], separators=(",", ":"))
        return hashlib.sha256(text.encode("ascii")).hexdigest()

    @property
    def identity(self) -> str:
        """Name and digest prefix, such as `all-MiniLM-L6-v2@0123456789ab`."""
        return f"{self.name}@{self.sha256[:12]}"

    @property
    def dimension(self) -> int:
        """Length of a vector."""
        return self._manifest.dimension

    @property
    def max_tokens(self) -> int:
        """The token window, its special tokens included."""
        return self._manifest.max_tokens

    def encode(self, text: str) -> Embedding:
        """Return the embedding of a text; of one longer than the window, that of its head and its tail."""
        ids, truncated = self.window(text)
        feeds = {
            "input_ids": np.array([ids], dtype=np.int64),
            "attention_mask": np.ones((1, len(ids)), dtype=np.int64),
            "token_type_ids": np.zeros((1, len(ids)), dtype=np.int64),
        }
        with self._session_now() as session:
            (output,) = session.run(None, {name: feeds[name] for name in self._inputs})
        return Embedding(np.asarray(output[0], dtype=np.float32), truncated)

    @contextmanager
    def _session_now(self) -> Iterator[onnxruntime.InferenceSession]:
        """Yield the session for a text: the spreading one where no other text is being embedded."""
        with self._counting:
            alone = self._busy == 0
            self._busy += 1
        try:
            yield self._for_one if alone else self._session
        finally:
            with self._counting:
                self._busy -= 1

    def encode_many(
        self, texts: Sequence[str], threads: int | None = None
    ) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Return vectors [n, dimension] and truncated [n], in order and equal to `encode` of each text bit by bit.

        Args:
            texts: what to embed.
            threads: how many at a time; None: one per core this process may use.
        """
        vectors = np.empty((len(texts), self.dimension), dtype=np.float32)
        truncated = np.zeros(len(texts), dtype=np.bool_)
        with ThreadPoolExecutor(threads or cores()) as pool:
            for i, embedding in enumerate(pool.map(self.encode, texts)):
                vectors[i], truncated[i] = embedding
        return vectors, truncated

    def window(self, text: str) -> tuple[list[int], bool]:
        """Return the tokens to feed, and whether some were left out."""
        room = self.max_tokens - len(self._head) - len(self._tail)
        half = CHARACTERS_PER_TOKEN * self.max_tokens // 2
        if cut := len(text) > 2 * half:
            ids = self._tokens(text[:half]) + self._tokens(text[-half:])
        else:
            ids = self._tokens(text)
        if over := len(ids) > room:
            ids = ids[: room - room // 2] + ids[len(ids) - room // 2 :]
        return [*self._head, *ids, *self._tail], cut or over

    def _tokens(self, text: str) -> list[int]:
        clean = _LONE_SURROGATE.sub("\ufffd", text)
        return list(self._tokenizer.encode(clean, add_special_tokens=False).ids)


def open_graph(path: Path, *, remedy: str, threads: int = 1) -> onnxruntime.InferenceSession:
    """Open a graph for calls from several threads at a time, each on `threads` intra-op threads where these are idle.

    Raises:
        BundleMismatch: onnxruntime cannot open it.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    _share_memory()
    options.add_session_config_entry("session.use_env_allocators", "1")
    options.enable_mem_pattern = False  # a plan of its buffers for each length of a text: more memory, and no faster
    options.log_severity_level = 3  # errors are raised, not printed
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # else idle threads take cores from others
    # A processor that lacks VNNI would saturate sums of int8 products at 16 bits and embed differently from the others. One that
    # has it is right either way, bit by bit, and this way would take two thirds longer.
    if not adds_int8_exactly():
        options.add_session_config_entry("session.x64quantprecision", "1")
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's own errors share no other base
        raise BundleMismatch(
            f"{path}: onnxruntime cannot open it ({type(error).__name__}); {remedy}", field=path.name
        ) from error


@cache
def _share_memory() -> None:
    """Give all graphs one arena that grows by what is asked for; left alone, each has one of its own that doubles.

    Malloc instead of an arena is half as fast where it gives large blocks back to the system, and takes more memory where it does not.
    """
    memory = onnxruntime.OrtMemoryInfo(
        "Cpu", onnxruntime.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, onnxruntime.OrtMemType.DEFAULT
    )
    as_requested = {
        "max_mem": 0,
        "arena_extend_strategy": 1,
        "initial_chunk_size_bytes": 2**20,
        "max_dead_bytes_per_chunk": 2**20,
    }
    onnxruntime.create_and_register_allocator(memory, onnxruntime.OrtArenaCfg(as_requested))


def _open_tokenizer(path: Path) -> Tokenizer:
    try:
        return Tokenizer.from_file(str(path))
    except Exception as error:  # tokenizers raises Exception itself
        raise BundleMismatch(f"{path}: no tokenizer that tokenizers can read; {_REMEDY}", field=path.name) from error


def _check_inputs(folder: Path, found: set[str]) -> tuple[str, ...]:
    if not {"input_ids", "attention_mask"} <= found <= set(_INPUTS):
        raise BundleMismatch(
            f"{folder}: the graph takes {', '.join(sorted(found))}, not {', '.join(_INPUTS)}; {_REMEDY}"
        )
    return tuple(name for name in _INPUTS if name in found)


def _frame(tokenizer: Tokenizer) -> tuple[list[int], list[int]]:
    """Return the special tokens before and after a text, such as [CLS] and [SEP]."""
    encoding = tokenizer.encode("a", add_special_tokens=True)
    inside = [i for i, special in enumerate(encoding.special_tokens_mask) if not special]
    return list(encoding.ids[: inside[0]]), list(encoding.ids[inside[-1] + 1 :])


def _graph_name(folder: Path, files: dict[str, str]) -> str:
    graphs = [name for name in files if name.endswith(".onnx")]
    if len(graphs) != 1 or TOKENIZER not in files:
        raise BundleMismatch(
            f"{folder / MANIFEST} lists {len(graphs)} .onnx files, expected one beside {TOKENIZER}; {_REMEDY}",
            field=MANIFEST,
        )
    return graphs[0]
