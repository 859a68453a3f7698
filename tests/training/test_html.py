"""A report for people, as a page, in a terminal and in the card: text is escaped, an undefined figure is a dash."""

import base64
import hashlib
import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from contract.features import FEATURE_NAMES
from contract.profiles import Profile
from training import evaluate as module
from training.card import card
from training.evaluate import LEAST_PAIRS, headline, report_of, source_report
from training.evidence import Rows
from training.html import page
from training.metrics import ranged, shown

PROFILE = Profile(tokens_per_point=20_000, max_thinking_tokens=8192)


@pytest.fixture(autouse=True)
def quick(request, monkeypatch):
    """Few resamples, and pictures that are drawn but not written: seconds a page otherwise."""
    monkeypatch.setattr("training.metrics.RESAMPLES", 30)
    if "pictures" not in request.fixturenames:
        monkeypatch.setattr("training.report.figures.data_uri", lambda figure: "data:image/svg+xml;base64,AAAA")


@pytest.fixture
def pictures():
    """Asked for by tests that look at the pictures themselves."""


def table(gain, *, verdict=None, groups=None, source="logs", worth=None):
    """Return predictions beside realised gains, as `report_of` takes them; of profiles there is only the default one."""
    n = len(gain)
    return pd.DataFrame(
        {
            "source": source, "prompt_id": [str(i) for i in range(n)], "model": "m", "task": "t", "gain": gain, "score_direct": 0.5,
            "extra_tokens": 100.0, "worth": worth or np.arange(n) * 0.1, "group": groups or [f"p{i}" for i in range(n)],
            "verdict": verdict or ["use"] * n, "familiarity": 0.9, "modelled": False, "expected_gain": worth or np.arange(n) * 0.1,
            "expected_extra_tokens": 200.0, "net_benefit": 0.09, "p_use": 0.5, "expected_score_direct": 0.5, "characters": 40.0,
        }
    )  # fmt: skip


def report(*tables, **more):
    made = report_of(pd.concat(tables, ignore_index=True), {"balanced": PROFILE}, "thinkworth/1")
    return {**made, **more}


