"""Ten times as many clients as there are places: what finds none is told so at once, what is let in is answered right, and nothing lasts."""

import asyncio
import statistics
import time
from collections import Counter

import httpx
import pytest
import sqlalchemy as sa

from contract.locate import ROOT
from contract.scorer import Scorer
from contract.store import tables
from contract.store.opening import open_store
from serving.router import Router
from serving.schemas import PredictRequest

QUEUE = 6
TEXTS = [f"What is {7 * n} + {n}, and why {'is it so ' * (n % 4)}?" for n in range(12)]


async def client(http, name, requests, seen):
    """Ask one question after the other, and again at once where there was no room."""
    for n in range(requests):
        text = TEXTS[(name + n) % len(TEXTS)]
        headers = {"x-request-timeout-ms": "1"} if n % 5 == 4 else {}
        start = time.monotonic()
        answer = await http.post("/predict", json={"prompt": text, "request_id": f"{name}-{n}"}, headers=headers)
        seen.append((answer, f"{name}-{n}", text, time.monotonic() - start))


async def overloaded(url, clients, requests):
    seen, states = [], []
    limits = httpx.Limits(max_connections=clients + 4, max_keepalive_connections=clients + 4)
    async with httpx.AsyncClient(base_url=url, timeout=120, limits=limits) as http:
        load = asyncio.gather(*(client(http, name, requests, seen) for name in range(clients)))
        while not load.done():
            states.append((await http.get("/readyz")).json()["queue"])
            await asyncio.sleep(0.2)
        await load
        after = await http.post("/predict", json={"prompt": "Who is next?"})
        batch = await http.post("/predict_batch", json={"requests": [{"prompt": text} for text in TEXTS]})
        return seen, states, after, batch


@pytest.mark.timeout(1800)
def test_ten_times_too_many_are_shed_and_the_rest_is_answered(serve, size, report, tmp_path):
    server = serve(THINKWORTH_QUEUE=str(QUEUE), THINKWORTH_REMEMBERED_PROMPTS="0", THINKWORTH_DURABILITY="async")
    places = httpx.get(f"{server.url}/readyz").json()["queue"]
    clients = 10 * (places["threads"] + places["limit"])
    seen, states, after, batch = asyncio.run(overloaded(server.url, clients, size["overload_requests"]))

    statuses = Counter(answer.status_code for answer, *_ in seen)
    assert statuses.keys() <= {200, 408, 429}, statuses
    assert statuses[200] > 0
    assert statuses[429] > 0
    assert after.status_code == 200  # there is room as soon as the load is gone
    assert batch.status_code == 200  # it came when none was waiting
    for answer, *_ in seen:
        if answer.status_code == 429:
            assert answer.json()["error"]["type"] == "overloaded"
            assert int(answer.headers["retry-after"]) >= 1
        if answer.status_code == 408:
            assert answer.json()["error"]["type"] == "deadline_passed"
    assert all(state["waiting"] <= places["limit"] for state in states)

    router = Router(Scorer.load(ROOT / "models" / "default"))
    right = {text: router.answer(PredictRequest(prompt=text)).expected.model_dump() for text in TEXTS}
    answered = {name: (answer.json(), text) for answer, name, text, _ in seen if answer.status_code == 200}
    for name, (answer, text) in answered.items():
        assert answer["request_id"] == name
        assert answer["expected"] == right[text]

    server.stop()  # what waits is written
    engine = open_store(f"sqlite:///{tmp_path / 'store' / 'decisions.sqlite'}")
    with engine.connect() as connection:
        rows = connection.execute(sa.select(tables.decisions.c.request_id, tables.decisions.c.decision_id)).all()
    engine.dispose()
    recorded = {one: decision_id for one, decision_id in rows if one is not None}
    assert recorded == {name: answer["decision_id"] for name, (answer, _) in answered.items()}
    assert len(rows) == len(answered) + len(TEXTS) + 1

    times = {status: [took for answer, *_, took in seen if answer.status_code == status] for status in statuses}
    report |= {
        "clients": clients, "places": places["threads"] + places["limit"],
        "statuses": {str(status): n for status, n in sorted(statuses.items())},
        "answered_p50_ms": round(statistics.median(times[200]) * 1e3, 1), "answered_most_ms": round(max(times[200]) * 1e3, 1),
        "shed_p50_ms": round(statistics.median(times[429]) * 1e3, 1),
    }  # fmt: skip


async def batches_at_once(url, n, length, words):
    async def batch(i):
        texts = [f"{i}-{j}: why is it so, {'and what of all the rest, ' * words}?" for j in range(length)]
        asked = {"requests": [{"prompt": text, "request_id": text[:9]} for text in texts]}
        start = time.monotonic()
        answer = await http.post("/predict_batch", json=asked)
        return answer, [text[:9] for text in texts], time.monotonic() - start

    async with httpx.AsyncClient(base_url=url, timeout=120) as http:
        first = asyncio.create_task(batch(0))
        while not (first.done() or (await http.get("/readyz")).json()["queue"]["waiting"]):
            await asyncio.sleep(0.005)
        return await asyncio.gather(first, *(batch(i) for i in range(1, n)))


@pytest.mark.timeout(600)
def test_batches_beyond_what_can_be_answered_in_time_are_shed_too(serve, size, report):
    n, length, words = size["batches"]
    server = serve(THINKWORTH_QUEUE="1", THINKWORTH_REMEMBERED_PROMPTS="0", THINKWORTH_DURABILITY="off")
    seen = asyncio.run(batches_at_once(server.url, n, length, words))
    statuses = Counter(answer.status_code for answer, *_ in seen)
    assert statuses[200] > 0
    assert statuses[429] > 0
    assert statuses.keys() <= {200, 408, 429}, statuses
    for answer, names, _ in seen:
        if answer.status_code == 200:
            assert [one["request_id"] for one in answer.json()["answers"]] == names
        else:
            assert answer.json()["error"]["type"] in ("overloaded", "deadline_passed")
    queue = httpx.get(f"{server.url}/readyz").json()["queue"]
    assert (queue["waiting"], queue["shed"]) == (0, statuses[429])
    report |= {
        "batches": n, "of": length, "statuses": {str(status): n for status, n in sorted(statuses.items())},
        "answered_most_s": round(max(took for answer, _, took in seen if answer.status_code == 200), 1),
    }  # fmt: skip
