"""The card says what the report and the manifest hold, and of what they lack that it is absent."""

import re
from dataclasses import asdict

import numpy as np
import pytest

from training.evaluate import LEAST_PAIRS, headline
from training.metrics import ranged
from training.overlap import Stratum
from training.report.coverage import coverage_by

from .test_html import ORDINARY, card_of, report, table


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr("training.metrics.RESAMPLES", 30)


def part_of(text, title):
    """Return the lines of a part of the card."""
    (part,) = re.findall(rf"^## {title}\n\n(.*?)(?=\n\n## |\Z)", text, re.DOTALL | re.MULTILINE)
    return part.splitlines()


def test_beside_a_source_of_enough_pairs_the_card_has_no_figures_of_smaller_ones():
    few, many = (table(list(np.resize([1.0, 0.0, -1.0], n)), source=f"of {n}") for n in (LEAST_PAIRS - 1, LEAST_PAIRS))
    figures = r"(-?\d\.\d{3} \[[^]]+\] \| ?){4}"
    lines = card_of(report(few, many)).splitlines()
    assert "| of 99 | 99 | – | – | – | – |" in lines
    assert any(re.fullmatch(rf"\| of 100 \| 100 \| {figures}", line) for line in lines)
    assert any(re.fullmatch(rf"\| of 99 \| 99 \| {figures}", line) for line in card_of(report(few)).splitlines())
    made = report(few, many)
    assert f"macro-mean of q within sources of 100 pairs or more {made['macro_q']:.3f} [" in headline(made)


def test_the_card_lists_the_families_that_logs_moved():
    families = {"moved": {"declared": 0.04, "gain": 0.155}, "stayed": {"declared": 0.04, "gain": 0.05}}
    lines = card_of(report(ORDINARY), families).splitlines()
    assert "| moved | +0.040 | +0.155 |" in lines
    assert not [line for line in lines if "stayed" in line]
    assert "No family did." in card_of(report(ORDINARY))


def test_the_card_says_what_prompts_with_one_arm_were_learned_from():
    shared = {"source": "a|b", "model": "m", "logged": 0.0}
    used = asdict(
        Stratum(**shared, direct=1200, reasoning=300, trimmed=0.025, effective_direct=900.4, effective_reasoning=80.0)
    )
    refused = asdict(Stratum(**shared, direct=3, reasoning=300, refused="3 scored prompts in the direct arm"))
    held_out = {"a|b": {"n": 40, "mean_gain": 0.12, "interval": (0.01, 0.23), "verdicts": {}}}
    lines = card_of(report(ORDINARY, one_arm=held_out), one_arm=[used, refused]).splitlines()
    assert "| a\\|b | m | 1,200 | 300 | 900 and 80 | 2.5% |" in lines
    assert "| a\\|b | 1,500 prompts with one arm | not in the manifest | CC0-1.0 |" in lines
    assert "| 3 |" not in " ".join(lines)
    assert any("1 of 2 (source, model)" in line for line in lines)
    assert "| a\\|b | 40 | +0.120 [+0.010, +0.230] |" in lines
    assert "one arm" not in card_of(report(ORDINARY))


def test_a_bar_in_a_name_splits_no_cell_of_the_card():
    assert any(line.startswith("| a\\|b | 6 |") for line in card_of(report(ORDINARY.assign(source="a|b"))).splitlines())


def test_the_card_says_what_the_bundle_is_for_and_what_not():
    text = card_of(report(ORDINARY))
    assert "per prompt, before the call" in " ".join(part_of(text, "Intended use"))
    excluded = " ".join(part_of(text, "Not intended"))
    for words in ("No accuracy button", "No safety layer", "Not for deciding on people"):
        assert words in excluded


def test_results_stand_beside_those_of_task_means_and_the_calibration():
    made = report(ORDINARY.assign(task=["sums", "words"] * 3))
    source = made["sources"]["logs"]
    row = [ranged(**f) for f in (source["q"], source["q_baselines"]["task mean"], source["auc"], source["ece_p_use"])]
    (found,) = [line for line in card_of(made).splitlines() if line.startswith("| logs | 6 |")]
    assert found == f"| logs | 6 | {' | '.join(row)} |"


