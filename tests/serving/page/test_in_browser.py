"""The page as analysts use it, in a real browser."""

import csv
import io
from pathlib import Path

import pytest
import sqlalchemy as sa

from contract.store.tables import decisions
from serving.page.report import MOST_SLICES, MOST_SUSPECTS, write_report
from serving.page.views import VIEWS

sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright (the dev group)")

PLACES = list(VIEWS)
IDS = "tbody .ids code[title='decision id']"


def ids_on(page):
    return page.locator(IDS).all_inner_texts()


def settled(page):
    """Wait for the swap of htmx that an action began."""
    sync_api.expect(page.locator(".htmx-request, .htmx-swapping, .htmx-settling")).to_have_count(0)


def wide(page):
    return page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")


def violations(page, axe, tags):
    page.evaluate(axe)  # through the debugger, which the page's policy does not bind
    found = page.evaluate("only => axe.run(document, {runOnly: only, resultTypes: ['violations']})", tags)["violations"]
    return [
        (v["id"], v["impact"], [n["target"] for n in v["nodes"]][:3])
        for v in found
        if v["impact"] in ("serious", "critical")
    ]


def test_every_view_has_its_heading_and_charts_are_drawn(visit, address):
    page = visit()
    for place, view in VIEWS.items():
        page.goto(f"{address}/audit/{place}")
        assert page.locator("h1").inner_text() == view.title
        assert page.locator("nav [aria-current=page]").count() == 1
    page.goto(f"{address}/audit/trends")
    sync_api.expect(page.locator(".canvas svg")).to_have_count(5)


def test_charts_that_a_filter_brings_are_drawn_by_a_script_that_was_not_loaded_before(visit):
    page = visit("/audit/trends?since=2020-01-01&until=2020-01-02")
    assert page.locator(".empty").count() == 1
    page.evaluate("new Promise(done => requestAnimationFrame(() => setTimeout(done)))")
    assert page.evaluate("typeof globalThis.drawChart") == "undefined"
    page.evaluate("document.querySelector('[name=until]').value = ''")
    page.fill("[name=since]", "2026-09-25")  # of a date this is a change, which the form asks for
    page.wait_for_url("**/trends?since=2026-09-25")
    sync_api.expect(page.locator(".canvas svg")).to_have_count(5)
    with page.expect_download() as got:
        page.click("#chart-3 .downloads >> text=CSV")
    days = {row["day"] for row in csv.DictReader(io.StringIO(Path(got.value.path()).read_text()))}
    assert min(days) == "2026-09-25"


def test_a_chart_that_cannot_be_drawn_holds_up_no_other(visit):
    page = visit("/audit/trends")
    charts = page.locator(".canvas svg")
    sync_api.expect(charts).to_have_count(5)
    page.evaluate("document.querySelector('figure.chart script').textContent = 'no JSON'")
    for width in (1000, 1280):  # a page of another width draws anew
        page.evaluate("document.querySelectorAll('.canvas svg').forEach(svg => svg.classList.add('before'))")
        page.set_viewport_size({"width": width, "height": 900})
        sync_api.expect(page.locator(".canvas svg.before")).to_have_count(0)
        sync_api.expect(charts).to_have_count(4)
    assert page.complaints
    assert all("JSON" in said for said in page.complaints)
    page.complaints.clear()


def test_a_filter_narrows_the_list_and_its_address_can_be_shared(visit, filled):
    page = visit("/audit/decisions")
    everything = ids_on(page)
    page.select_option("[name=verdict]", "avoid")
    page.wait_for_url("**/decisions?verdict=avoid")
    settled(page)
    with filled.engine.connect() as connection:
        newest = sa.select(decisions.c.decision_id).where(decisions.c.verdict == "avoid")
        expected = connection.scalars(
            newest.order_by(decisions.c.time.desc(), decisions.c.decision_id.desc()).limit(50)
        ).all()
        n = connection.scalar(sa.select(sa.func.count()).select_from(decisions).where(decisions.c.verdict == "avoid"))
    assert ids_on(page) == list(expected)
    assert page.locator("#status").inner_text().startswith(f"{n} decisions")
    shared = visit(page.url)
    assert ids_on(shared) == ids_on(page)
    assert shared.locator("[name=verdict]").input_value() == "avoid"
    page.go_back()
    page.wait_for_url("**/decisions")
    sync_api.expect(page.locator(IDS)).to_have_text(everything)


