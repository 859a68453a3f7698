import json
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from contract.bundle import sha256
from contract.encoder import CHARACTERS_PER_TOKEN, ENCODER_FORMAT_VERSION, Encoder
from contract.errors import BundleMismatch, BundleMissing, BundleTooNew
from contract.locate import ROOT

FOLDER = ROOT / "models" / "encoder"
LONG = " ".join(f"Line {i} of the ledger says that {i * 7} crates left the port." for i in range(400))


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return Encoder(FOLDER)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return Path(shutil.copytree(FOLDER, tmp_path / "encoder"))


def rewrite(folder: Path, **changes: object) -> None:
    path = folder / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text("utf-8")) | changes), "utf-8")


def cosine(encoder: Encoder, a: str, b: str) -> float:
    return float(encoder.encode(a).vector @ encoder.encode(b).vector)


def test_a_vector_has_length_one_and_the_declared_dimension(encoder: Encoder) -> None:
    vector, truncated = encoder.encode("What is 1 + 9900?")
    assert vector.dtype == np.float32
    assert vector.shape == (encoder.dimension,) == (384,)
    assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-5)
    assert truncated is False


def test_near_meanings_are_nearer_than_far_ones(encoder: Encoder) -> None:
    near = cosine(encoder, "How do I bake bread?", "What is a good recipe for a loaf?")
    assert near > cosine(encoder, "How do I bake bread?", "Prove that the square root of 2 is irrational.") + 0.2


def test_exactly_one_graph_lies_in_the_folder() -> None:
    assert [path.name for path in FOLDER.glob("*.onnx")] == ["encoder.onnx"]


def test_the_identity_names_the_model_and_the_digest(encoder: Encoder) -> None:
    assert encoder.identity == f"all-MiniLM-L6-v2@{encoder.sha256[:12]}"
    assert encoder.max_tokens == 256


def test_the_identity_ignores_the_parity_report_but_not_the_window(encoder: Encoder, copy: Path) -> None:
    (copy / "parity.json").write_text("{}", "utf-8")
    files = {path.name: sha256(path) for path in copy.iterdir() if path.name != "manifest.json"}
    rewrite(copy, files=files)
    assert Encoder(copy).sha256 == encoder.sha256
    rewrite(copy, max_tokens=128)
    assert Encoder(copy).sha256 != encoder.sha256


def test_no_text_is_padded(encoder: Encoder) -> None:
    ids, truncated = encoder.window("hello")
    assert len(ids) == 3
    assert not truncated


def test_a_text_past_the_tokenizers_own_128_tokens_is_not_cut(encoder: Encoder) -> None:
    ids, truncated = encoder.window("word " * 200)
    assert len(ids) == 202
    assert not truncated


@pytest.mark.parametrize(("words", "cut"), [(254, False), (255, True)])
def test_truncation_begins_where_the_window_ends(encoder: Encoder, words: int, cut: bool) -> None:
    assert encoder.encode("word " * words).truncated is cut


