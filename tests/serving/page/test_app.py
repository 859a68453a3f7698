"""The page over HTTP: who may come in, what it refuses, and how it answers when the store does not."""

import asyncio
import csv
import io
import time

import httpx
import pytest
import sqlalchemy as sa

from contract.store.audit_tables import slices
from contract.store.tables import decisions, metadata, reviews
from serving.page import asked as state
from serving.page.app import audit_app
from serving.page.assets import FOLDER, FOREVER, load_assets, manifest
from serving.page.download import cell
from serving.page.forms import MAX_FORM_BYTES
from serving.page.guard import POLICY
from serving.page.views import VIEWS
from serving.page.words import fixed

NASTY = (
    "' OR '1'='1", "1; DROP TABLE decisions", '"><script>alert(1)</script>', "%", "\x00", "é" * 150, "NaN", "(none)", "{{1234*5678}}",
    "9999-12-31", "0001-01-01",
)  # fmt: skip


def asking(app, *, client=("127.0.0.1", 1), method="GET", path="/", **more):
    """Send one request to an application as if from that client."""

    async def send():
        transport = httpx.ASGITransport(app=app, client=client)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:3000") as http:
            return await http.request(method, path, **more)

    return asyncio.run(send())


@pytest.fixture(scope="module")
def app(filled):
    return audit_app(lambda: filled.engine)


# Who may come in


@pytest.mark.parametrize("client", [("127.0.0.1", 1), ("127.8.9.10", 1), ("::1", 1), ("::ffff:127.0.0.1", 1)])
def test_this_machine_may_come_in(app, client):
    assert asking(app, client=client).status_code == 200


@pytest.mark.parametrize(
    "client", [("10.0.0.7", 1), ("192.168.1.2", 1), ("2001:db8::1", 1), ("::ffff:10.0.0.1", 1), ("testclient", 1), None]
)
@pytest.mark.parametrize("path", ["/", "/decisions", "/suspected.csv", "/assets/page.css", "/nothing"])
def test_no_other_machine_sees_anything(app, client, path):
    answer = asking(app, client=client, path=path)
    assert answer.status_code == 403
    assert "ssh -L 3000:127.0.0.1:3000" in answer.text


@pytest.mark.parametrize("name", ["X-Forwarded-For", "Forwarded", "X-Real-IP", "Via", "X-Forwarded-Host"])
def test_nothing_is_shown_through_a_proxy(app, name):
    answer = asking(app, headers={name: "127.0.0.1"})
    assert answer.status_code == 403
    assert name.lower() in answer.text


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:3000",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "10.0.0.1:3000",
        "",
        "[::2]:3000",
    ],
)
def test_a_foreign_name_of_this_machine_is_refused(app, host):
    assert asking(app, headers={"Host": host}).status_code == 403


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:3000", "127.0.0.1:8080", "[::1]:3000", "[::1]"])
def test_its_own_names_are_not(app, host):
    assert asking(app, headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "path", ["/audit/", "/audit/decisions?sort=no", "/audit/nothing", "/audit/assets/page.js", "/audit/decisions.csv"]
)
def test_every_answer_has_the_strict_headers(web, path):
    headers = web.get(path).headers
    assert headers["content-security-policy"] == POLICY
    assert "unsafe" not in POLICY
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"
    assert headers["cache-control"] == ("no-cache" if "/assets/" in path else "no-store")


# What it is asked


@pytest.mark.parametrize("place", list(VIEWS))
def test_whatever_is_in_an_address_is_answered_or_refused(web, filled, place):
    view = VIEWS[place]
    for name in view.asked.model_fields:
        for value in NASTY:
            answer = web.get(f"/audit/{place}", params={name: value})
            assert answer.status_code in (200, 400, 404), (name, value)
            assert "<script>alert" not in answer.text
            assert "7006652" not in answer.text
    for sort in ("time; DROP TABLE decisions", "decisions.reasons", "(select 1)", "1"):
        assert web.get(f"/audit/{place}", params={"sort": sort}).status_code == 400
    with filled.engine.connect() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(decisions)) == 400
        assert set(sa.inspect(connection).get_table_names()) >= set(metadata.tables)


def test_an_unknown_key_is_refused_with_the_known_ones(web):
    answer = web.get("/audit/decisions?verdct=use")
    assert answer.status_code == 400
    assert "did you mean verdict?" in answer.text
    assert web.get("/audit/decisions?verdict=use&verdict=avoid").status_code == 400
    assert web.get("/audit/decisions?since=2026-09-09&until=2026-09-01").status_code == 400


def test_what_is_not_there_is_a_page_too(web):
    for path in (
        "/audit/nothing",
        "/audit/decisions/none",
        "/audit/decisions/' OR 1=1",
        "/audit/suspected.xlsx",
        "/audit/assets/../app.py",
        "/audit/nothing.csv",
    ):
        answer = web.get(path)
        assert answer.status_code == 404, path
        assert answer.headers["content-type"].startswith("text/html")
    assert web.post("/audit/").status_code == 405
    assert web.delete("/audit/decisions/none").status_code == 405