def card_of(holdout, families=None, one_arm=(), **training):
    training = {
        "log": {},
        "one_arm": one_arm,
        "pairs": {},
        "prior_weight": 1.0,
        "taxonomy_prompts": 0,
        "thinking_attempts": 0,
        "families": families or {},
        **training,
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


def visible(text):
    """Return a page without its script, its style and the bytes of its pictures."""
    return re.sub(r"<script>.*?</script>|<style>.*?</style>|base64,[\w+/=]*", "", text, flags=re.DOTALL)


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
    assert rows["never"][4:] == ["–"] * 5  # no extra tokens to divide by, and no dollars, GPU seconds or latency logged
    assert rows["avoid"] == ["avoid", "1", "-1.000 [–]", "-1.010 [–]"]  # 200 tokens cost a hundredth of a point
    assert rows["use"][2].startswith("+0.667 [")


@pytest.mark.parametrize("name", DEGENERATE)
def test_a_degenerate_source_is_shown_in_every_form_without_a_nan(name):
    made = report(DEGENERATE[name])
    json.dumps(made, allow_nan=False)
    for form, text in forms(made).items():
        assert not re.search(r"\bnan\b|\bNone\b|\binf\b|NaN", visible(text)), form
        assert text.strip()


def test_undefined_figures_are_null_in_the_report():
    source = source_report(DEGENERATE["nothing gained"], PROFILE)
    nothing = {"value": None, "interval": None}
    assert source["q"] == source["auc"] == source["q_net_benefit"] == source["q_gain_per_token"] == nothing
    assert source["verdicts"]["avoid"] == {
        "n": 0, "mean_gain": None, "interval": None, "net_benefit": nothing,
    }  # fmt: skip
    alone = source_report(DEGENERATE["one prompt"], PROFILE)
    assert alone["auc"]["value"] is not None
    assert alone["auc"]["interval"] is None
    assert {row["score_interval"] for row in alone["policies"]} == {None}
    assert alone["verdicts"]["use"] == {
        "n": 3, "mean_gain": 0.5, "interval": None, "net_benefit": {"value": pytest.approx(0.49), "interval": None},
    }  # fmt: skip


def test_undefined_figures_are_dashes_for_people():
    made = report(DEGENERATE["nothing gained"])
    (row,) = [row for row in cells(page(made)) if row and row[0] == "logs"]
    assert row[3:5] == ["–", "–"]
    (line,) = [line for line in headline(made).splitlines() if "ECE of P(use)" in line]
    assert line == f"  q –   AUC –   ECE of P(use) {ranged(**made['sources']['logs']['ece_p_use'])}"
    assert "0.500 [" in line
    assert any(line.startswith("| logs | 6 | – | – | – |") for line in card_of(made).splitlines())


def test_an_interval_that_is_missing_is_a_dash_in_brackets():
    made = report(DEGENERATE["one prompt"])
    value = made["sources"]["logs"]["auc"]["value"]
    for text in forms(made).values():
        assert f"{value:.3f} [–]" in text


def test_a_verdict_that_never_fell_is_a_dash_on_the_page_and_none_in_the_terminal():
    made = report(DEGENERATE["no verdict but maybe"])
    rows = {row[0]: row for row in cells(page(made)) if row}
    assert rows["use"] == ["use", "0", "–", "–"]
    assert rows["maybe"][2].startswith("+0.500 [")
    assert re.search(r"verdict use +n = 0 +none", headline(made))
    assert re.search(r"verdict maybe +n = 3 +mean gain \+0\.500 \[", headline(made))


@pytest.mark.parametrize("gain", [[0.0] * 4, [1.0, 0.0, -1.0, 0.5]])
def test_the_last_line_is_that_of_several_sources(gain):
    made = report(table(gain), table(gain, source="other"))
    last = headline(made).splitlines()[-1]
    macro, pooled = ranged(**made["macro"]["q"]["q"]) if made["macro"]["q"] else "–", shown(made["pooled_q"])
    means = shown(made["pooled_q_of_source_means"])
    assert last == f"macro-mean of q within sources {macro}; pooled {pooled} (source means alone {means})"
    assert (macro == "–") == (gain[0] == 0)
    assert "macro-mean" not in headline(report(ORDINARY))


@pytest.mark.parametrize("text", ["<script>alert(1)</script>", 'a"b', "a & b", "<img src=x onerror=y>", "{{ 7 * 7 }}"])
def test_every_text_is_escaped(text):
    made = report(table([1.0, 0.0, 0.5] * 7, source=text).assign(task=text, model=text), revision=text, profile=text)
    made["included"] = [{"title": text, "columns": [text], "rows": [[text]], "note": text}]
    written = page(made)
    shown_page = visible(written)
    if "<" in text:
        assert text not in shown_page
        assert shown_page.count("&lt;") >= 12
    assert "49" not in re.findall(r">(\d+)<", shown_page)
    firsts = [row[0] for row in cells(written) if row]
    assert firsts.count(text) == 6  # the source twice, task, model and the head and row of the table come back whole
    assert written.count("<script") == 1


def test_the_page_is_one_file_that_fetches_nothing():
    written = page(report(ORDINARY))
    assert written.startswith("<!doctype html>")
    assert not re.search(r"url\(|@import|https?:", visible(written))
    assert set(re.findall(r"(?:src|href)\s*=\s*\"([#\w:/+]*)", written)) <= {
        "data:image/svg+xml", *(f"#{name}" for name in re.findall(r"<h2 id=\"(\w+)\"", written)),
    }  # fmt: skip


def test_only_the_page_s_own_style_and_script_may_run():
    written = page(report(ORDINARY))
    (policy,) = re.findall(r"Content-Security-Policy\" content=\"(.*?)\"", written)
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    for tag in ("style", "script"):
        (text,) = re.findall(rf"<{tag}>(.*?)</{tag}>", written, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy
    assert not re.search(r"\sstyle=|\son\w+=", visible(written))


def test_a_page_has_a_part_for_each_source_and_every_picture_says_what_it_shows(pictures):
    written = page(report(ORDINARY, table([1.0, 0.0], source="other")))
    assert re.findall(r"<summary>(.*?)</summary>", written) == ["logs", "other"]
    alts = re.findall(r"<img src=\"data:image/svg\+xml;base64,[\w+/=]+\" alt=\"(.*?)\"", written)
    assert len(alts) == written.count("<img") == 4 + 2
    assert all(len(alt) > 40 for alt in alts)


def test_equal_reports_have_equal_pages(pictures):
    made = report(ORDINARY)
    assert page(made) == page(json.loads(json.dumps(made)))


def test_a_figure_sorts_by_its_value_and_a_dash_has_none():
    written = page(report(DEGENERATE["nothing gained"]))
    (row,) = re.findall(r"<tr><td>logs<td data-v=\"6\">6(.*?)</tr>", written)[:1]
    assert row.startswith('<td data-v="0.0">+0.000<td>–<td>–')


CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed: nothing to run the page's script in")
def test_a_click_on_a_header_sorts_the_rows_and_a_second_one_the_other_way(tmp_path):
    rows = [["b", 2], ["c", None], ["a", 10], ["d", -1]]
    made = report(ORDINARY, included=[{"title": "T", "columns": ["name", "figure"], "rows": rows, "note": None}])
    click = """<script>const t = [...document.querySelectorAll("table")].find(t => t.caption.textContent === "T"), said = [];
      for (const i of [0, 0, 1, 1]) { t.tHead.rows[0].cells[i].querySelector("button").click();
        said.push([...t.tBodies[0].rows].map(r => r.cells[0].textContent).join("") + t.tHead.rows[0].cells[i].ariaSort); }
      document.title = said.join(" ");</script></body>"""
    written = re.sub(r"<meta http-equiv.*?>", "", page(made)).replace("</body>", click)
    (tmp_path / "page.html").write_text(written, encoding="utf-8")
    dumped = subprocess.run(
        [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom",
         (tmp_path / "page.html").as_uri()], capture_output=True, text=True, timeout=120,
    ).stdout  # fmt: skip
    (title,) = re.findall(r"<title>(.*?)</title>", dumped)
    assert title == "abcdascending dcbadescending abdcdescending dbacascending"


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
    assert source_report(part, profile)["ece_p_use"]["value"] == pytest.approx(ece)


def evaluated(monkeypatch, profiles, told):
    """Evaluate what a bundle with these profiles is taken to have told of each row."""
    logged = ["source", "prompt_id", "model", "task", "modelled", "gain", "score_direct", "extra_tokens", "group"]
    told = told.drop(columns="characters").assign(**{f"verdict_{name}": told.verdict for name in profiles})
    monkeypatch.setattr(module, "predictions", lambda scorer, rows: told.drop(columns=logged))
    scorer = SimpleNamespace(manifest=SimpleNamespace(profiles=profiles, revision="thinkworth/1"))
    n = len(told)
    return module.evaluate_rows(scorer, Rows(np.zeros((n, 2)), np.zeros((n, len(FEATURE_NAMES))), told[logged]))


def test_a_bundle_without_the_default_profile_is_evaluated_in_its_first(monkeypatch):
    free = Profile(tokens_per_point=1e9, max_thinking_tokens=8192, margin=0)
    made = evaluated(monkeypatch, {"mine": free, "other": PROFILE}, table([0.005] * 6).assign(p_use=0.75))
    assert made["profile"] == "mine"
    assert made["sources"]["logs"]["ece_p_use"]["value"] == pytest.approx(0.25)  # all gain more than the tokens cost
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
