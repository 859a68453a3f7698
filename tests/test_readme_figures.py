"""Every figure of README's results is the one that its benchmark wrote: rows of its tables are made anew from benchmarks/results."""

import json
import re

import pytest

from contract.locate import ROOT
from training.metrics import ranged

README = (ROOT / "README.md").read_text(encoding="utf-8")
WORDS = " ".join(README.split())
RESULTS = ROOT / "benchmarks" / "results"
NAMES = {
    "suzgunmirac/BIG-Bench-Hard": "BIG-Bench Hard", "kojima-takeshi188/zero_shot_cot": "zero_shot_cot", "TIGER-AI-Lab/Program-of-Thoughts": "TAT-QA",
    "OpenBioLink/ThoughtSource": "ThoughtSource", "Amir-Mohseni/LLM-Router": "Qwen3", "mahmudulhaquequdrati/stop-overthinking-thesis": "HumanEval",
    "cpldcpu/LRMTokenEconomy": "LRMTokenEconomy",
}  # fmt: skip
UNSEEN = (
    "peers_without_thoughtsource", "peers_without_tatqa", "peers_without_zero_shot_cot", "peers", "peers_without_qwen3_simpleqa_brumo",
    "peers_without_humaneval_budget",
)  # fmt: skip
POLICIES = (
    "never", "always", "ours (use thinks)", "ours (all but avoid think)", "random at the share of use",
    "random at the share of all but avoid", "prompt length at the share of use", "predicted difficulty at the share of use",
    "task mean at the share of use", "oracle",
)  # fmt: skip
PEERS = ("litellm_heuristic", "litellm_heuristic_v2", "thinkrouter", "length", "task_mean", "random")
CURVES = ("warm start", "without", "bundle as it is", "task means", "length")
BASELINES = ("task mean", "predicted tokens", "prompt length", "predicted difficulty")


def result(name):
    return json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))


def short(source):
    return NAMES[source.partition("@")[0]]


def row(*cells):
    return f"| {' | '.join(cells)} |"


def unseen():
    """Rows: the shipped bundle on BIG-Bench Hard, whole and without the questions that a training source holds too."""
    parts = [next(iter(result(name)["sources"].values())) for name in ("unseen", "unseen_without_shared")]
    of = {
        "q, ordered by `worth`": lambda part: part["q"],
        "... by the answer's gain over its extra tokens": lambda part: part["q_gain_per_token"],
        "... by the answer's net_benefit": lambda part: part["q_net_benefit"],
        "... of the lowest predicted direct score first": lambda part: part["q_baselines"]["predicted difficulty"],
        "... of the longest prompt first": lambda part: part["q_baselines"]["prompt length"],
        "... of the task's mean gain, the task told": lambda part: part["q_baselines"]["task mean"],
        "AUC of expected gain for gain > 0": lambda part: part["auc"],
        "ECE of P(use), 15 bins": lambda part: part["ece_p_use"],
    }
    for name, figure in of.items():
        yield row(name, *(ranged(**figure(part)) for part in parts))


def policies():
    """Rows: what policies cost and score on BIG-Bench Hard."""
    found = {part["policy"]: part for part in result("unseen")["policies"]}
    for name in POLICIES:
        part = found[name]
        score = ranged(part["score"], part["score_interval"])
        tokens = ranged(part["extra_tokens"], part["extra_tokens_interval"], ".1f")
        yield row(name, f"{part['share']:.2f}", score, tokens)


def five_folds():
    """Rows: q of each source beside its task means, and the macro-mean."""
    report = result("without_prompts")
    for source in sorted(report["sources"], key=lambda name: list(NAMES).index(name.partition("@")[0])):
        part = report["sources"][source]
        means = part["q_baselines"]["task mean"]
        yield row(short(source), f"{part['n']:,}", ranged(**part["q"]), ranged(**means), ranged(**part["ece_p_use"]))
    macro = report["macro"]["q"]
    ece = report["reliability"]["p_use"]["ece"]
    yield row(
        "macro-mean; ECE of all pairs",
        f"{report['n']:,}",
        ranged(**macro["q"]),
        ranged(**macro["task mean"]),
        ranged(**ece),
    )


