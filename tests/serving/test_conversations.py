"""What a worker remembers of conversations, and what the answers to their next turns say."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa

from contract.cache_charge import NO_CHARGE
from contract.locate import ROOT
from contract.model_families import ModelFamilies, load_model_families
from contract.records import Arm
from contract.scorer import Scorer
from contract.settings import Exploration, Settings
from contract.store.opening import migrate, open_store
from contract.store.tables import decisions
from serving.conversations import Conversations
from serving.record import Keeper
from serving.router import Router
from serving.schemas import PredictRequest

MODEL = "claude-sonnet-5"
SUM = "What is 1 + 9900?"
PUZZLE = "A train leaves at 3:40 and arrives at 5:15, with a stop of 12 minutes. How long did it move?"


def told(arm, *, of="c", model=MODEL, decision="d", request=None):
    return (of, model, Arm(arm)), {"decision_id": decision, "request_id": request}


@pytest.fixture
def memory():
    return Conversations(3, 60.0)


def remember(memory, *args, **options):
    (conversation, model, arm), ids = told(*args, **options)
    memory.answered(conversation, model, arm, **ids)


def test_the_last_arm_of_a_conversation_with_a_model_is_remembered(memory):
    assert memory.last_arm("c", MODEL) is None
    remember(memory, "direct")
    remember(memory, "reasoning", model="another")
    assert memory.last_arm("c", MODEL) is Arm.DIRECT
    assert memory.last_arm("c", "another") is Arm.REASONING
    assert memory.last_arm("c", None) is memory.last_arm(None, MODEL) is None
    remember(memory, "reasoning")
    assert memory.last_arm("c", MODEL) is Arm.REASONING


def test_the_least_recently_used_is_forgotten_and_so_is_what_is_old(memory):
    for name in "abc":
        remember(memory, "direct", of=name)
    assert memory.last_arm("a", MODEL)
    remember(memory, "direct", of="d")
    assert [name for name in "abcd" if memory.last_arm(name, MODEL)] == ["a", "c", "d"]
    short = Conversations(3, 0.05)
    remember(short, "direct")
    time.sleep(0.2)
    assert short.last_arm("c", MODEL) is None


def test_none_are_remembered_where_it_is_off():
    off = Conversations(0, 60.0)
    remember(off, "direct")
    off.overridden(Arm.REASONING, decision_id="d", request_id=None)
    assert off.last_arm("c", MODEL) is None


def test_an_override_of_the_last_turn_counts_and_one_of_an_earlier_turn_does_not(memory):
    remember(memory, "direct", decision="one", request="r1")
    memory.overridden(Arm.REASONING, decision_id=None, request_id="r1")
    assert memory.last_arm("c", MODEL) is Arm.REASONING
    remember(memory, "direct", decision="two", request="r2")
    memory.overridden(Arm.REASONING, decision_id="one", request_id=None)
    memory.overridden(Arm.REASONING, decision_id="nobody's", request_id=None)
    assert memory.last_arm("c", MODEL) is Arm.DIRECT
    memory.overridden(Arm.REASONING, decision_id="two", request_id=None)
    assert memory.last_arm("c", MODEL) is Arm.REASONING


def test_threads_share_it_and_it_stays_bounded():
    memory = Conversations(50, 60.0)

    def turn(i):
        remember(memory, "reasoning" if i % 2 else "direct", of=f"c{i % 200}", decision=f"d{i}", request=f"r{i}")
        memory.overridden(Arm.DIRECT, decision_id=f"d{i}", request_id=None)
        return memory.last_arm(f"c{(i * 7) % 200}", MODEL)

    with ThreadPoolExecutor(8) as pool:
        assert {Arm.DIRECT, None} <= set(pool.map(turn, range(4000))) <= {Arm.DIRECT, Arm.REASONING, None}
    assert sum(memory.last_arm(f"c{i}", MODEL) is not None for i in range(200)) == 50


@pytest.fixture(scope="module")
def scorer():
    return Scorer.load(ROOT / "models" / "default")


@pytest.fixture
def router(scorer):
    return Router(
        scorer, load_model_families(shipped=ROOT / "data" / "models.yaml"), conversations=Conversations(9, 60.0)
    )


def turn(prompt, cached=None, **more):
    earlier = [{"role": "user", "content": "earlier " * 400}, {"role": "assistant", "content": "so it is " * 300}]
    return PredictRequest(
        messages=[*(earlier if cached else []), {"role": "user", "content": prompt}], model=MODEL, conversation_id="c",
        cached_tokens=cached, **more,
    )  # fmt: skip


def test_a_turn_that_would_think_pays_for_the_cache_that_direct_turns_filled(router, tmp_path):
    assert router.answer(turn(SUM)).arm == "direct"
    free = Router(router.scorer, router.families).answer(turn(PUZZLE, 40_000))
    assert free.arm == "reasoning"
    assert any("is not known here: a change is not charged" in reason for reason in free.reasons)
    paid = router.decide(turn(PUZZLE, 40_000))
    assert paid.charge.points == pytest.approx(0.36)
    assert paid.answer.expected.gain == free.expected.gain
    assert paid.answer.expected.net_benefit == pytest.approx(free.expected.net_benefit - 0.36)
    assert (paid.answer.verdict, paid.answer.arm) == ("avoid", "direct")
    assert paid.charge.reason in paid.answer.reasons
    (row, *_) = Keeper(Settings(store_folder=tmp_path)).records(turn(PUZZLE, 40_000), paid)
    assert row.row["cache_charge"] == paid.charge.points


def test_a_turn_that_would_go_direct_stays_with_thinking_that_filled_the_cache(router):
    assert router.answer(turn(PUZZLE)).arm == "reasoning"
    stays = router.decide(turn(SUM, 40_000))
    assert stays.charge.points == pytest.approx(-0.36)
    assert (stays.answer.verdict, stays.answer.arm) == ("use", "reasoning")
    assert stays.answer.expected.net_benefit == pytest.approx(stays.answer.expected.gain + 0.36, abs=0.06)


def test_a_charged_turn_is_never_drawn_even_where_it_shows_no_earlier_turn(scorer, router):
    explorer = Router(
        scorer, router.families, exploration=Exploration(rate=1.0), conversations=Conversations(9, 60.0), random=lambda: 0.9
    )  # fmt: skip
    first = PredictRequest(prompt=SUM, model=MODEL, conversation_id="c")
    assert explorer.decide(first).not_explored is None
    assert explorer.decide(first.model_copy(update={"cached_tokens": 9000})).not_explored == "sticky"


def test_a_model_that_never_thinks_has_no_arm_to_change(router):
    assert router.decide(turn(SUM, 9000).model_copy(update={"model": "gpt-4o"})).charge == NO_CHARGE


@pytest.mark.parametrize(
    ("model", "providers", "charged"),
    [
        ("gpt-5-pro", (None, "openai", "openai_responses", "litellm"), False),
        ("gpt-5", (None, "openai", "openai_responses", "litellm"), True),
        ("claude-opus-5-5", (None, "anthropic", "litellm"), True),
    ],
)
def test_what_always_thinks_is_charged_only_where_its_arms_are_told_apart(scorer, router, model, providers, charged):
    row = router.families.of("gpt-5").model_copy(
        update={"matches": ("gpt-5-pro*",)}
    )  # as an operator's contract may have it
    families = ModelFamilies(router.families.by_name, {"gpt-5-pro": row})
    paying = Router(scorer, families, conversations=Conversations(9, 60.0))
    for provider in providers:
        asked = {"model": model, "provider": provider}
        paying.answer(turn(SUM).model_copy(update=asked))
        charge = paying.decide(turn(PUZZLE, 40_000).model_copy(update=asked)).charge
        assert charge.points > 0 if charged else charge == NO_CHARGE


@pytest.fixture
def held(tmp_path):
    """What finds, by the query of decision 26, the talks that lose more by a charge than one flip costs, in a store of their turns."""
    page = (ROOT / "docs" / "decisions" / "0026-stickiness.md").read_text(encoding="utf-8")
    query = sa.text(page.split("```sql\n")[1].split("```")[0])
    keeper = Keeper(Settings(store_folder=tmp_path / "keys"))

    def held(asked_and_decided):
        store = open_store(f"sqlite:///{tmp_path}/decisions.sqlite")
        migrate(store)
        with store.begin() as connection:
            connection.execute(sa.insert(decisions), [keeper.records(*one)[0].row for one in asked_and_decided])
            found = connection.execute(query).mappings().all()
        store.dispose()
        return found

    return held


def test_a_talk_that_its_growing_cache_holds_direct_is_found(router, held):
    talk = [turn(SUM), *(turn(PUZZLE, 40_000 + 5_000 * n) for n in range(5))]
    free = [Router(router.scorer, router.families).decide(one) for one in talk]
    decided = [router.decide(one) for one in talk]
    assert [one.answer.arm for one in free] == ["direct", *["reasoning"] * 5]
    assert [one.answer.arm for one in decided] == ["direct"] * 6
    charges = [one.charge.points for one in decided[1:]]
    assert charges == sorted(charges)
    (found,) = held(zip(talk, decided, strict=True))
    assert (found["conversation_id"], found["model"], found["turns"]) == ("c", MODEL, 5)
    assert found["first_flip_cost"] == charges[0]
    assert found["points_forgone"] == pytest.approx(sum(one.answer.expected.net_benefit for one in free[1:]))
    assert found["points_forgone"] > charges[0]


def test_a_talk_that_saves_more_than_it_forgoes_is_not_found(router, held):
    talk = [turn(SUM), turn(PUZZLE, 40_000), turn(SUM, 45_000)]
    assert held((one, router.decide(one)) for one in talk) == []


def test_a_gateway_that_flips_itself_ends_it(router):
    router.decide(turn(SUM))
    kept = router.decide(turn(PUZZLE, 40_000))
    router.conversations.overridden(Arm.REASONING, decision_id=kept.answer.decision_id, request_id=None)
    assert router.decide(turn(PUZZLE, 45_000)).charge.points < 0
