"""The login of the page, over HTTP and in a real browser: who comes in by a key, for how long, and who does not."""

import asyncio
from urllib.parse import urlsplit

import httpx
import pytest

from serving.access.door import LOGIN_BURST
from serving.access.sessions import COOKIE
from serving.page.app import audit_app
from serving.page.login import onward

from .conftest import KEY, NAME, OTHER_KEY

SAME = {"sec-fetch-site": "same-origin"}
PLACES = ["/", "/trends", "/slices", "/decisions", "/decisions.csv", "/what-if", "/nothing", "/decisions/x"]


@pytest.fixture
def web(address, keyed_door):
    keyed_door._logins.__init__()
    with httpx.Client(base_url=address, timeout=60) as client:
        yield client


@pytest.fixture
def logged_in(web):
    answer = web.post("/keyed/login", data={"key": KEY, "next": "/slices"}, headers=SAME)
    assert answer.status_code == 303, answer.text
    return web


@pytest.mark.parametrize("path", PLACES)
def test_without_a_key_there_is_a_form_and_nothing_else(web, path):
    answer = web.get(f"/keyed{path}")
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert answer.text.count("<form") == 1
    assert 'type="password"' in answer.text
    assert "decision id" not in answer.text
    assert answer.headers["cache-control"] == "no-store"


def test_only_what_the_form_needs_is_open(web):
    assert web.get("/keyed/assets/page.css").status_code == 200
    assert web.get("/keyed/login").status_code == 200
    assert web.post("/keyed/decisions/x/reviews", data={"mark": "right"}, headers=SAME).status_code == 401


def test_a_login_leads_to_what_was_asked_for_and_lasts(web):
    form = web.get("/keyed/slices?kind=overthinking").text
    assert 'name="next" value="/slices?kind=overthinking"' in form
    answer = web.post("/keyed/login", data={"key": KEY, "next": "/slices?kind=overthinking"}, headers=SAME)
    assert (answer.status_code, answer.headers["location"]) == (303, "/keyed/slices?kind=overthinking")
    cookie = answer.headers["set-cookie"]
    for flag in ("HttpOnly", "SameSite=strict", "Path=/keyed", "Max-Age=28800"):
        assert flag in cookie
    assert "Secure" not in cookie
    assert "Domain" not in cookie
    assert KEY not in cookie
    assert web.get("/keyed/slices").status_code == 200
    assert "analyst" in web.get("/keyed/decisions").text


@pytest.mark.parametrize("scheme", ["https", "HTTPS"])
def test_the_cookie_is_for_https_alone_where_a_proxy_speaks_it(web, scheme):
    host = urlsplit(str(web.base_url)).netloc
    headers = {"x-forwarded-proto": scheme, "origin": f"https://{host}"}
    answer = web.post("/keyed/login", data={"key": KEY}, headers=headers)
    assert answer.status_code == 303
    assert "Secure" in answer.headers["set-cookie"]


@pytest.mark.parametrize(
    ("key", "status", "told"), [("", 401, "API key is needed"), (KEY + "x", 401, "unknown"), (OTHER_KEY, 403, "audit is needed")]
)  # fmt: skip
def test_another_key_does_not_let_in(web, key, status, told):
    answer = web.post("/keyed/login", data={"key": key, "next": "/slices"}, headers=SAME)
    assert answer.status_code == status
    assert told in answer.text
    assert "set-cookie" not in answer.headers
    assert 'value="/slices"' in answer.text
    assert not key or key not in answer.text


def test_guessing_is_slowed_down(web):
    answers = [web.post("/keyed/login", data={"key": "x" * 40}, headers=SAME) for _ in range(LOGIN_BURST + 1)]
    assert [answer.status_code for answer in answers] == [401] * LOGIN_BURST + [429]
    assert int(answers[-1].headers["retry-after"]) >= 1


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"origin": "http://evil.example"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"origin": "null"},
    ],
)
@pytest.mark.parametrize("path", ["/login", "/logout"])
def test_a_form_of_another_site_is_refused(logged_in, path, headers):
    assert logged_in.post(f"/keyed{path}", data={"key": KEY}, headers=headers).status_code == 403
    assert logged_in.get("/keyed/slices").status_code == 200


def test_a_logout_ends_the_session_of_the_browser(logged_in):
    answer = logged_in.post("/keyed/logout", headers=SAME)
    assert (answer.status_code, answer.headers["location"]) == (303, "/keyed/login")
    assert COOKIE not in logged_in.cookies
    assert logged_in.get("/keyed/slices").status_code == 401