def test_lists_are_sorted_and_paged_by_keyboard(visit):
    page = visit("/audit/decisions")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to content"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    page.focus("#sort-familiarity")
    page.keyboard.press("Enter")
    page.wait_for_url("**sort=familiarity*")
    settled(page)
    assert page.locator("th[aria-sort=descending]").inner_text().startswith("Familiarity")
    values = [float(text) for text in page.locator("td[data-label=Familiarity]").all_inner_texts()]
    assert values == sorted(values, reverse=True)
    assert page.evaluate("document.activeElement.id") == "sort-familiarity"
    first = ids_on(page)
    page.focus("#page-after")
    page.keyboard.press("Enter")
    page.wait_for_url("**after=*")
    settled(page)
    assert not set(ids_on(page)) & set(first)
    page.click("#page-before")
    page.wait_for_url("**before=*")
    settled(page)
    assert ids_on(page) == first


def test_the_download_holds_exactly_the_pages_that_are_shown(visit):
    page = visit("/audit/suspected?kind=overthinking&sort=p_misroute&order=asc")
    with page.expect_download() as got:
        page.click("text=CSV")
    rows = list(csv.DictReader(io.StringIO(Path(got.value.path()).read_text())))
    shown = ids_on(page)
    while page.locator("#page-after").count():
        page.click("#page-after")
        sync_api.expect(page.locator(IDS).first).not_to_have_text(shown[-50])
        settled(page)
        shown += ids_on(page)
    assert [row["decision_id"] for row in rows] == shown
    assert len(shown) > 50
    assert {row["kind"] for row in rows} == {"overthinking"}


def test_a_slice_leads_to_its_decisions(visit):
    page = visit("/audit/slices?misrouted=yes&by=task&kind=overthinking")
    assert page.locator("tbody .misrouted").count() == page.locator("tbody tr").count() > 0
    page.click("tbody tr:has-text('code_generation') a")
    assert "/decisions?" in page.url
    assert "policy_arm=reasoning" in page.url
    assert set(page.locator("td[data-label=Task]").all_inner_texts()) != set()
    assert all("code_generation" in text for text in page.locator("td[data-label=Task]").all_inner_texts())


def test_hostile_texts_are_texts(visit, filled, address):
    page = visit()
    for place in [*PLACES, *(f"decisions/{decision_id}" for decision_id in filled.hostile)]:
        page.goto(f"{address}/audit/{place}")
        assert page.locator("img, iframe, object, embed").count() == 0
        assert page.locator("script:not([src]):not([type='application/json'])").count() == 0
    page.goto(f"{address}/audit/decisions/{filled.hostile[0]}")
    assert page.locator(".turn pre").first.inner_text() == '<script>alert(1)</script>"><img src=x onerror=alert(2)>'
    page.goto(f"{address}/audit/suspected")
    assert "{{7*7}}${7*7}" in page.content()


def test_a_mark_is_kept_with_its_history_and_the_name_remembered(visit, filled, address):
    page = visit("/audit/decisions?sort=net_benefit")
    page.click("tbody th a")
    at = page.url
    page.check("[name=mark][value=wrong]")
    page.fill("[name=comment]", "the table needed no thinking <b>")
    page.fill("[name=reviewer]", "Ada Ω")
    page.click("text=Save mark")
    page.wait_for_url("**#reviews")
    assert page.locator(".history li").count() == 1
    assert "the table needed no thinking <b>" in page.locator(".history").inner_text()
    page.goto(f"{address}/audit/decisions")
    page.goto(at)
    assert page.locator("[name=reviewer]").input_value() == "Ada Ω"
    page.check("[name=mark][value=right]")
    page.click("text=Save mark")
    sync_api.expect(page.locator(".history li")).to_have_count(2)
    assert page.locator(".history li").first.inner_text().startswith("✓ right")


