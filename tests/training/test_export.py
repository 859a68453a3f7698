"""The exported graph says what the fitted heads say, of every output and every verdict, or there is no bundle."""

from dataclasses import dataclass, replace

import numpy as np
import onnx
import onnxruntime
import pytest

from contract.bundle import FORMAT_VERSION, HEADS, Bundle, EncoderIdentity
from contract.calibration import Curve
from contract.errors import ParityFailed
from contract.features import WORDS
from contract.profiles import Profile
from contract.scorer import SCALARS, Scorer
from training.calibrate import calibrate, cross_fitted
from training.export import check_parity, graph_of, write_graph, write_manifest
from training.extent import ANY_ASCII, ANY_ATTACHMENTS, ANY_CJK, ASCII, ATTACHMENTS, CJK, LEAST_ASCII, MOST_CJK, Extent
from training.fitting import fit
from training.heads import equal

from .test_heads import CONFIG, D, families, logs_at, made_up, stacked

PROFILES = {
    "balanced": Profile(tokens_per_point=20_000, max_thinking_tokens=8192),
    "dear": Profile(tokens_per_point=500, max_thinking_tokens=1024),
}


@dataclass(frozen=True)
class FakeEncoder:
    """An encoder by name: the graph reads embeddings."""

    name: str = "fake"
    sha256: str = "0" * 64
    max_tokens: int = 8


