"""A report for people, as a page, in a terminal and in the card: text is escaped, an undefined figure is a dash."""

import json
import re
from dataclasses import asdict
from html.parser import HTMLParser
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from contract.profiles import Profile
from training import evaluate as module
from training.card import card
from training.evaluate import LEAST_PAIRS, headline, source_report
from training.evidence import Rows
from training.html import page
from training.overlap import Stratum

PROFILE = Profile(tokens_per_point=20_000, max_thinking_tokens=8192)


def table(gain, *, verdict=None, groups=None, source="logs", worth=None):
    """Return predictions beside realised gains, as `source_report` takes them."""
    n = len(gain)
    return pd.DataFrame(
        {
            "source": source, "gain": gain, "score_direct": 0.5, "extra_tokens": 100.0, "worth": worth or np.arange(n) * 0.1,
            "group": groups or [f"p{i}" for i in range(n)], "verdict": verdict or ["use"] * n, "familiarity": 0.9,
            "modelled": False, "expected_gain": 0.1, "expected_extra_tokens": 200.0, "net_benefit": 0.09, "p_use": 0.5,
        }
    )  # fmt: skip


def report(*tables, **more):
    sources = {part.source.iloc[0]: source_report(part, PROFILE) for part in tables}
    return {
        "revision": "thinkworth/1", "profile": "balanced", "n": sum(map(len, tables)), "sources": sources, "one_arm": {},
        "macro_q": 0.25, "pooled_q": 0.5, "pooled_q_of_source_means": 0.125, **more,
    }  # fmt: skip


def card_of(holdout, families=None, one_arm=()):
    training = {
        "one_arm": one_arm,
        "pairs": {},
        "prior_weight": 1.0,
        "taxonomy_prompts": 0,
        "thinking_attempts": 0,
        "families": families or {},
    }
    return card(
        revision="thinkworth/1",
        training=training,
        licences={"a|b": "CC0-1.0"},
        holdout=holdout,
        calibration=SimpleNamespace(small_budget=1024, unfamiliar_below=0.5),
    )


def forms(made):
    return {"page": page(made), "headline": headline(made), "card": card_of(made)}


def cells(text):
    """Return the rows of the page's tables, as lists of texts."""
    rows = []

    class Reader(HTMLParser):
        open_cell = False

        def handle_starttag(self, tag, attributes):
            if tag == "tr":
                rows.append([])
            self.open_cell = tag in ("td", "th")
            if self.open_cell:
                rows[-1].append("")

        def handle_endtag(self, tag):
            self.open_cell = False

        def handle_data(self, data):
            if self.open_cell:
                rows[-1][-1] += data.strip()

    Reader().feed(text)
    return rows


ORDINARY = table([1.0, 0.0, -1.0, 0.5, 0.0, 1.0], verdict=["use", "use", "avoid", "maybe", "maybe", "use"])
DEGENERATE = {
    "nothing gained": table([0.0] * 6),
    "all gained alike": table([0.3] * 6),
    "one pair": table([1.0]),
    "one prompt": table([1.0, 0.0, 0.5], groups=["p"] * 3),
    "no verdict but maybe": table([1.0, 0.0, 0.5], verdict=["maybe"] * 3),
    "one pair of a verdict": table([1.0, 0.0, 0.5], verdict=["maybe", "use", "maybe"]),
}


def test_an_ordinary_report_is_shown_with_its_intervals():
    made = report(ORDINARY)
    source = made["sources"]["logs"]
    low, high = source["q"]["interval"]
    q = f"{source['q']['value']:.3f} [{low:.3f}, {high:.3f}]"
    for text in forms(made).values():
        assert q in text
        assert "thinkworth/1" in text
    rows = {row[0]: row for row in cells(page(made)) if row}
    assert rows["logs"][1:3] == ["6", "+0.250"]
    assert rows["always"][1] == "1.00"
    assert rows["never"][-1] == "–"  # no extra tokens: nothing to divide by
    assert rows["avoid"] == ["avoid", "1", "-1.000 [–]"]
    assert rows["use"][2].startswith("+0.667 [")


@pytest.mark.parametrize("name", DEGENERATE)
def test_a_degenerate_source_is_shown_in_every_form_without_a_nan(name):
    made = report(DEGENERATE[name], macro_q=None, pooled_q=None, pooled_q_of_source_means=None)
    json.dumps(made, allow_nan=False)
    for form, text in forms(made).items():
        assert not re.search(r"\bnan\b|\bNone\b|\binf\b|NaN", text), form
        assert text.strip()