def test_a_page_that_begins_behind_a_decision_that_is_gone_says_so(web):
    answer = web.get("/audit/decisions?after=gone")
    assert answer.status_code == 404
    assert "begin at its first page" in answer.text


def test_a_state_is_its_address_and_back():
    asked = state.Suspected(
        task="a&b=c ✓", since="2026-09-01", kind="overthinking", sort="time", order="asc", familiarity="low"
    )
    pairs = httpx.QueryParams(asked.address().removeprefix("?")).multi_items()
    assert state.parse(state.Suspected, pairs) == asked
    assert state.parse(state.Suspected, [("task", ""), ("q", "")]) == state.Suspected()
    assert state.Suspected().address() == ""


# Downloads


@pytest.mark.parametrize(
    "query",
    [
        "",
        "?verdict=use&sort=gain&order=asc",
        "?q=req-00000",
        "?model=(none)&explored=yes",
        "?reviewed=yes&familiarity=high",
    ],
)
def test_a_csv_is_the_list(web, query):
    rows = list(csv.DictReader(io.StringIO(web.get(f"/audit/decisions.csv{query}").text)))
    shown, path = [], f"/audit/decisions{query}"
    while path:
        text = web.get(path).text
        shown += [piece.split("</code>")[0] for piece in text.split('<code title="decision id">')[1:]]
        path = (
            text.split('id="page-after" rel="next" href="')[1].split('"')[0].replace("&amp;", "&")
            if 'id="page-after"' in text
            else None
        )
    assert [row["decision_id"] for row in rows] == shown
    assert shown or "explored" in query


def test_parquet_has_the_same_rows_with_their_types(web):
    parquet = pytest.importorskip("pyarrow.parquet", reason="needs the extra train")
    table = parquet.read_table(io.BytesIO(web.get("/audit/suspected.parquet?sort=time").content))
    rows = list(csv.DictReader(io.StringIO(web.get("/audit/suspected.csv?sort=time").text)))
    assert table.column_names == list(rows[0])
    assert table["decision_id"].to_pylist() == [row["decision_id"] for row in rows]
    assert table["p_misroute"].to_pylist() == [float(row["p_misroute"]) for row in rows]
    assert str(table.schema.field("time").type) == "timestamp[us, tz=UTC]"


def test_slices_are_downloaded_as_they_are_filtered(web, filled):
    rows = list(
        csv.DictReader(io.StringIO(web.get("/audit/slices.csv?kind=underthinking&sort=decisions&order=asc").text))
    )
    with filled.engine.connect() as connection:
        expected = connection.execute(
            sa.select(slices.c.slice_id, slices.c.decisions).where(slices.c.kind == "underthinking")
        ).all()
    assert [int(row["decisions"]) for row in rows] == sorted(n for _, n in expected)
    assert {int(row["slice_id"]) for row in rows} == {slice_id for slice_id, _ in expected}


def test_the_regret_of_slices_has_its_bounds_on_the_page_and_in_the_download(web):
    rows = list(csv.DictReader(io.StringIO(web.get("/audit/slices.csv?misrouted=yes").text)))
    html = web.get("/audit/slices?misrouted=yes").text
    assert rows
    for row in rows:
        for unit, digits in (("points", 1), ("tokens", 0)):
            low, value, high = (float(row[f"regret_{unit}_total{end}"]) for end in ("_lower", "", "_upper"))
            assert low <= value <= high
            assert f'{fixed(value, digits)} <span class="between">[{fixed(low, digits)}, {fixed(high, digits)}]' in html


def test_no_cell_is_a_formula(web):
    text = web.get("/audit/decisions.csv").text
    assert "'=cmd|" in text
    assert ",=cmd" not in text
    assert [cell(value) for value in ("=1", "+1", "-x", "@a", "\ta", "\rb", "a=1", -1.5, None, True, ["a", "b"])] == [
        "'=1", "'+1", "'-x", "'@a", "'\ta", "'\rb", "a=1", -1.5, "", "true", "a; b",
    ]  # fmt: skip


# Marks


def marked(web, filled, **headers):
    base = str(web.base_url).rstrip("/")
    headers = {name.replace("_", "-"): base if value == "own" else value for name, value in headers.items()}
    fields = {"mark": "right", "comment": "", "reviewer": "tester"}
    return web.post(f"/audit/decisions/{filled.hostile[2]}/reviews", data=fields, headers=headers).status_code


def marks_of_tester(filled):
    with filled.engine.connect() as connection:
        return connection.scalar(sa.select(sa.func.count()).where(reviews.c.reviewer == "tester"))