def test_without_scripts_filters_and_marks_work(visit):
    page = visit("/audit/suspected", java_script_enabled=False)
    page.select_option("[name=evidence]", "explored")
    page.click("text=Apply")
    assert "evidence=explored" in page.url
    assert set(page.locator("td[data-label=Evidence]").all_inner_texts()) == {"◆ explored"}
    page.click("tbody th a >> nth=5")
    page.check("[name=mark][value=unsure]")
    page.fill("[name=reviewer]", "no script")
    page.click("text=Save mark")
    assert page.locator(".history li").first.inner_text().startswith("? unsure")


def test_an_error_of_a_filter_is_said_without_leaving_the_page(visit):
    page = visit("/audit/decisions")
    page.fill("[name=q]", "x" * 150)
    page.evaluate("document.querySelector('[name=q]').value = 'x'.repeat(300)")
    page.click("text=Apply")
    sync_api.expect(page.locator("#status")).to_contain_text("at most 200")
    assert any("400" in said for said in page.complaints)
    page.complaints.clear()  # the browser and htmx log the refusal themselves


def test_the_empty_store_says_how_to_begin(visit, address):
    page = visit("/empty/")
    for hint in ("curl -s http://127.0.0.1:3000/predict", "/outcomes", "thinkworth audit --out report/"):
        assert hint in page.locator("main").inner_text()
    for place in PLACES[1:]:
        page.goto(f"{address}/empty/{place}")
        assert page.locator(".empty").count() == 1


@pytest.mark.parametrize(
    ("scheme", "tags"), [("light", ["wcag2a", "wcag2aa", "wcag21aa", "best-practice"]), ("dark", ["color-contrast"])]
)
def test_no_serious_violation_of_accessibility(visit, address, axe, filled, scheme, tags):
    page = visit(color_scheme=scheme)
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert ground == ("rgb(255, 255, 255)" if scheme == "light" else "rgb(15, 20, 25)")
    found = {}
    # few rows: each is looked at for what all have
    narrow = {
        "trends": "trends?since=2026-09-29",
        "slices": "slices?by=profile",
        "suspected": "suspected?q=req-000001",
        "decisions": "decisions?q=req-000039",
    }
    some = PLACES if scheme == "light" else ["", "slices", "suspected"]
    for place in [*some, f"decisions/{filled.hostile[0]}", "decisions?sort=nothing"]:
        page.goto(f"{address}/audit/{narrow.get(place, place)}")
        found[place] = violations(page, axe, tags)
    assert {place: some for place, some in found.items() if some} == {}
    page.complaints[:] = [said for said in page.complaints if "400" not in said]  # of the last one


def test_on_a_phone_nothing_is_wider_than_the_screen(visit, address, filled):
    page = visit()
    page.set_viewport_size({"width": 390, "height": 844})
    for place in [*PLACES, f"decisions/{filled.hostile[0]}"]:
        page.goto(f"{address}/audit/{place}")
        assert wide(page) <= 0, place


def test_a_table_that_is_wider_than_the_screen_says_so(visit):
    page = visit("/audit/what-if")
    page.set_viewport_size({"width": 390, "height": 844})
    sync_api.expect(page.locator(".wide.scrolls")).to_have_count(page.locator(".wide").count())
    assert "explored" in page.locator(".wide tbody th[scope=row]").first.inner_text()


def test_the_report_is_one_file_that_loads_nothing(visit, filled, tmp_path):
    out = tmp_path / "report.html"
    write_report(filled.engine, None, out)
    page = visit(out.as_uri())
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.reload(wait_until="load")
    sync_api.expect(page.locator(".canvas svg")).to_have_count(5)
    assert asked == [out.as_uri()]
    for title in ("Four readings", "Trends", "Slices", "Suspected misroutes", "What if"):
        assert page.locator(f"h2:has-text('{title}')").count() == 1
    assert page.locator("#suspected tbody tr").count() == MOST_SUSPECTS
    assert page.locator("#slices tbody tr").count() == MOST_SLICES
    page.set_viewport_size({"width": 390, "height": 844})
    assert wide(page) <= 0