def test_a_session_ends_with_its_key(logged_in, keys_file, keyed_door):
    before = keys_file.read_text()
    try:
        keys_file.write_text(before.replace("analyst", "other"))
        keyed_door._watched.look()
        answer = logged_in.get("/keyed/slices")
        assert answer.status_code == 401
        assert "the session has ended" in answer.text
    finally:
        keys_file.write_text(before)
        keyed_door._watched.look()


def test_a_script_downloads_with_its_key(web):
    for headers in ({"Authorization": f"Bearer {KEY}"}, {"X-API-Key": KEY}):
        answer = web.get("/keyed/decisions.csv", headers=headers)
        assert answer.status_code == 200
        assert answer.text.startswith("decision_id,")
    refused = web.get("/keyed/decisions.csv", headers={"X-API-Key": OTHER_KEY})
    assert refused.status_code == 403
    assert "audit is needed" in refused.text


def test_a_key_does_not_stand_in_for_a_form_of_the_page(web):
    answer = web.post("/keyed/decisions/x/reviews", data={"mark": "right"}, headers={"X-API-Key": KEY})
    assert answer.status_code == 403


def test_a_part_of_a_page_that_needs_a_login_loads_the_whole(web):
    assert web.get("/keyed/slices", headers={"hx-request": "true"}).headers["hx-refresh"] == "true"


def test_where_there_are_no_keys_there_is_nothing_to_log_in_to(web):
    assert web.get("/audit/login").status_code == 404
    assert "Log out" not in web.get("/audit/").text


@pytest.mark.parametrize(
    "there",
    [
        "//evil.example",
        "https://evil.example",
        "/\\evil.example",
        "\\\\evil",
        "",
        "evil",
        "/x\r\nSet-Cookie: a=b",
        "/login",
        "/logout",
    ],
)
def test_a_login_leads_to_no_other_site(there):
    assert onward(there) == "/"


def test_an_address_of_the_page_is_kept():
    assert onward("/decisions?verdict=use&model=a%20b") == "/decisions?verdict=use&model=a%20b"


def test_what_is_served_elsewhere_needs_a_key_and_no_tunnel(filled, keyed_door):
    async def ask(headers):
        app = audit_app(lambda: filled.engine, door=lambda: keyed_door)
        transport = httpx.ASGITransport(app=app, client=("10.0.0.7", 1))
        async with httpx.AsyncClient(transport=transport, base_url="https://thinkworth.example") as http:
            return await http.get("/slices", headers=headers)

    assert asyncio.run(ask({})).status_code == 401
    assert asyncio.run(ask({"X-API-Key": KEY, "Via": "1.1 proxy"})).status_code == 200


# In a browser


@pytest.fixture
def keyed(visit, keyed_door):
    keyed_door._logins.__init__()
    pages = []

    def open_page(path, **options):
        page = visit("/audit/", **options)
        page.goto(path)
        pages.append(page)
        return page

    yield open_page
    for page in pages:  # Chromium tells of each 401, and that without https it passes over one of the headers
        page.complaints[:] = [said for said in page.complaints if "401" not in said and "Opener-Policy" not in said]


def log_in(page, key=KEY):
    page.fill("[name=key]", key)
    page.click("text=Log in >> nth=-1")


@pytest.mark.parametrize("name", ["127.0.0.1", NAME])
def test_an_analyst_logs_in_marks_and_logs_out(keyed, address, name):
    base = address.replace("127.0.0.1", name) + "/keyed"
    page = keyed(f"{base}/suspected?kind=overthinking")
    assert page.evaluate("document.activeElement.name") == "key"
    log_in(page, "tw_wrong".ljust(46, "y"))
    assert "unknown" in page.locator("[role=alert]").inner_text()
    log_in(page)
    page.wait_for_url("**/keyed/suspected?kind=overthinking")
    assert page.locator(".visitor span").inner_text() == "analyst"
    assert page.evaluate("document.cookie") == ""
    page.locator("tbody a").first.click()
    page.wait_for_url("**/decisions/*")
    assert page.locator("[name=reviewer]").input_value() == "analyst"
    page.check("[name=mark][value=right]")
    page.click(".review button")
    page.wait_for_url("**#reviews")
    page.click("text=Log out")
    page.wait_for_url("**/keyed/login")
    page.goto(f"{base}/slices")
    assert page.locator("[name=key]").count() == 1


def test_the_form_is_usable_by_everybody(keyed, address, axe):
    page = keyed(f"{address}/keyed/", color_scheme="dark")
    log_in(page, "tw_wrong".ljust(46, "y"))
    page.evaluate(axe)
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")["violations"]
    assert [(v["id"], v["impact"]) for v in found if v["impact"] in ("serious", "critical")] == []