def left_out():
    """Rows: macro q of bundles without the tasks, or the source, that they are judged on, and what they have over each baseline."""
    for kind, name in (
        ("prompts", "a fifth of the prompts"),
        ("source", "a source"),
        ("tasks", "an eighth of the tasks"),
    ):
        report = result(f"without_{kind}")
        over = report["macro"]["over_baseline"]
        yield row(
            name,
            f"{report['n']:,}",
            ranged(**report["macro"]["q"]["q"]),
            *(ranged(**over[base], spec="+.3f") for base in BASELINES),
        )


def budgets():
    """Rows: coverage of thinking budgets, their mean and the best constant of equal coverage."""
    told = result("without_prompts")["budget"]
    parts = {"all": told["all"], **{short(name): part for name, part in told["source"]["parts"].items()}}
    for name, part in parts.items():
        yield row(
            name,
            f"{part['n']:,}",
            ranged(**part["coverage"]),
            f"{part['mean_budget']:,.0f}",
            f"{part['constant_budget']:,.0f}",
            ranged(**part["saved"], spec=".2f"),
        )


def never_seen(name):
    """Return the log that the bundle of a result never saw, of which there is one, and its part of the result."""
    parts = result(name)["sources"].items()
    ((source, part),) = ((source, part) for source, part in parts if part["held_out"] == "source not trained on")
    return source, part


def peers():
    """Rows: q of ours and of the peers on whole logs that the bundle never saw, and the difference."""
    for name in UNSEEN:
        source, part = never_seen(name)
        yield from compared(f"{short(source)}, n = {part['n']:,}", part["orders"])


def compared(title, orders):
    yield row(title, "ours", ranged(**orders["ours"]["q"]), "", micro(orders["ours"]))
    for name in PEERS:
        over = orders[name]["ours_above"]
        said = ranged(over["value"], over["interval"], "+.3f")
        yield row("", name, ranged(**orders[name]["q"]), said, micro(orders[name]))


def curve():
    """Rows: q by the pairs logged, of bundles that start from the shipped one and of others."""
    for point in result("learning_curve")["points"]:
        yield row(f"{point['pairs']:,}", *(ranged(**point["q"][name]) for name in CURVES))


def micro(order):
    return f"{order['us']['median']:,.0f}" if order.get("us") else "–"


@pytest.mark.parametrize("table", [unseen, policies, five_folds, left_out, budgets, peers, curve])
def test_the_rows_of_a_table_are_those_of_its_benchmark(table):
    rows = list(table())
    assert rows
    for one in rows:
        assert one in README


def test_the_pooled_figures_of_tasks_left_out_are_those_of_their_benchmark():
    report = result("without_tasks")
    said = report["pooled"]["q"]
    for name, words in (
        ("ours", "ours has"),
        ("prompt length", "the length of the prompt"),
        ("predicted difficulty", "predicted difficulty"),
        ("source mean", "the mean of the source"),
    ):
        assert f"{words} {ranged(**said[name])}" in WORDS
    for name in ("prompt length", "predicted difficulty"):
        assert f"{ranged(**report['pooled']['over_baseline'][name], spec='+.3f')}" in WORDS
    tatqa = next(part for name, part in report["sources"].items() if short(name) == "TAT-QA")
    assert f"q {ranged(**tatqa['q'])}: upside down" in WORDS
    (wrong,) = report["reliability"]["net_benefit"]["wrong_side"]
    assert f"`{wrong['verdict']}` gained {ranged(wrong['realised'], wrong['interval'], '+.3f')}" in WORDS


def test_the_budgets_of_tasks_left_out_are_those_of_their_benchmark():
    told = result("without_tasks")["budget"]
    saved = {short(name): ranged(**part["saved"], spec=".2f") for name, part in told["source"]["parts"].items()}
    assert f"coverage is {ranged(**told['all']['coverage'])}, and saved are" in WORDS
    for name in ("Qwen3", "LRMTokenEconomy", "HumanEval"):
        assert f"{saved[name]} on {name}" in WORDS


