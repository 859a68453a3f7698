"""Challengers beside the champion: what they say is recorded, and nobody waits for it."""

import asyncio
import shutil
import threading

import pytest
import sqlalchemy as sa

from contract.bundle import Bundle
from contract.encoder import Encoder
from contract.locate import ROOT, find
from contract.scorer import Scorer
from contract.settings import Exploration, Settings
from contract.store.opening import reading
from contract.store.records import SHADOW, Record, from_line, to_line
from contract.store.tables import decisions
from contract.store.writing import write
from serving.challengers import load_challengers
from serving.record import Keeper, bundle_record
from serving.recorder import Recorder
from serving.router import Router
from serving.schemas import PredictRequest
from serving.shadow import LIMIT_BYTES, REQUESTS, Shadow, told

SUM, PUZZLE = (
    "What is 1 + 9900?",
    "A train leaves at 3:40 and arrives at 5:15, with a stop of 12 minutes. How long did it move?",
)
WAIT_S = 60


@pytest.fixture(scope="module")
def champion():
    return Router(Scorer.load(ROOT / "models" / "default"))


@pytest.fixture(scope="module")
def other(champion, tmp_path_factory):
    """The same heads under another revision, to which a whole point is worth a hundred times as many tokens."""
    folder = tmp_path_factory.mktemp("challenger") / "bundle"
    shutil.copytree(ROOT / "models" / "default", folder)
    found = Bundle(folder)
    profiles = {
        name: profile.model_copy(update={"tokens_per_point": profile.tokens_per_point * 100})
        for name, profile in found.manifest.profiles.items()
        if name != "latency_critical"
    }
    found.manifest = found.manifest.model_copy(update={"revision": "thinkworth/other", "profiles": profiles})
    return Router(Scorer(found, encoder=champion.scorer.encoder), champion.families)


class Kept:
    """Takes records, and lets a test wait for so many."""

    def __init__(self):
        self.records, self._more = [], threading.Condition()

    def __call__(self, records):
        with self._more:
            self.records += records
            self._more.notify()

    def wait(self, n):
        with self._more:
            assert self._more.wait_for(lambda: len(self.records) >= n, WAIT_S)
        return self.records


@pytest.fixture
def kept():
    return Kept()


@pytest.fixture
def shadow(kept):
    made = []

    def make(*challengers, **options):
        made.append(Shadow(challengers, kept, share=1.0, **options))
        return made[-1]

    yield make
    for one in made:
        one.close()


def ask(champion, prompt=SUM, **more):
    request = PredictRequest(prompt=prompt, **more)
    return request, champion.decide(request)


def test_what_a_challenger_would_have_said_is_recorded_by_its_revision(champion, other, kept, shadow):
    beside = shadow(other)
    asked = [ask(champion, prompt, model="gpt-5.4", max_thinking_tokens=2000) for prompt in (SUM, PUZZLE)]
    for one in asked:
        beside.offer(*one)
    for (request, decided), record in zip(asked, kept.wait(2), strict=True):
        assert (record.table, record.row["decision_id"]) == (SHADOW, decided.answer.decision_id)
        assert record.row["shadow"] == {"thinkworth/other": told(other.decide(request).policy)}
        assert record.row["shadow"]["thinkworth/other"]["net_benefit"] > decided.policy.net_benefit
    assert beside.state() == {"revisions": ["thinkworth/other"], "scored": 2, "dropped": 0, "failed": 0}


def test_the_encoder_is_not_called_again(champion, other, kept, shadow, monkeypatch):
    asked = ask(champion)
    monkeypatch.setattr(Encoder, "encode", lambda *_: pytest.fail("embedded anew"))
    shadow(other).offer(*asked)
    assert kept.wait(1)


def test_a_challenger_with_another_encoder_reads_the_prompt_itself(champion, other, kept, shadow):
    request, decided = ask(champion)
    shadow(other).offer(request, decided._replace(encoder="another"))
    assert kept.wait(1)[0].row["shadow"]["thinkworth/other"] == told(other.decide(request).policy)


def test_exploration_and_conversations_are_the_champions_own(champion, other, kept, shadow):
    drawn = Router(champion.scorer, champion.families, exploration=Exploration(rate=1.0), random=lambda: 0.1)
    asked = ask(drawn)
    assert asked[1].answer.arm == "reasoning"
    assert asked[1].policy.arm.value == "direct"
    shadow(champion, other).offer(*asked)
    assert list(kept.wait(1)[0].row["shadow"]) == ["thinkworth/other"]  # a champion is not its own challenger