@pytest.fixture(scope="module")
def rows():
    """Logs of two models on axes 2 and 3, cheap and dear, gaining and losing, and two families."""
    rng = np.random.default_rng(0)
    n = 400
    axes, model = np.tile([2, 3], n // 2), np.resize(["one", "one", "two", "two"], n)
    gain = rng.choice([-1.0, 0.0, 1.0], n, p=[0.1, 0.5, 0.4]) * np.where(axes == 2, 1, 0.2)
    tokens = np.exp(rng.normal(6, 0.8, n)) * np.where(model == "two", 3, 1) * rng.choice([0.02, 1], n)
    return stacked(families(), logs_at(axes, gain, tokens, model=model))


def told(rows, profiles=PROFILES):
    """Return calibrated heads and their calibration."""
    heads = fit(rows, rows, made_up(), profiles, CONFIG)
    return heads, calibrate(heads, cross_fitted(rows, rows, made_up(), profiles, CONFIG), rows, rows, profiles)


def written(folder, heads, calibration):
    write_graph(heads, folder / HEADS)
    write_manifest(
        folder, heads=heads, calibration=calibration, profiles=PROFILES, format_version=FORMAT_VERSION, revision="r", created="c",
        thinkworth_version="v", encoder=EncoderIdentity(name="fake", sha256="0" * 64, dimension=D, max_tokens=8),
        training={}, metrics={}, licences={},
    )  # fmt: skip
    return Scorer(Bundle(folder), encoder=FakeEncoder())


@pytest.fixture(scope="module")
def trained(rows, tmp_path_factory):
    heads, calibration = told(rows)
    return heads, calibration, written(tmp_path_factory.mktemp("bundle"), heads, calibration)


@pytest.fixture(scope="module")
def unseen():
    """Prompts in and out of the evidence, of models known, unknown and none, with strange features among them."""
    axes = np.tile([0, 1, 2, 3, 7, 9], 40)
    found = logs_at(axes, np.zeros(240), np.ones(240), seed=21, model=np.resize(["one", "TWO", "nobody", None], 240))
    found.features[::5] *= 1000
    found.embeddings[::7] = 0
    found.features[::9, ASCII], found.features[::11, CJK] = 0.1, 0.4
    return found


def test_the_graph_is_the_heads_on_every_output(trained, unseen):
    heads, _, scorer = trained
    exported = scorer.run(unseen.embeddings, unseen.features, scorer.targets(unseen.table.model.tolist()))
    fitted = heads.predict(unseen)
    assert (
        exported.keys()
        == fitted.keys()
        >= {*SCALARS, "thinking_quantiles", "prior_band", "p_family", "p_balanced", "p_dear"}
    )
    for name, wanted in fitted.items():
        scale = np.maximum(np.abs(wanted), 1)
        assert exported[name].shape == np.shape(wanted)
        assert np.abs((exported[name] - wanted) / scale).max() <= 1e-5, name
        assert np.ptp(np.asarray(wanted), axis=0).max() > 0, f"{name} is the same for all rows: nothing is compared"


def test_the_models_of_the_manifest_are_those_of_the_heads(trained, unseen):
    heads, _, scorer = trained
    assert scorer.manifest.models == heads.targets.known
    np.testing.assert_array_equal(scorer.targets(unseen.table.model.tolist()), heads.targets.of(unseen.table.model))


def test_what_is_usual_and_what_lies_around_the_centroids_is_in_the_manifest(trained, rows):
    heads, _, scorer = trained
    usual = np.average(rows.features[:, :-WORDS], axis=0, weights=rows.table.weight)
    assert scorer.manifest.usual_features == pytest.approx(usual)
    assert scorer.manifest.neighbourhoods == heads.neighbourhoods
    assert len(heads.neighbourhoods) == len(heads.cover.centres) > 1


def session_of(heads):
    return onnxruntime.InferenceSession(graph_of(heads).SerializeToString(), providers=["CPUExecutionProvider"])


@pytest.mark.parametrize(
    "scripts",
    [
        Extent(), Extent(ANY_CJK), Extent(least_ascii=ANY_ASCII), Extent(ANY_CJK, ANY_ASCII),
        Extent(attachments=ANY_ATTACHMENTS), Extent(ANY_CJK, ANY_ASCII, attachments=ANY_ATTACHMENTS),
    ],
)  # fmt: skip
def test_the_graph_holds_the_scripts_and_images_that_the_heads_hold_up_to_their_bounds(trained, unseen, scripts):
    heads = replace(trained[0], extent=scripts, cover=replace(trained[0].cover, middle=-1.0))  # logs reach everywhere
    near = [np.nextafter(np.float32(bound), np.float32(to)) for bound in (MOST_CJK, LEAST_ASCII) for to in (0, 1)]
    shares = np.array([0, MOST_CJK, LEAST_ASCII, 1, *near], np.float32)
    rows = unseen.take(np.arange(240) < len(shares) ** 2)
    rows.features[:, [CJK, ASCII]] = np.stack(np.meshgrid(shares, shares), axis=-1).reshape(-1, 2)
    rows.features[:, ATTACHMENTS] = np.tile(np.log1p([0, 1]), len(rows.table) // 2)
    read = {
        "embeddings": rows.embeddings,
        "features": rows.features,
        "target": trained[2].targets(rows.table.model.tolist()),
    }
    (familiar,) = session_of(heads).run(["familiar"], read)
    np.testing.assert_array_equal(familiar > 0, scripts.holds(rows.features) > 0)
    assert familiar == pytest.approx(heads.predict(rows)["familiar"], abs=1e-5)


def test_parity_reports_every_output_and_every_verdict(trained, unseen):
    heads, _, scorer = trained
    report = check_parity(scorer, heads, unseen)
    assert report["rows"] == 240
    assert report["verdicts_compared"] == 240 * len(PROFILES)
    assert {name for name in report if isinstance(report[name], dict)} == heads.predict(unseen).keys()
    assert all(part["largest"] <= 1e-5 for part in report.values() if isinstance(part, dict))


@pytest.mark.parametrize(
    ("changed", "output"),
    [
        (lambda heads: replace(heads, smearing=heads.smearing * 1.001), "extra_tokens"),
        (lambda heads: replace(heads, thinking_offsets=heads.thinking_offsets + 0.001), "thinking_quantiles"),
        (lambda heads: replace(heads, cover=replace(heads.cover, centres=heads.cover.centres * np.float32(0.9))), "cosines"),
        (lambda heads: replace(heads, cover=replace(heads.cover, middle=heads.cover.middle - 0.01)), "from_logs"),
        (lambda heads: replace(heads, shares=heads.shares | {"gain": equal("gain")}), "gain_logs"),
        (lambda heads: replace(heads, linear=heads.linear | {"worth": heads.linear["gain"]}), "worth"),
        (lambda heads: replace(heads, networks={"worth": _raised(heads.networks["worth"])}), "worth"),
        (lambda heads: replace(heads, scaling=heads.scaling | {"dear": heads.scaling["balanced"]}), "p_dear"),
        (lambda heads: replace(heads, extent=Extent(ANY_CJK, ANY_ASCII)), "familiar"),
        (lambda heads: replace(heads, prices=heads.prices | {"balanced": 10_000.0}), "p_balanced"),
    ],
)  # fmt: skip
def test_heads_that_differ_from_the_graph_in_one_part_fail(trained, unseen, changed, output):
    heads, _, scorer = trained
    with pytest.raises(ParityFailed, match=f"^{output}: the graph equals the estimator on .* no bundle was written"):
        check_parity(scorer, _in_order(changed(heads), output), unseen)


def _raised(network):
    return replace(network, out=replace(network.out, bias=network.out.bias + 0.1))


def _in_order(heads, output):
    """Return heads that say only one output, so that what follows from it is not compared first."""

    class Only:
        def predict(self, rows):
            return {output: heads.predict(rows)[output]}

    return Only()


def test_a_verdict_that_flips_fails_however_close_the_outputs_are(trained, unseen, tmp_path):
    heads, calibration, _ = trained
    family = unseen.take(unseen.embeddings[:, 1] > 0.5)  # the prior alone speaks there
    middle = float(np.sort(heads.predict(family)["gain_prior"])[20])  # a row's own
    step = Curve(x=(middle + 1e-6, middle + 3e-6), y=(-1, 1), lower=(-1, 1), upper=(-1, 1))
    steep = calibration.model_copy(update={"gain_prior": step, "gain_logs": step, "unfamiliar_below": 0.0})
    scorer = written(tmp_path, heads, steep)
    shifted = replace(heads, prior=replace(heads.prior, score_reasoning=heads.prior.score_reasoning + 4e-6))
    with pytest.raises(ParityFailed, match="a verdict flips from use to avoid in the export"):
        check_parity(scorer, shifted, family)


def test_the_same_heads_give_the_same_bytes(trained, tmp_path):
    heads, _, _ = trained
    write_graph(heads, tmp_path / "a")
    write_graph(heads, tmp_path / "b")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_the_graph_takes_what_the_scorer_gives(trained):
    model = graph_of(trained[0])
    widths = {value.name: value.type.tensor_type.shape.dim[1].dim_value for value in model.graph.input}
    assert widths == {"embeddings": 2 * D, "features": len(trained[2].manifest.feature_names) + WORDS, "target": 3}
    onnx.checker.check_model(model, full_check=True)


def test_heads_of_logs_alone_and_of_the_taxonomy_alone_are_exported_too(rows, unseen, tmp_path):
    for name, some in (("logs", rows.logged()), ("taxonomy", rows.pseudo())):
        (tmp_path / name).mkdir()
        heads, calibration = told(some)
        assert check_parity(written(tmp_path / name, heads, calibration), heads, unseen)["verdicts_compared"] == 480