def test_what_is_said_of_the_tenths_holds():
    told = result("without_prompts")["reliability"]["net_benefit"]
    assert told["wrong_side"] == []
    assert f"cut into tenths, in none of {told['judged']} judged" in WORDS


def test_what_is_said_of_the_learning_curve_holds():
    points = result("learning_curve")["points"]
    ahead = [point["ahead"][name] for point in points for name in CURVES[2:]]
    sure = [figure for figure in ahead if figure["interval"][0] > 0]
    assert all(figure["value"] > 0 for figure in ahead)
    assert f"the interval of the difference excludes 0 in {len(sure)} of {len(ahead)}" in WORDS


def over_peers(name):
    """Return what ours has over each peer and a random order on the log that the bundle of a result never saw, by peer."""
    _, part = never_seen(name)
    return {peer: part["orders"][peer]["ours_above"] for peer in PEERS if peer != "task_mean"}


def test_what_is_said_of_peers_on_logs_that_the_bundle_never_saw_holds():
    large, small = UNSEEN[:4], UNSEEN[4:]
    for name in large:
        assert all(figure["interval"][0] > 0 for figure in over_peers(name).values()), name
    for name in small:
        assert all(figure["interval"][0] < 0 < figure["interval"][1] for figure in over_peers(name).values()), name
    qwen, humaneval = ({peer for peer, over in over_peers(name).items() if over["value"] < 0} for name in small)
    assert (qwen, humaneval) == ({"length", "random"}, {"length", "litellm_heuristic_v2"})
    assert (
        "every router, length and a random order are below ours, and each interval of the difference excludes 0"
        in WORDS
    )
    assert (
        "each interval holds 0, and length on both, LiteLLM's second heuristic on HumanEval and a random order on"
        in WORDS
    )


def test_what_is_said_of_familiarity_and_of_the_crossover_holds():
    left_out, unseen_log = (result(name)["risk_coverage"]["points"] for name in ("without_source", "unseen"))
    first, half, whole = (next(p for p in left_out if p["coverage"] == c) for c in (0.1, 0.5, 1.0))
    assert first["accuracy"] < whole["accuracy"]
    assert f"({first['accuracy']:.2f} of the most familiar tenth, {whole['accuracy']:.2f} of all)" in WORDS
    assert (
        f"({first['q']:.2f} in the first tenth, {half['q']:.2f} in the first half, {whole['q']:.2f} over all)" in WORDS
    )
    first, half, whole = (next(p for p in unseen_log if p["coverage"] == c) for c in (0.1, 0.5, 1.0))
    assert f"({whole['accuracy_differ']:.2f} to {first['accuracy_differ']:.2f})" in WORDS
    assert (
        f"{first['q']:.2f} in the most familiar tenth, {half['q']:.2f} in the first half, {whole['q']:.2f} over all"
        in WORDS
    )
    found = result("cold_start")["crossover"]
    chat, maths = (
        {p["pairs"]: p for p in found[name]["points"]}[n]
        for name, n in (("chit_chat", 300), ("competition_maths", 1000))
    )
    assert f"({chat['verdicts']['use']:.0%} of its {chat['prompts']} held-out prompts)" in WORDS
    told = maths["verdicts"]
    assert f"({told['avoid']:.0%} of {maths['prompts']}; {told['use']:.0%} stay)" in WORDS


def test_the_share_of_use_where_thinking_is_dearest_is_the_measured_one():
    name = "ours, latency_critical (use thinks)"
    folds, unseen_log = (
        next(part["share"] for part in result(report)["policies"] if part["policy"] == name)
        for report in ("without_prompts", "unseen")
    )
    assert (unseen_log, f"{folds:.0%}") == (0, "2%")
    assert "every verdict on BIG-Bench Hard is `avoid`, and of held-out prompts of known logs 2 % are `use`" in WORDS


def test_the_macro_means_of_peers_are_those_of_their_benchmark():
    macro = result("peers")["macro"]
    assert len(macro["sources"]) == 4
    for name in PEERS:
        over = macro["orders"][name]["ours_above"]
        assert f"{name} {ranged(over['value'], over['interval'], '+.3f')}" in WORDS