def test_one_that_fails_costs_only_its_own_verdict(champion, other, kept, shadow):
    broken = Router(other.scorer, other.families)
    broken.manifest = other.manifest.model_copy(update={"revision": "thinkworth/broken", "calibration": None})
    beside = shadow(broken, other)
    beside.offer(*ask(champion, profile="latency_critical"))  # other has no such profile
    beside.offer(*ask(champion))
    assert [list(record.row["shadow"]) for record in kept.wait(1)] == [["thinkworth/other"]]
    assert beside.state()["failed"] == 3


def test_what_finds_no_room_is_dropped_and_counted_and_answers_go_on(champion, other, shadow):
    held = threading.Event()
    counted = []
    beside = Shadow([other], lambda _: held.wait(WAIT_S), count=counted.append, share=1.0)
    asked = ask(champion)
    for _ in range(REQUESTS + 10):
        beside.offer(*asked)
    assert 9 <= beside.state()["dropped"] <= 10  # one may be with the thread
    assert "dropped" in counted
    long = asked[1].prompt.from_text("x" * 2**23)
    held.set()
    beside.close()
    beside.offer(asked[0], asked[1]._replace(prompt=long))
    assert beside.state()["dropped"] >= 10


def test_what_waits_is_bounded_by_the_bodies_that_it_holds(champion, other):
    held, asked = threading.Event(), ask(champion)
    beside = Shadow([other], lambda _: held.wait(WAIT_S), share=1.0)
    for _ in range(6):
        beside.offer(*asked, size_bytes=LIMIT_BYTES // 3)
    assert 3 <= beside.state()["dropped"] <= 4  # one may be with the thread
    held.set()
    beside.close()


def test_a_bundle_that_cannot_be_loaded_is_left_out(champion, tmp_path, caplog):
    found = load_challengers([str(tmp_path / "nowhere"), str(ROOT / "models" / "default")], champion)
    assert [one.manifest.revision for one in found] == [champion.manifest.revision]
    assert found[0].scorer.encoder is champion.scorer.encoder
    assert "nowhere" in caplog.text
    assert find("models/encoder")


@pytest.fixture
def settings(tmp_path, address):
    return Settings(store_url=address, store_folder=tmp_path)


@pytest.fixture(params=["sqlite", "postgresql"])
def address(request, tmp_path):
    return f"sqlite:///{tmp_path / 'd.sqlite'}" if request.param == "sqlite" else request.getfixturevalue("postgres")


def test_the_row_of_the_decision_holds_it_however_often_it_is_written(champion, other, settings):
    recorder = Recorder(settings)
    try:
        request, decided = ask(champion)
        rows = [bundle_record(champion.manifest), *Keeper(settings).records(request, decided)]
        asyncio.run(recorder.record(rows))
        said = {"thinkworth/other": told(other.decide(request).policy)}
        record = Record(SHADOW, {"decision_id": decided.answer.decision_id, "shadow": said})
        asyncio.run(recorder.record([record]))
        again = [from_line(to_line(one)) for one in (*rows, record)]
        stranger = Record(SHADOW, {"decision_id": "nobody's", "shadow": said})
        with recorder.engine.begin() as connection:
            write(connection, [again[-1], *again[:-1], stranger])  # a journal that is replayed after an end unseen
        with reading(recorder.engine) as connection:
            kept = connection.execute(sa.select(decisions.c.decision_id, decisions.c.shadow, decisions.c.verdict)).all()
        assert kept == [(decided.answer.decision_id, said, decided.answer.verdict)]
    finally:
        recorder.close()


def test_settings_take_one_or_a_list_and_want_a_record():
    from contract.errors import InvalidInput
    from contract.settings import load_settings

    assert load_settings({"THINKWORTH_SHADOW": "models/next"}).shadow == ("models/next",)
    assert load_settings({"THINKWORTH_SHADOW": '["a", "models:/thinkworth@challenger"]'}).shadow == (
        "a", "models:/thinkworth@challenger",
    )  # fmt: skip
    assert load_settings({}).shadow == ()
    for wrong in ({"THINKWORTH_SHADOW": "[a"}, {"THINKWORTH_SHADOW": "a", "THINKWORTH_DURABILITY": "off"}):
        with pytest.raises(InvalidInput, match="shadow"):
            load_settings(wrong)


def test_serve_says_at_once_that_a_challenger_is_none(thinkworth, monkeypatch, tmp_path):
    monkeypatch.setenv("THINKWORTH_SHADOW", str(tmp_path / "nowhere"))
    monkeypatch.setenv("THINKWORTH_STORE_FOLDER", str(tmp_path))
    said = thinkworth("serve")
    assert said.code == 1
    assert "nowhere" in said.err
