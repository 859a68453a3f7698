"""The door: who comes in where, how often, and what is counted of it."""

import pytest

from contract.errors import Forbidden, HeadersTooLarge, NotFound, RateLimited, ThinkworthError, Unauthorised
from contract.settings import Limits
from serving.routes import ROUTES

from .conftest import HOLDERS, key_of

OPEN = [
    "/livez",
    "/healthz",
    "/readyz",
    "/",
    "/docs.json",
    "/schema.json",
    "/static_content/x.js",
    "/audit",
    "/audit/slices",
]
NEEDED = {
    "/predict": ["gateway"], "/predict_batch": ["gateway"], "/model": ["gateway"], "/outcomes": ["gateway"],
    "/metrics": ["root", "prometheus"], "/admin/reload": ["root"], "/admin/": ["root"],
    "/nowhere": list(HOLDERS), "/auditor": list(HOLDERS), "/predict/": list(HOLDERS),
}  # fmt: skip


@pytest.mark.parametrize("path", OPEN)
def test_probes_and_descriptions_need_no_key(door, scope, path):
    assert door().admit(scope(path, method="GET", client="10.0.0.7", server="10.0.0.1")).name == "anonymous"


@pytest.mark.parametrize("path", NEEDED)
def test_a_route_needs_one_of_its_scopes(door, scope, path):
    at = door()
    for name in HOLDERS:
        asked = scope(path, key=name, client="10.0.0.7")
        if name in NEEDED[path]:
            assert at.admit(asked).name == name
        else:
            with pytest.raises(Forbidden):
                at.admit(asked)
    with pytest.raises(Unauthorised):
        at.admit(scope(path, client="10.0.0.7"))


def test_metrics_are_read_without_a_key_on_the_machine_itself_alone(door, scope):
    at = door()
    at.admit(scope("/metrics", method="GET"))
    for other in (
        {"client": "10.0.0.7"}, {"server": "10.0.0.1"}, {"x_forwarded_for": "127.0.0.1"}, {"host": "evil.example"},
        {"client": "127.0.0.6", "x_forwarded_proto": "http"}, {"x_envoy_attempt_count": "1"}, {"cf_connecting_ip": "1.2.3.4"},
    ):  # fmt: skip
        with pytest.raises(Unauthorised):
            at.admit(scope("/metrics", method="GET", **other))


def test_what_becomes_of_requests_is_counted_under_names_and_never_keys(door, scope):
    counted = []
    at = door(count=lambda *what: counted.append(what), more={"gateway": "requests_per_second=1 burst=1"})
    at.admit(scope("/livez"))
    at.admit(scope(key="gateway"))
    for asked in (scope(key="gateway"), scope(key="analyst"), scope(), scope(key="nobody")):
        with pytest.raises(ThinkworthError):
            at.admit(asked)
    assert counted == [
        ("gateway", "admitted"), ("gateway", "rate_limited"), ("analyst", "scope_missing"), ("unknown", "no_api_key"),
        ("unknown", "unknown_api_key"),
    ]  # fmt: skip


# How often


def test_a_key_may_ask_so_often_and_others_are_not_held_up(door, scope):
    now = [0.0]
    at = door(lambda: now[0], more={"gateway": "requests_per_second=2 burst=3"})
    for _ in range(3):
        at.admit(scope(key="gateway"))
    with pytest.raises(RateLimited, match="gateway may ask 2 times a second, 3 at once") as refused:
        at.admit(scope(key="gateway"))
    assert (refused.value.status, refused.value.headers["Retry-After"]) == (429, "1")
    for _ in range(100):
        at.admit(scope("/admin/reload", key="root"))
    now[0] = 0.5
    at.admit(scope(key="gateway"))


def test_the_settings_have_the_rate_of_keys_without_one(door, scope):
    at = door(key_requests_per_second=1, more={"analyst": "requests_per_second=5"})
    at.admit(scope(key="gateway"))
    with pytest.raises(RateLimited):
        at.admit(scope(key="gateway"))
    for _ in range(5):
        at.admit(scope("/nowhere", key="analyst"))
    with pytest.raises(RateLimited):
        at.admit(scope("/nowhere", key="analyst"))


def test_a_batch_counts_its_requests(door, scope):
    at = door(more={"gateway": "requests_per_second=1 burst=10"})
    caller = at.admit(scope("/predict_batch", key="gateway"))
    at.charge(caller, 9)
    with pytest.raises(RateLimited):
        at.admit(scope(key="gateway"))


# Without keys


def test_without_keys_a_presented_one_is_ignored(door, scope):
    at = door(keyed=False)
    assert at.admit(scope(key="nobody")).name == "anonymous"
    assert at.state() == {"keys": "off", "anonymous": False}


@pytest.mark.parametrize("path", ["/predict", "/outcomes", "/readyz", "/metrics", "/audit/", "/", "/admin/reload"])
def test_without_keys_nothing_is_answered_at_another_address_than_this_machines(door, scope, path):
    with pytest.raises(Forbidden, match="has no API keys and was reached at 10.0.0.1") as refused:
        door(keyed=False).admit(scope(path, method="GET", server="10.0.0.1"))
    assert refused.value.type == "keys_needed"