def test_the_acceptance_cases_that_are_met_are_counted():
    failures = (ROOT / "tests" / "behaviour" / "known_failures.yaml").read_text(encoding="utf-8")
    cases = (ROOT / "tests" / "behaviour" / "acceptance.yaml").read_text(encoding="utf-8")
    missed, n = (
        len(re.findall(pattern, text, re.MULTILINE)) for pattern, text in ((r"^- ", failures), (r"^\s*- id:", cases))
    )
    assert f"Of {n} acceptance prompts written without sight of the training material, {n - missed} get" in WORDS


def test_the_figures_of_the_cold_start_are_those_of_its_benchmark():
    found = result("cold_start")
    english, chinese = found["english"], found["chinese"]
    assert (
        f"{ranged(english['right']['value'], english['right']['interval'])} of {english['right']['n']:,} held-out prompts"
        in WORDS
    )
    assert f"{ranged(english['opposite']['value'], english['opposite']['interval'])} the opposite one" in WORDS
    assert f"Of {chinese['maybe']['n']} Chinese prompts" in WORDS
    assert chinese["opposite"]["value"] == 0
    assert (chinese["maybe"]["value"] == 1) == ("all get `maybe`" in WORDS)


def test_the_figures_of_familiarity_are_those_of_sources_left_out():
    risk = result("without_source")["risk_coverage"]
    assert f"risk {ranged(**risk['area'])}, of a random order {risk['area_random']['value']:.3f}" in WORDS
    for point in risk["points"]:
        if point["coverage"] in (0.2, 0.5, 1.0):
            assert f"{point['accuracy_differ']:.2f} of the verdicts at {point['coverage']:.0%}" in WORDS


def test_the_figures_of_the_noise_ceiling_are_those_of_its_benchmark():
    for name, part in result("noise_ceiling").items():
        if isinstance(part, dict):
            assert f"{ranged(**part['other_attempts'])}" in WORDS, name
            assert re.search(rf"n = {part['n']}\b", WORDS), name


@pytest.mark.parametrize("log", ["bbh", "zero_shot_cot"])
def test_the_figures_of_one_arm_are_those_of_the_benchmark(log):
    found = result("one_arm")[log]
    assert f"n = {found['n']:,}" in README
    for name in ("q_pairs", "q_one_arm", "q_naive"):
        assert ranged(**found[name]) in README
    share, gain = found["share_of_q_of_pairs"], found["mean_gain"]
    low, high = share["interval"]
    assert f"{100 * share['value']:.1f} % [{100 * low:.1f} %, {100 * high:.1f} %]" in README
    assert f"{gain['true']:.3f} · {ranged(gain['doubly_robust'], gain['interval'])} · {gain['naive']:.3f}" in README


def test_the_figures_of_coverage_and_of_confidence_are_those_of_their_benchmarks():
    coverage = result("interval_coverage")
    model, family = coverage["rule_model"], coverage["rule_family"]
    assert f"Of {model['simulations']} simulated logs the 95 % interval" in WORDS
    assert (
        f"held the truth in {model['covered']}, that of the plain difference in {model['covered_by_naive']} " in WORDS
    )
    assert f"in {family['covered']} of {family['simulations']}: log `p_reasoning`" in WORDS
    noise = result("noise")
    for log in ("qwen3_simpleqa_brumo", "humaneval_budget"):
        once = noise[log]["confidence"]["1"]
        right, shrunk, plain = (
            100 * once[name]["value"] for name in ("right", "confidence_shrunk", "confidence_plain")
        )
        assert re.search(rf"{right:.0f} % .{{0,40}}\((mean confidence )?{shrunk:.0f} %, {plain:.0f} % before", WORDS)
        assert str(once["n"]) in WORDS


def test_the_flips_of_int8_embeddings_are_those_of_their_benchmark():
    found = result("encoder_flips")
    assert f"({found['prompts']:,} prompts" in WORDS
    for profile in ("balanced", "latency_critical", "quality_critical"):
        low, high = found[profile]["interval"]
        assert f"{100 * found[profile]['flips']:.1f} % [{100 * low:.1f} %, {100 * high:.1f} %]" in WORDS
        assert found[profile]["to_the_opposite"] == 0