def test_a_form_of_another_site_marks_nothing(web, filled):
    for headers in (
        {}, {"origin": "https://evil.example"}, {"origin": "null"}, {"sec_fetch_site": "cross-site"}, {"sec_fetch_site": "same-site", "origin": "own"},
        {"sec_fetch_site": "none"}, {"sec_fetch_site": "same-origin", "origin": "https://evil.example"}, {"origin": "http://127.0.0.1:1"},
    ):  # fmt: skip
        assert marked(web, filled, **headers) == 403, headers
    assert marks_of_tester(filled) == 0
    for headers in (
        {"origin": "own"},
        {"sec_fetch_site": "same-origin"},
        {"sec_fetch_site": "same-origin", "origin": "null"},
    ):
        assert marked(web, filled, **headers) == 303, headers
    assert marks_of_tester(filled) == 3


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"mark": "perfect", "reviewer": "x"}, 400), ({"mark": "right", "reviewer": "  "}, 400), ({"mark": "right", "reviewer": "x" * 201}, 400),
        ({"mark": "right", "reviewer": "x", "comment": "x" * 4001}, 400), ({"mark": "right", "reviewer": "x\0"}, 400),
        ({"mark": "right", "reviewer": "x", "comment": "x" * MAX_FORM_BYTES}, 413), ({str(i): "" for i in range(99)}, 400),
    ],
)  # fmt: skip
def test_a_mark_that_cannot_be_kept_is_refused(web, filled, fields, status):
    own = {"Origin": str(web.base_url).rstrip("/")}
    assert web.post(f"/audit/decisions/{filled.hostile[3]}/reviews", data=fields, headers=own).status_code == status
    assert (
        web.post("/audit/decisions/none/reviews", data={"mark": "right", "reviewer": "x"}, headers=own).status_code
        == 404
    )


# Assets


def test_what_others_wrote_is_what_the_manifest_says():
    assert manifest()
    files = load_assets()
    ours = {"page.css", "page.js", "icon.svg"}
    assert {entry["file"] for entry in manifest()} == set(files) - ours
    import hashlib

    for entry in manifest():
        assert hashlib.sha256((FOLDER / entry["file"]).read_bytes()).hexdigest() == entry["sha256"]
        assert entry["packages"]
        assert entry["licence"]


def test_assets_are_kept_for_ever_by_their_digest(web):
    page = web.get("/audit/trends").text
    addresses = [
        piece.split('"')[0]
        for piece in page.replace('src="', 'href="').split('href="')[1:]
        if "/assets/" in piece.split('"')[0]
    ]
    assert len(addresses) == 5
    for address in addresses:
        assert web.get(address).headers["cache-control"] == FOREVER
    tag = web.get("/audit/assets/page.js").headers["etag"]
    assert web.get("/audit/assets/page.js", headers={"If-None-Match": tag}).status_code == 304


# A store that is away


def test_a_store_that_is_away_is_said(tmp_path):
    from contract.store.opening import open_store

    engine = open_store(f"sqlite:///{tmp_path / 'none.sqlite'}")  # without its tables
    answer = asking(audit_app(lambda: engine), path="/decisions")
    assert answer.status_code == 503
    assert "did not answer" in answer.text
    engine.dispose()


def test_a_question_that_takes_too_long_is_ended(filled):
    began = time.monotonic()
    app = audit_app(lambda: filled.engine, question_s=-1)
    late = asking(app, path="/trends", headers={"HX-Request": "true"})
    assert late.status_code == 503
    assert time.monotonic() - began < 60
    assert asking(audit_app(lambda: filled.engine), path="/trends").status_code == 200
    began_with_its_top = asking(app, path="/trends")  # which was sent before
    assert began_with_its_top.text.count("<h1>") == began_with_its_top.text.count("</html>") == 1
    assert "did not answer within -1 s" in began_with_its_top.text.partition('role="alert">')[2]
    assert late.text.count("<h1>The store is away</h1>") == 1


def test_a_view_that_takes_long_begins_before_its_questions_are_answered(filled):
    asked_at = []
    sa.event.listen(filled.engine, "before_cursor_execute", lambda *more: asked_at.append(more[2]))
    app = audit_app(lambda: filled.engine)
    seen = []

    async def receive():
        await asyncio.sleep(60)

    async def send(message):
        seen.append((message.get("body", b"").decode(), len(asked_at)))

    scope = {
        "type": "http", "method": "GET", "path": "/trends", "raw_path": b"/trends", "query_string": b"", "root_path": "", "scheme": "http",
        "headers": [(b"host", b"127.0.0.1:3000")], "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 3000), "http_version": "1.1",
    }  # fmt: skip
    asyncio.run(app(scope, receive, send))
    (top, before), (rest, after) = [(text, n) for text, n in seen if text]
    assert top.startswith("<!doctype html>")
    assert top.rstrip().endswith("<h1>Trends</h1>")
    assert "</html>" in rest
    assert before < after
    assert top + rest == asking(app, path="/trends", headers={"HX-Request": "true"}).text
