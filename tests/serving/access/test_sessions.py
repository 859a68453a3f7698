"""Sessions: a cookie that ends with its time and its key, and that nobody else can make."""

from datetime import UTC, datetime, timedelta

import pytest

from serving.access.keys import Keys, given_keys, hashed
from serving.access.sessions import SESSION_S, holder, issued

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
SECRET = b"s" * 32
LINE = f"a.nalyst-1 {hashed('k' * 40)} audit"
KEYS = Keys(given_keys(LINE))
COOKIE = issued(SECRET, KEYS.entries[0], NOW)


def test_any_worker_with_the_secret_knows_the_holder():
    assert holder(SECRET, COOKIE, KEYS, NOW).name == "a.nalyst-1"
    assert all(" " < letter < "\x7f" and letter not in '",;\\' for letter in COOKIE)


@pytest.mark.parametrize(
    ("keys", "later_s"),
    [
        (Keys(), 0),
        (Keys(given_keys(LINE.replace(hashed("k" * 40), hashed("other" * 8)))), 0),
        (Keys(given_keys(f"{LINE} expires=2026-11-30T12:30")), 1800),
        (KEYS, SESSION_S),
    ],
    ids=["revoked", "replaced", "expired", "ended"],
)
def test_it_ends_with_its_key_and_its_time(keys, later_s):
    assert holder(SECRET, COOKIE, keys, NOW + timedelta(seconds=later_s)) is None


def test_no_letter_of_it_can_be_changed():
    for at in range(len(COOKIE)):
        changed = COOKIE[:at] + ("0" if COOKIE[at] != "0" else "1") + COOKIE[at + 1 :]
        assert holder(SECRET, changed, KEYS, NOW) is None


@pytest.mark.parametrize(
    "cookie", ["", "1", "~" * 9, COOKIE + "0", "é" * 90, COOKIE[:-1], COOKIE.replace("1~", "2~", 1), "1~" * 5000]
)
def test_what_is_no_cookie_of_ours_holds_nothing(cookie):
    assert holder(SECRET, cookie, KEYS, NOW) is None


def test_another_secret_makes_another_cookie():
    assert holder(b"t" * 32, COOKIE, KEYS, NOW) is None