def test_a_long_text_keeps_its_head_and_its_tail(encoder: Encoder) -> None:
    def window(text: str) -> list[int]:
        return encoder.window(text)[0]

    assert len(window(LONG)) == 256
    assert window("zebra " + LONG)[1] == window("zebra")[1]
    assert window(LONG + " zebra")[-2:] == window("zebra")[-2:]
    assert cosine(encoder, LONG + " Translate all this into French, please.", LONG) < 0.9999
    vector = encoder.encode(LONG).vector
    assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize(
    "unit", ["The ledger says that 40 crates left. ", "    return value\n", "internationalisation "]
)
def test_the_cut_by_characters_changes_nothing(encoder: Encoder, unit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    text = unit * (3 * CHARACTERS_PER_TOKEN * encoder.max_tokens // len(unit))
    cut = encoder.encode(text)
    monkeypatch.setattr("contract.encoder.CHARACTERS_PER_TOKEN", 10**6)
    whole = encoder.encode(text)
    assert cut.truncated
    assert whole.truncated
    assert np.array_equal(cut.vector, whole.vector)


@pytest.mark.parametrize("unit", ["word ", "a", " ", "漢字", "🙂", "[SEP]", "\ud800"])
def test_a_mebibyte_takes_no_seconds(encoder: Encoder, unit: str) -> None:
    text = unit * (2**20 // len(unit))
    start = time.perf_counter()
    assert encoder.encode(text).truncated
    assert time.perf_counter() - start < 1


@pytest.mark.parametrize("special", ["[SEP]", "[CLS]", "[MASK]", "[PAD]", "[UNK]"])
def test_special_tokens_in_a_text_are_plain_text(encoder: Encoder, special: str) -> None:
    ids, _ = encoder.window(f"one {special} two")
    first, last = encoder.window("one")[0][::2]
    assert ids[0] == first
    assert ids[-1] == last
    assert encoder._tokenizer.token_to_id(special) not in ids[1:-1]


@pytest.mark.parametrize("text", ["", " ", "\ud800", "a\udfffb", "\x00", "\u200b", "🙂" * 3, "\r\n\t"])
def test_odd_texts_have_a_vector(encoder: Encoder, text: str) -> None:
    vector, truncated = encoder.encode(text)
    assert np.isfinite(vector).all()
    assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-5)
    assert not truncated


def test_many_equals_one_by_one_bit_by_bit_in_order(encoder: Encoder) -> None:
    texts = [f"{'word ' * (i * 7 % 90)} number {i}" for i in range(60)] + [LONG, "", "[SEP]"]
    for threads in (None, 1, 5):
        vectors, truncated = encoder.encode_many(texts, threads=threads)
        assert vectors.dtype == np.float32
        assert truncated.dtype == np.bool_
        for text, vector, cut in zip(texts, vectors, truncated, strict=True):
            one = encoder.encode(text)
            assert np.array_equal(one.vector, vector)
            assert one.truncated == cut


def test_many_of_nothing_is_empty(encoder: Encoder) -> None:
    vectors, truncated = encoder.encode_many([])
    assert vectors.shape == (0, 384)
    assert truncated.shape == (0,)


def test_an_embedding_does_not_depend_on_what_else_is_in_flight(encoder: Encoder) -> None:
    alone = encoder.encode("What is the capital of France?").vector
    with ThreadPoolExecutor(8) as pool:
        noise = [pool.submit(encoder.encode, LONG[i:]) for i in range(20)]
        same = [pool.submit(encoder.encode, "What is the capital of France?") for _ in range(20)]
    assert all(future.result().truncated for future in noise)
    assert all(np.array_equal(future.result().vector, alone) for future in same)


def test_loading_it_imports_no_training_stack() -> None:
    code = (
        "import sys; from pathlib import Path; from contract.encoder import Encoder;"
        f"Encoder(Path({str(FOLDER)!r})).encode('a');"
        "print(sorted({'torch', 'transformers', 'sklearn', 'pandas', 'mlflow', 'onnx'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("name", ["manifest.json", "encoder.onnx", "tokenizer.json", "parity.json"])
def test_a_missing_file_is_named(copy: Path, name: str) -> None:
    (copy / name).unlink()
    with pytest.raises(BundleMissing, match=rf"{name} is missing.*encoder export"):
        Encoder(copy)


@pytest.mark.parametrize("name", ["encoder.onnx", "tokenizer.json", "parity.json"])
def test_an_altered_file_is_named_with_both_digests(copy: Path, name: str) -> None:
    with (copy / name).open("ab") as file:
        file.write(b" ")
    with pytest.raises(
        BundleMismatch, match=rf"{name}: sha256 [0-9a-f]{{12}}\.\. expected [0-9a-f]{{12}}\.\.; restore"
    ):
        Encoder(copy)


def test_a_newer_format_is_refused(copy: Path) -> None:
    rewrite(copy, format_version=ENCODER_FORMAT_VERSION + 1, name=None)
    with pytest.raises(BundleTooNew, match=f"format {ENCODER_FORMAT_VERSION + 1}.*upgrade"):
        Encoder(copy)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("format_version", "1"),
        ("format_version", "99"),
        ("format_version", 0),
        ("format_version", -1),
        ("format_version", True),
        ("format_version", 1.0),
        ("format_version", None),
        ("name", ""),
        ("dimension", True),
        ("dimension", "384"),
        ("max_tokens", 4),
        ("files", {}),
        ("files", ["encoder.onnx"]),
        ("files", {"../encoder.onnx": "0" * 64}),
        ("files", {"..": "0" * 64}),
        ("files", {"": "0" * 64}),
        ("files", {"encoder.onnx": 1}),
        ("files", {"encoder.onnx": "00"}),
    ],
)
def test_a_manifest_with_a_wrong_key_is_refused_and_the_key_named(copy: Path, key: str, value: object) -> None:
    rewrite(copy, **{key: value})
    with pytest.raises(BundleMismatch, match=rf"{key}.*encoder export") as caught:
        Encoder(copy)
    assert caught.value.field == key


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "\xff"])
def test_a_manifest_that_is_none_is_refused(copy: Path, text: str) -> None:
    (copy / "manifest.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(BundleMismatch, match=r"manifest\.json"):
        Encoder(copy)


def test_a_manifest_without_a_graph_is_refused(copy: Path) -> None:
    rewrite(copy, files={"tokenizer.json": sha256(copy / "tokenizer.json")})
    with pytest.raises(BundleMismatch, match=r"lists 0 \.onnx files"):
        Encoder(copy)


def test_a_graph_that_is_none_is_refused(copy: Path) -> None:
    (copy / "encoder.onnx").write_bytes(b"no graph")
    rewrite(copy, files={name: sha256(copy / name) for name in ("encoder.onnx", "tokenizer.json")})
    with pytest.raises(BundleMismatch, match="cannot open"):
        Encoder(copy)


def test_a_tokenizer_that_is_none_is_refused(copy: Path) -> None:
    (copy / "tokenizer.json").write_text("{}")
    files = [path.name for path in copy.iterdir() if path.name != "manifest.json"]
    rewrite(copy, files={name: sha256(copy / name) for name in files})
    with pytest.raises(BundleMismatch, match=r"tokenizer\.json: no tokenizer"):
        Encoder(copy)


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_how_many_threads_share_a_text_changes_no_bit(encoder: Encoder, monkeypatch, threads: int) -> None:
    monkeypatch.setattr("contract.encoder.THREADS_A_TEXT", threads)
    monkeypatch.setattr("contract.encoder.cores", lambda: 4)
    other = Encoder(FOLDER)
    for text in ("a", "What is 1 + 9900?", "今天天气怎么样？", *(LONG[:n] for n in (200, 477, 900, 20_000))):
        assert np.array_equal(other.encode(text).vector, encoder.encode(text).vector)


class Refusing:
    def run(self, *_):
        raise AssertionError("the session for a lone text was taken")


def test_only_a_lone_text_is_spread_over_threads(monkeypatch) -> None:
    monkeypatch.setattr("contract.encoder.cores", lambda: 2)
    one = Encoder(FOLDER)
    alone = one.encode("What is 1 + 9900?")
    monkeypatch.setattr(one, "_for_one", Refusing())
    with pytest.raises(AssertionError):
        one.encode("What is 1 + 9900?")
    monkeypatch.setattr(one, "_busy", 1)  # beside another
    assert np.array_equal(one.encode("What is 1 + 9900?").vector, alone.vector)
    assert one._busy == 1
