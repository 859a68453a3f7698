"""Exports a sentence-transformers model once to int8 ONNX, and refuses what does not reproduce it.

    export_encoder: weights -> graph with pooling and normalisation -> int8 -> tokenizer -> parity -> manifest

The folder that comes out is read by `contract.encoder.Encoder`, in training and in serving alike.
"""

import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from contract.bundle import MANIFEST, sha256
from contract.encoder import ENCODER_FORMAT_VERSION, TOKENIZER, Encoder
from contract.errors import ParityFailed
from training.encoder_source import Source, quiet
from training.encoder_texts import parity_texts
from training.files import check_replaceable, folder_written_atomically

GRAPH = "encoder.onnx"
PARITY = "parity.json"
MIN_MEAN_COSINE = 0.99
QUANTISATION = "dynamic int8, weights QInt8 per channel (onnxruntime quantize_dynamic)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Parity:
    """How near the exported encoder is to the model it was made from, in cosine over `texts` texts."""

    texts: int
    mean_cosine: float
    min_cosine: float


@dataclass(frozen=True, slots=True, kw_only=True)
class EncoderReport:
    """What an export produced."""

    folder: str
    identity: str
    dimension: int
    max_tokens: int
    bytes: int
    parity: Parity


class ParityRows(NamedTuple):
    """The same texts embedded twice, row by row: by the source model in fp32 and by the exported graph in int8."""

    fp32: NDArray[np.float32]
    int8: NDArray[np.float32]

    @property
    def cosines(self) -> NDArray[np.float32]:
        """Cosine of each row; both sides are of length 1."""
        return np.asarray((self.fp32 * self.int8).sum(axis=1), dtype=np.float32)


def export_encoder(source: str, out: Path, *, max_tokens: int = 256) -> EncoderReport:
    """Export a sentence-transformers model to `out`, whole or not at all; an older export there is replaced.

    Args:
        source: name or path of the model; the default's weights come from an installed package, not the network.
        out: the folder to write.
        max_tokens: the token window, special tokens included.

    Raises:
        MissingExtra: torch, sentence-transformers or onnx is not installed.
        InvalidInput: the model cannot be loaded or is of a kind that is not supported, or `out` is something else.
        BundleMismatch: the default's weights are not upstream's.
        ParityFailed: the mean cosine to the source model is under MIN_MEAN_COSINE.
    """
    check_replaceable(out, of="encoder")
    with quiet():
        model = Source.load(source)
        model.check_window(max_tokens)
        with tempfile.TemporaryDirectory() as scratch, folder_written_atomically(out) as folder:
            _write_graph(model, Path(scratch) / "fp32.onnx", folder / GRAPH)
            model.write_tokenizer(folder / TOKENIZER)
            facts = _facts(model, max_tokens)
            _write_manifest(folder, facts)
            parity = _measure(model, folder)
            _write_json(folder / PARITY, asdict(parity) | {"required_mean_cosine": MIN_MEAN_COSINE})
            _write_manifest(folder, facts)  # again, now that there is a parity report to list
    encoder = Encoder(out)
    return EncoderReport(
        folder=str(out),
        identity=encoder.identity,
        dimension=encoder.dimension,
        max_tokens=max_tokens,
        bytes=sum(path.stat().st_size for path in out.iterdir()),
        parity=parity,
    )


def parity_rows(source: Source, encoder: Encoder, texts: Sequence[str]) -> ParityRows:
    """Return the texts embedded by the source model and by the exported encoder.

    Only texts that fit the window compare like with like: the source model keeps the head alone of a longer one.
    """
    fp32 = source.embed(texts, max_tokens=encoder.max_tokens)
    return ParityRows(fp32, encoder.encode_many(texts)[0])


def _write_graph(source: Source, fp32: Path, path: Path) -> None:
    from onnxruntime.quantization import QuantType, quantize_dynamic

    source.write_graph(fp32)
    quantize_dynamic(fp32, path, weight_type=QuantType.QInt8, per_channel=True)


def _facts(source: Source, max_tokens: int) -> dict[str, Any]:
    """Return the manifest but for its files; nothing of the machine or the day, so that an export can be repeated."""
    return {
        "format_version": ENCODER_FORMAT_VERSION,
        "name": source.name,
        "dimension": source.dimension,
        "max_tokens": max_tokens,
        "pooling": source.pooling,
        "quantisation": QUANTISATION,
        "weights": source.weights,
        "licence": source.licence,
        "created_by": f"thinkworth {version('thinkworth')}",
    }


def _write_manifest(folder: Path, facts: Mapping[str, Any]) -> None:
    files = {path.name: sha256(path) for path in sorted(folder.iterdir()) if path.name != MANIFEST}
    _write_json(folder / MANIFEST, {**facts, "files": files})


def _write_json(path: Path, value: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _measure(source: Source, folder: Path) -> Parity:
    encoder = Encoder(folder)
    texts = [text for text in parity_texts() if not encoder.encode(text).truncated]
    cosines = parity_rows(source, encoder, texts).cosines
    parity = Parity(
        texts=len(texts), mean_cosine=round(float(cosines.mean()), 5), min_cosine=round(float(cosines.min()), 5)
    )
    if not parity.mean_cosine >= MIN_MEAN_COSINE:
        raise ParityFailed(
            f"int8 export of {source.name}: mean cosine to fp32 {parity.mean_cosine} over {parity.texts} texts, "
            f"required {MIN_MEAN_COSINE}; export another model",
            limit=MIN_MEAN_COSINE,
        )
    return parity
