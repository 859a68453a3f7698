"""No acknowledged decision is lost or doubled, and no answer fails for want of a store."""

import time

import pytest
import sqlalchemy as sa

from contract.store import tables
from contract.store.opening import open_store


def stored(address):
    """Return request id -> decision ids."""
    engine, found = open_store(address), {}
    with engine.connect() as connection:
        for request_id, decision_id in connection.execute(
            sa.select(tables.decisions.c.request_id, tables.decisions.c.decision_id)
        ):
            found.setdefault(request_id, []).append(decision_id)
    engine.dispose()
    return found


def until(holds, seconds=60):
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it never came to hold"
        time.sleep(0.1)


def assert_all_there_once(acknowledged, found):
    lost = {name: one for name, one in acknowledged.items() if one not in found.get(name, ())}
    doubled = {name: found[name] for name in acknowledged if len(found[name]) > 1}
    assert not lost
    assert not doubled


@pytest.mark.timeout(1800)
def test_what_was_acknowledged_survives_being_killed(serve, load, size, report, tmp_path):
    address = f"sqlite:///{tmp_path / 'store' / 'decisions.sqlite'}"
    server = serve()
    with load(server.url) as clients:
        for n in range(size["kills"]):
            before = len(clients.acknowledged)
            until(lambda: len(clients.acknowledged) > before + 40)  # noqa: B023 - called at once
            if n % 2:
                server.kill(all_of_it=True)
                server.start()
            else:
                server.kill(all_of_it=False)
                server.until_ready()
        before = len(clients.acknowledged)
        until(lambda: len(clients.acknowledged) > before + 40)
    until(lambda: server.state()["journal_records"] == 0)
    found = stored(address)
    report |= {
        "kills": size["kills"],
        "acknowledged": len(clients.acknowledged),
        "stored": sum(map(len, found.values())),
    }
    assert_all_there_once(clients.acknowledged, found)


@pytest.mark.timeout(1800)
def test_no_answer_fails_while_postgresql_is_away_and_all_is_put_there_after(
    serve, load, size, report, postgres, postgres_control
):
    servers = [serve(THINKWORTH_STORE_URL=postgres) for _ in range(2)]  # two services share one store
    with load(servers[0].url, clients=4) as first, load(servers[1].url, clients=4) as second:
        until(lambda: min(len(first.acknowledged), len(second.acknowledged)) > 30)
        postgres_control("stop")
        down = time.monotonic()
        until(lambda: all(server.state()["store"] == "down" for server in servers))
        time.sleep(max(0, size["outage_s"] - (time.monotonic() - down)))
        waiting = [server.state()["journal_records"] for server in servers]
        postgres_control("start")
        until(
            lambda: all(server.state()["store"] == "up" and not server.state()["journal_records"] for server in servers)
        )
        before = len(first.acknowledged)
        until(lambda: len(first.acknowledged) > before + 20)
    until(lambda: all(not server.state()["journal_records"] for server in servers))
    acknowledged = {
        f"{n} {name}": one for n, clients in enumerate((first, second)) for name, one in clients.acknowledged.items()
    }
    ids = {one for several in stored(postgres).values() for one in several}
    report |= {
        "outage_s": size["outage_s"],
        "acknowledged": len(acknowledged),
        "waited": sum(waiting),
        "failed": len(first.failed + second.failed),
    }
    assert min(waiting) > 0
    assert not first.failed + second.failed
    assert set(acknowledged.values()) <= ids
    assert all(server.state()["dropped"] == 0 for server in servers)