def test_undefined_figures_are_null_in_the_report():
    source = source_report(DEGENERATE["nothing gained"], PROFILE)
    nothing = {"value": None, "interval": None}
    assert source["q"] == source["auc"] == source["q_net_benefit"] == source["q_gain_per_token"] == nothing
    assert source["verdicts"]["avoid"] == {"n": 0, "mean_gain": None, "interval": None}
    alone = source_report(DEGENERATE["one prompt"], PROFILE)
    assert alone["auc"]["value"] is not None
    assert alone["auc"]["interval"] is None
    assert {row["score_interval"] for row in alone["policies"]} == {None}
    assert alone["verdicts"]["use"] == {"n": 3, "mean_gain": 0.5, "interval": None}


def test_undefined_figures_are_dashes_for_people():
    made = report(DEGENERATE["nothing gained"])
    (row,) = [row for row in cells(page(made)) if row and row[0] == "logs"]
    assert row[3:5] == ["–", "–"]
    assert "  q –   AUC –   ECE of P(use) 0.500" in headline(made).splitlines()
    assert "| logs | 6 | – | – |" in card_of(made).splitlines()


def test_an_interval_that_is_missing_is_a_dash_in_brackets():
    made = report(DEGENERATE["one prompt"])
    value = made["sources"]["logs"]["auc"]["value"]
    for text in forms(made).values():
        assert f"{value:.3f} [–]" in text


def test_beside_a_source_of_enough_pairs_the_card_has_no_figures_of_smaller_ones():
    few, many = (table(list(np.resize([1.0, 0.0, -1.0], n)), source=f"of {n}") for n in (LEAST_PAIRS - 1, LEAST_PAIRS))
    figures = r"-?\d\.\d{3} \[.+\] \| \d\.\d{3} \[.+\] \|"
    lines = card_of(report(few, many)).splitlines()
    assert "| of 99 | 99 | – | – |" in lines
    assert any(re.fullmatch(rf"\| of 100 \| 100 \| {figures}", line) for line in lines)
    assert any(re.fullmatch(rf"\| of 99 \| 99 \| {figures}", line) for line in card_of(report(few)).splitlines())
    assert "macro-mean of q within sources of 100 pairs or more 0.250" in headline(report(few, many))


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
    assert "| a\\|b | 1,500 prompts with one arm | CC0-1.0 |" in lines
    assert "| 3 |" not in " ".join(lines)
    assert any("1 of 2 (source, model)" in line for line in lines)
    assert "| a\\|b | 40 | +0.120 [+0.010, +0.230] |" in lines
    assert "one arm" not in card_of(report(ORDINARY))


def test_a_bar_in_a_name_splits_no_cell_of_the_card():
    assert any(line.startswith("| a\\|b | 6 |") for line in card_of(report(ORDINARY.assign(source="a|b"))).splitlines())


def test_a_verdict_that_never_fell_is_a_dash_on_the_page_and_none_in_the_terminal():
    made = report(DEGENERATE["no verdict but maybe"])
    rows = {row[0]: row for row in cells(page(made)) if row}
    assert rows["use"] == ["use", "0", "–"]
    assert rows["maybe"][2].startswith("+0.500 [")
    assert re.search(r"verdict use +n = 0 +none", headline(made))
    assert re.search(r"verdict maybe +n = 3 +mean gain \+0\.500 \[", headline(made))


@pytest.mark.parametrize("figure", [None, 0.25])
def test_the_last_line_is_that_of_several_sources(figure):
    other = table([1.0, 0.0], source="other")
    made = report(ORDINARY, other, macro_q=figure, pooled_q=figure, pooled_q_of_source_means=figure)
    shown = "–" if figure is None else "0.250"
    line = f"macro-mean of q within sources {shown}; pooled {shown} (source means alone {shown})"
    assert headline(made).splitlines()[-1] == line
    assert "macro-mean" not in headline(report(ORDINARY))


@pytest.mark.parametrize("text", ["<script>alert(1)</script>", 'a"b', "a & b", "<img src=x onerror=y>", "{{ 7 * 7 }}"])
def test_every_text_is_escaped(text):
    made = report(table([1.0, 0.0, 0.5], source=text), revision=text, profile=text)
    made["sources"][text]["policies"][0]["policy"] = text
    made["sources"][text]["verdicts"][text] = {"n": 0, "mean_gain": None, "interval": None}
    written = page(made)
    if "<" in text:
        assert text not in written
        assert written.count("&lt;") >= 7
    assert "49" not in re.findall(r">(\d+)<", written)
    firsts = [row[0] for row in cells(written) if row]
    assert firsts.count(text) == 3  # the source, a policy and a verdict come back whole
    assert "<script" not in written


def test_the_page_is_one_file_that_fetches_nothing():
    written = page(report(ORDINARY))
    assert written.startswith("<!doctype html>")
    assert not re.search(r"(src|href)\s*=|url\(|@import", written)


def test_a_page_has_a_heading_and_two_tables_for_each_source():
    written = page(report(ORDINARY, table([1.0, 0.0], source="other")))
    assert re.findall(r"<h2>(.*?)</h2>", written) == ["logs", "other"]
    assert written.count("<table>") == written.count("</table>") == 5