def tenths(judged, *wrong):
    made = report(ORDINARY)
    made["reliability"]["net_benefit"] |= {"judged": judged, "wrong_side": list(wrong)}
    return part_of(card_of(made), "Results on held-out prompts of the same sources")[-1]


def test_the_check_in_tenths_is_stated_only_where_it_holds():
    assert tenths(9).startswith("In no tenth of predicted net_benefit does the corrected interval")
    assert "of 9 judged" in tenths(9)
    wrong = {"tenth": 3, "verdict": "avoid", "n": 40, "realised": 0.05, "interval": (0.01, 0.09)}
    said = tenths(9, wrong)
    assert said.endswith("`avoid` in tenth 3 (n = 40, +0.050 [+0.010, +0.090]).")
    assert "In no tenth" not in said
    assert "not judged" in tenths(0)
    assert "In no tenth" not in tenths(0)


def covered(fits=0.95, cut=0, n=40):
    """Return the coverage of budgets of `n` needs of two sources, the first half read off ladders."""
    tokens = np.where(np.arange(n) < round(fits * n), 100.0, 900.0)
    cut_off = np.arange(n) >= n - cut
    source, of = np.array(["a|b", "c"]).repeat([n - 5, 5]), np.array(["ladder", "attempts"]).repeat(n // 2)
    names = {"source": source, "task": np.full(n, "sums")}
    found = coverage_by(names, tokens, np.full(n, 500.0), cut_off, np.arange(n).astype(str), of)
    return found | {"level": 0.9, "cap": 8192, "under_cap": 1.0, "flags": {"derived": 7}}


LEARNED = {
    "flags": {"derived|so": 1200},
    "sources": {"a|b": {"prompts": 1500, "censored": 2, "targets": {"attempts": 1400, "ladder": 100}}},
}


def test_the_card_says_what_budgets_were_read_off_and_how_much_thinking_they_hold():
    lines = part_of(card_of(report(ORDINARY, budget=covered()), budget=LEARNED), "Thinking budget")
    assert "Flags accepted for the budget: `derived\\|so` (1,200 attempts)." in lines[0]
    assert "| a\\|b | 1,500 | 100 | 1,400 | 2 |" in lines
    assert any("90 %" in line and "includes or exceeds it, of 40 prompts." in line for line in lines)
    row = r"\| {0} \| {1} \| {1} \| 0 \| [01]\.\d+ \[[01]\.\d+, 1\.000\] \| 500 \| {2} \|"
    wanted = {"all": (40, "20, 20"), r"source a\\\|b": (35, "20, 15"), "task sums": (40, "20, 20")}
    for name, (n, targets) in wanted.items():
        assert [line for line in lines if re.fullmatch(row.format(name, n, targets), line)], name
    assert lines[-1] == "In `all` but in no row of their own, of fewer than 20: 5 of a source."


def test_a_coverage_under_its_level_or_unknown_is_said_to_be():
    for made, said in ((covered(0.5), "is below it, of 40 prompts."), (covered(cut=40), "is not known.")):
        text = " ".join(part_of(card_of(report(ORDINARY, budget=made), budget=LEARNED), "Thinking budget"))
        assert said in text
        assert "includes or exceeds" not in text
    assert "| all | 0 | 0 | 40 | – | – | 20, 20 |" in card_of(report(ORDINARY, budget=covered(cut=40)))


def test_what_the_manifest_and_the_report_lack_is_said_to_be_absent():
    text = card_of(report(ORDINARY.assign(source="a|b")), pairs={"a|b": 6})
    assert "| a\\|b | 6 pairs | not in the manifest | CC0-1.0 |" in text
    budgets = part_of(text, "Thinking budget")
    assert budgets[0] == "What budgets were learned from is not in the manifest."
    assert budgets[-1].startswith("No attempt of a thinking mode was held out")
    assert "languages of the logs' prompts are not logged" in text
    assert "of which years the logs are is not known" in text
    assert "Families on held-out prompts: not in the report." in text
    none = " ".join(part_of(card_of(report(table([]))), "Results on held-out prompts of the same sources"))
    assert none == "No pair with both arms scored was held out: nothing is measured."


def test_the_card_names_models_languages_and_years():
    logged = {
        "models": {"a|b": ["m1", "m2", "m3", "m4", "m5"], "tokens": ["m6"]}, "languages": {"en": 1200, "de": 3}, "without_language": 4,
        "first_year": 2022, "last_year": 2025, "undated": 10,
    }  # fmt: skip
    lines = part_of(card_of(report(ORDINARY), pairs={"a|b": 1200}, logged=logged), "Trained on")
    assert "| a\\|b | 1,200 pairs | m1, m2, m3 and 2 more | CC0-1.0 |" in lines
    assert "| tokens | thinking tokens alone | m6 | not stated |" in lines
    (said,) = [line for line in lines if line.startswith("The encoder reads English.")]
    assert "en 1,200, de 3, not logged 4." in said
    assert said.endswith("The logs are of 2022 to 2025; 10 rows have no timestamp.")


def test_families_on_the_wrong_side_and_sources_without_an_order_are_known_failures():
    gain, net = [-1.0, -0.9, -0.8, -1.0] * 10, 0.09
    lost = table(gain).assign(family="proof|s", net_benefit=net)
    won = table([1.0, 0.9, 0.8, 1.0] * 10, source="won").assign(family="sums", net_benefit=net)
    lines = part_of(card_of(report(lost, won)), "Known failures")
    assert "of 2 with 20 held-out pairs or more (0 pairs are of smaller ones)" in lines[0]
    assert re.search(r": proof\\\|s \(n = 40, predicted \+0\.090, realised -0\.9\d+ \[-", lines[0])
    assert "sums" not in lines[0]
    assert "of 2: " in lines[1]
    unordered = report(table([1.0, 0.0, 0.0, 1.0] * 30, worth=list(np.tile([0.0, 1.0, 0.0, 1.0], 30))))
    assert unordered["sources"]["logs"]["q"]["interval"][0] < 0 < unordered["sources"]["logs"]["q"]["interval"][1]
    lines = part_of(card_of(unordered), "Known failures")
    assert re.search(r"of 1: logs \(-?0\.\d{3} \[-0\.\d+, 0\.\d+\]\)", lines[1])
    ordered = report(table([1.0, 0.5, 0.0, -1.0] * 30, worth=[4, 3, 2, 1] * 30))
    assert part_of(card_of(ordered), "Known failures")[1].endswith("of 1: none.")
    flat = part_of(card_of(report(table([0.0] * 6))), "Known failures")
    assert flat[1].endswith("of 1: none. Without an interval: logs.")
    assert "tests/behaviour/known_failures.yaml" in flat[-1]


def test_baselines_that_order_no_worse_are_known_failures():
    made = report(table([1.0, 0.5, 0.0, -1.0] * 30, worth=[4, 3, 2, 1] * 30))
    line = part_of(card_of(made), "Known failures")[2]
    assert line.endswith("of 4: none.")
    made["macro"]["over_baseline"]["task mean"] = {"value": -0.02, "interval": (-0.1, 0.05)}
    line = part_of(card_of(made), "Known failures")[2]
    assert line.endswith("of 4: task mean (ours has -0.020 [-0.100, +0.050] over it).")


def test_profiles_that_hardly_say_use_are_known_failures():
    made = report(table([1.0, 0.5, 0.0, -1.0] * 30))
    shares = {
        "ours (use thinks)": 0.2,
        "ours, hasty (use thinks)": 0.012,
        "ours, hasty (all but avoid think)": 0.01,
        "never": 0.0,
    }
    made["policies"] = [{"policy": name, "share": share} for name, share in shares.items()]
    line = part_of(card_of(made), "Known failures")[3]
    assert line == "- Profiles that say `use` of fewer than 5% of the held-out pairs, of 2: hasty (1.2%)."


def test_tasks_left_out_are_told_beside_the_licences():
    lines = part_of(card_of(report(ORDINARY), log={"tasks_left_out": {"a|b": 1200}}), "Trained on")
    assert any(line.startswith("Tasks left out of the logs: a\\|b (1,200 rows).") for line in lines)
    assert not any("left out of the logs" in line for line in part_of(card_of(report(ORDINARY)), "Trained on"))