def test_only_whether_it_lives_is(door, scope):
    assert door(keyed=False).admit(scope("/livez", method="GET", server="10.0.0.1")).name == "anonymous"


def test_anonymous_is_everywhere_but_for_the_admin(door, scope):
    at = door(keyed=False, allow_anonymous=True)
    at.admit(scope(server="10.0.0.1", client="10.0.0.7", x_forwarded_for="1.2.3.4"))
    assert at.state() == {"keys": "off", "anonymous": True}
    with pytest.raises(Forbidden):
        at.admit(scope("/admin/reload", server="10.0.0.1", client="10.0.0.7"))


@pytest.mark.parametrize(
    "other",
    [{"client": "10.0.0.7"}, {"x_forwarded_for": "127.0.0.1"}, {"x_forwarded_proto": "http"}, {"via": "1.1 x"}, {"host": "evil.example"}, {"origin": "http://127.0.0.1:3000"},
     {"sec_fetch_site": "cross-site"}],
)  # fmt: skip
def test_without_keys_the_admin_is_this_machine_and_no_browser(door, scope, other):
    at = door(keyed=False)
    at.admit(scope("/admin/reload"))
    with pytest.raises(Forbidden):
        at.admit(scope("/admin/reload", **other))


@pytest.mark.parametrize(
    "other",
    [{"client": "10.0.0.7"}, {"x_forwarded_for": "127.0.0.1"}, {"forwarded": "for=127.0.0.1"}, {"x_real_ip": "10.0.0.7"}, {"via": "1.1 x"},
     {"host": "evil.example"}],
)  # fmt: skip
@pytest.mark.parametrize(
    ("path", "key"), [("/outcomes", "outcomes"), ("/metrics", "metrics"), ("/admin/reload", "admin")]
)
def test_without_keys_all_but_advice_is_this_machines_alone(door, scope, path, key, other):
    at = door(keyed=False)
    at.admit(scope(path))
    for host in ("localhost:3000", "[::1]:3000", "127.8.9.10:3000"):
        at.admit(scope(path, host=host))
    with pytest.raises(Forbidden, match=f"make a key with the scope {key}"):
        at.admit(scope(path, **other))


ADVICE = ["/predict", "/predict_batch", "/model", "/v1/systemone", "/v1/models", "/gateways/portkey"]


@pytest.mark.parametrize("path", [*ADVICE, "/docs.json", "/nowhere"])
def test_without_keys_a_gateway_of_this_machine_passes_on_what_its_callers_ask(door, scope, path):
    assert {path for path, route in ROUTES.items() if route.scope == "predict"} == {*ADVICE, "/docs.json"}
    door(keyed=False).admit(scope(path, x_forwarded_for="10.0.0.7", via="1.1 gateway", host="thinkworth.example"))


@pytest.mark.parametrize("path", ["/outcomes", "/metrics"])
def test_anonymous_opens_outcomes_and_metrics_to_what_a_mesh_lets_in(door, scope, path):
    asked = scope(path, server="10.0.0.1", client="10.0.0.7", x_forwarded_for="1.2.3.4", host="thinkworth.example")
    door(keyed=False, allow_anonymous=True).admit(asked)
    with pytest.raises(Forbidden, match="or set allow_anonymous where a mesh"):
        door(keyed=False).admit(scope(path, x_forwarded_for="1.2.3.4"))


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_without_keys_no_page_of_another_site_sends_anything(door, scope, site):
    at = door(keyed=False)
    with pytest.raises(Forbidden, match="another site"):
        at.admit(scope(sec_fetch_site=site))
    at.admit(scope("/audit/", method="GET", sec_fetch_site=site))  # a link in a chat opens the page
    at.admit(scope(sec_fetch_site="same-origin"))


# Sizes and logins


def test_headers_and_address_have_a_limit(door, scope):
    at = door(keyed=False, limits=Limits(header_kib=1))
    at.admit(scope(x="a" * 900))
    for large in ({"x": "a" * 1024}, {"query": b"q" * 1024}, {"path": "/" + "p" * 1024}):
        with pytest.raises(HeadersTooLarge) as refused:
            at.admit(scope(**large))
        assert (refused.value.status, refused.value.limit) == (431, 1024)


def test_logins_are_tried_so_often_from_an_address(door, tmp_path):
    now = [0.0]
    at = door(lambda: now[0], session_key_file=tmp_path / "key")
    for _ in range(10):
        with pytest.raises(Unauthorised):
            at.login("wrong", "10.0.0.7")
    with pytest.raises(RateLimited):
        at.login(key_of("analyst"), "10.0.0.7")
    key, cookie = at.login(key_of("analyst"), "10.0.0.8")
    assert at.visitor([], cookie) is key
    now[0] = 6.0
    at.login(key_of("analyst"), "10.0.0.7")


def test_a_login_needs_the_scope(door, tmp_path):
    at = door(session_key_file=tmp_path / "key")
    with pytest.raises(Forbidden, match="gateway has the scopes"):
        at.login(key_of("gateway"), None)
    assert (tmp_path / "key").exists() is False  # made when it is needed
    at.login(f" {key_of('analyst')}\n", None)
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600
    with pytest.raises(NotFound):
        door(keyed=False).login(key_of("analyst"), None)