@pytest.mark.parametrize(
    ("profile", "ece"),
    [
        # 200 extra tokens cost .01: of gains .005, .025, .035, .5 the last two are over .02 ...
        (PROFILE, 0.0),
        # ... over a margin of .03 only the last, at 2,000 tokens a point, .1, too ...
        (Profile(tokens_per_point=20_000, max_thinking_tokens=1, margin=0.03), 0.25),
        (Profile(tokens_per_point=2_000, max_thinking_tokens=1), 0.25),
        # ... and where tokens cost nothing, without a margin, all.
        (Profile(tokens_per_point=1e9, max_thinking_tokens=1, margin=0), 0.5),
    ],
)
def test_the_calibration_of_p_use_is_that_of_the_profile(profile, ece):
    part = table([0.005, 0.025, 0.035, 0.5]).assign(p_use=[0.0, 0.0, 1.0, 1.0])
    assert source_report(part, profile)["ece_p_use"] == pytest.approx(ece)


def evaluated(monkeypatch, profiles, told):
    """Evaluate what a bundle with these profiles is taken to have told of each row."""
    logged = ["source", "gain", "score_direct", "extra_tokens", "group"]
    monkeypatch.setattr(module, "predictions", lambda scorer, rows: told.drop(columns=logged))
    scorer = SimpleNamespace(manifest=SimpleNamespace(profiles=profiles, revision="thinkworth/1"))
    n = len(told)
    return module.evaluate_rows(scorer, Rows(np.zeros((n, 2)), np.zeros((n, 1)), told[logged]))


def test_a_bundle_without_the_default_profile_is_evaluated_in_its_first(monkeypatch):
    free = Profile(tokens_per_point=1e9, max_thinking_tokens=8192, margin=0)
    made = evaluated(monkeypatch, {"mine": free, "other": PROFILE}, table([0.005] * 6).assign(p_use=0.75))
    assert made["profile"] == "mine"
    assert made["sources"]["logs"]["ece_p_use"] == pytest.approx(0.25)  # all gain more than the tokens cost
    assert (made["macro_q"], made["pooled_q"], made["pooled_q_of_source_means"]) == (None, None, None)
    json.dumps(made, allow_nan=False)
    assert "profile mine, 6 pairs" in headline(made)


def test_the_default_profile_is_preferred(monkeypatch):
    profiles = {"mine": PROFILE, "balanced": PROFILE}
    assert evaluated(monkeypatch, profiles, table([1.0, 0.0]))["profile"] == "balanced"


def test_the_macro_mean_leaves_out_sources_without_a_q(monkeypatch):
    told = pd.concat(
        [table([1.0, 0.5, 0.0, -1.0], worth=[4, 3, 2, 1]), table([0.0] * 4, source="flat")], ignore_index=True
    )
    made = evaluated(monkeypatch, {"balanced": PROFILE}, told)
    assert made["sources"]["flat"]["q"]["value"] is None
    assert made["macro_q"] == made["sources"]["logs"]["q"]["value"] == pytest.approx(1)
    json.dumps(made, allow_nan=False)


def test_the_macro_mean_is_over_sources_of_enough_pairs(monkeypatch):
    gain = list(np.resize([1.0, 0.0, -1.0], LEAST_PAIRS))
    told = pd.concat([table(gain), table([1.0, 0.0, -1.0], source="small", worth=[3, 2, 1])], ignore_index=True)
    made = evaluated(monkeypatch, {"balanced": PROFILE}, told)
    assert made["sources"]["small"]["q"]["value"] == pytest.approx(1)
    assert made["macro_q"] == made["sources"]["logs"]["q"]["value"] != pytest.approx(1)


def test_of_no_pair_the_report_has_no_source(monkeypatch):
    made = evaluated(monkeypatch, {"balanced": PROFILE}, table([]))
    assert (made["n"], made["sources"], made["macro_q"]) == (0, {}, None)
    assert "0 pairs" in headline(made)
    assert "0 pairs" in page(made)
    assert "## Families" in card_of(made)


def test_prompts_with_one_arm_are_shown_by_what_is_estimated_of_them():
    made = report(table([1.0, 0.0]))
    behind = {
        "use": {"n": 40, "mean_gain": 0.2, "interval": (0.1, 0.3)},
        "avoid": {"n": 0, "mean_gain": None, "interval": None},
    }
    made["one_arm"] = {"<traffic>": {"n": 40, "mean_gain": 0.2, "interval": (0.1, 0.3), "verdicts": behind}}
    text = page(made)
    assert "&lt;traffic&gt;: prompts with one arm" in text
    assert text.count("+0.200 [+0.100, +0.300]") == 2
    assert "doubly robust mean gain +0.200 [+0.100, +0.300]" in headline(made)
