"""A swap over several workers of one service: all or none, whatever is wrong with the bundle and whoever is killed."""

import gc
import json
import os
import shutil
import threading
import time
import weakref
from contextlib import contextmanager

import pytest

from contract.bundle import Bundle
from contract.encoder import Encoder
from contract.errors import InvalidInput, NotReloaded
from contract.scorer import Scorer
from contract.settings import Settings
from serving.router import Router
from serving.schemas import PredictRequest
from serving.swap import loading
from serving.swap.driving import Driver
from serving.swap.group import Checked, Committed, Group, Order, Status
from serving.swap.holder import Served, begin
from serving.swap.place import group_of
from serving.swap.source import Source

from .conftest import REQUESTS, doubled, variant

pytestmark = pytest.mark.usefixtures("one_encoder")


def until(what, wait_s=60):
    """Wait for a condition; how long it takes decides nothing."""
    end = time.monotonic() + wait_s
    while not (found := what()):
        assert time.monotonic() < end, "it never came"
        time.sleep(0.02)
    return found


@contextmanager
def service(settings, tmp_path, workers=2, **given):
    """The workers of one service, here in one process; each has what a process has."""
    started = []
    try:
        for _ in range(workers):
            started.append(Served(settings, folder=tmp_path / "shared", **given))
        yield started
    finally:
        for worker in started:
            worker.close()


def says(router, model=None):
    """Return what a router answers, less what differs from answer to answer."""
    return [router.answer(PredictRequest(prompt=text)).model_dump(exclude={"decision_id"}) for text in REQUESTS]


def revisions(workers):
    return [worker.router.manifest.revision for worker in workers]


def test_a_reload_returns_once_every_worker_answers_as_the_new_bundle_does(settings, models, tmp_path, monkeypatch):
    monkeypatch.setattr(loading, "Encoder", Encoder)
    told, announced = [], []
    with service(settings(), tmp_path, count=told.append, announce=lambda m: announced.append(m.revision)) as workers:
        assert revisions(workers) == ["thinkworth/one"] * 2
        before = says(workers[0].router)
        monkeypatch.delattr(loading, "Encoder")  # what a new bundle shares with the old one is not opened again
        in_flight, encoders = workers[0].router, [worker.router.scorer.encoder for worker in workers]
        (models / "current").write_text("two")
        assert workers[1].reload() == {"revision": "thinkworth/two", "generation": 2, "workers": 2}
        alone = Router(Scorer(Bundle(models / "two"), encoder=encoders[0]))
        expected = says(alone)
        assert expected != before
        assert [says(worker.router) for worker in workers] == [expected] * 2
        assert [worker.router.scorer.encoder for worker in workers] == encoders
        assert says(in_flight) == before  # a request that began before ends as it began
        gone = weakref.ref(in_flight)
        del in_flight
        gc.collect()
        assert gone() is None
        assert announced == ["thinkworth/one"] * 2 + ["thinkworth/two"] * 2
        assert workers[0].reload()["generation"] == 2  # nothing has changed
        assert told == ["swapped"]
        state = workers[0].state()
        assert (state["generation"], state["error"], state["behind"]) == (2, None, None)
        assert len(list((tmp_path / "shared" / "bundles").iterdir())) == 1


def spoil(folder, name):
    path = folder / name
    path.write_bytes(path.read_bytes()[:-9] + b"\0" * 9)


BROKEN = {
    "a file is not what its digest says": lambda folder: spoil(variant(folder, "x"), "heads.onnx"),
    "a file is missing": lambda folder: (variant(folder, "x") / "card.md").unlink(),
    "no bundle at all": lambda folder: folder.mkdir(),
    "a manifest cut short": lambda folder: (variant(folder, "x") / "manifest.json").write_text('{"format_version": 4'),
    "a newer format": lambda folder: variant(folder, "x", format_version=99),
    "another encoder": lambda folder: variant(
        folder, "x", encoder={"name": "other", "sha256": "0" * 64, "dimension": 384, "max_tokens": 256}
    ),
    "other features": lambda folder: variant(folder, "x", feature_names=["length"], usual_features=[1.0]),
    "probabilities that are none": doubled,
}


@pytest.fixture(scope="module")
def lasting(tmp_path_factory, one_encoder):
    """A service for all broken bundles, which never serves one."""
    folder = tmp_path_factory.mktemp("lasting")
    variant(folder / "one", "thinkworth/one")
    (folder / "current").write_text("one")
    told = []
    with service(Settings(bundle=str(folder / "current"), bundle_poll_s=0), folder, count=told.append) as workers:
        yield folder, workers, told


@pytest.mark.parametrize("what", BROKEN)
def test_a_bundle_that_fails_any_check_leaves_all_workers_as_they_are(what, lasting):
    folder, workers, told = lasting
    routers, name = [worker.router for worker in workers], what.replace(" ", "-")
    BROKEN[what](folder / name)
    (folder / "current").write_text(name)
    with pytest.raises(NotReloaded, match="what is served stays") as refused:
        workers[0].reload()
    assert refused.value.status == 409
    assert [worker.router for worker in workers] == routers
    assert all(worker.state()["error"] == refused.value.message for worker in workers)
    assert told[-1] == "refused"
    # seen and refused: the watcher tries it again when it changes, and not before
    watcher, tries = workers[1]._watcher, len(told)
    watcher._look()
    assert len(told) == tries
    (folder / "current").write_text("one")
    watcher._look()
    assert [worker.router for worker in workers] == routers
    assert workers[1].state()["error"] is None


def test_the_watcher_takes_a_bundle_that_was_made_whole_in_its_place(settings, models, tmp_path):
    with service(settings(bundle_poll_s=0.1), tmp_path) as workers:
        shutil.move(models / "two" / "card.md", tmp_path)
        (models / "current").write_text("two")
        until(lambda: workers[0].state()["error"])
        assert revisions(workers) == ["thinkworth/one"] * 2
        shutil.move(tmp_path / "card.md", models / "two")
        until(lambda: revisions(workers) == ["thinkworth/two"] * 2)
        until(lambda: workers[1].state()["error"] is None)
        workers.pop(0).close()  # it, or the other one, watched
        (models / "current").write_text("one")
        until(lambda: revisions(workers) == ["thinkworth/one"])


@pytest.mark.parametrize("kind", ["folder", "link", "file", "models/current"])
def test_whatever_names_the_bundle_is_followed(kind, models, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    named = models / "named"
    if kind == "folder":
        shutil.copytree(models / "one", named)
    elif kind == "link":
        named.symlink_to("one")
    elif kind == "file":
        named.write_text("one")
    source = Source(None if kind == "models/current" else str(named))
    seen, digest = source.glance(), Bundle(source.locate(1)).manifest.revision
    assert (seen, digest) == (source.glance(), "thinkworth/one")
    if kind == "folder":
        shutil.copyfile(models / "two" / "manifest.json", named / "manifest.json")
    elif kind == "link":
        (tmp_path / "new").symlink_to(models / "two")
        (tmp_path / "new").replace(named)
    else:
        (models / "current" if kind == "models/current" else named).write_text("two\n")
    assert source.glance() != seen
    assert Bundle(source.locate(1)).manifest.revision == "thinkworth/two"


# Golden prompts of an operator

SECRET = "heliotrope-77-marmalade"


def golden(tmp_path, *lines):
    path = tmp_path / "golden.jsonl"
    path.write_text("".join(f"{line if isinstance(line, str) else json.dumps(line)}\n" for line in lines))
    return path


def test_a_bundle_of_another_verdict_than_expected_is_refused_by_the_number_of_the_prompt(settings, models, tmp_path):
    prompt = f"{REQUESTS[1]} {SECRET}"
    encoder = loading.Encoder(None)
    routers = [Router(Scorer(Bundle(models / name), encoder=encoder)) for name in ("one", "two")]
    answers = [router.answer(PredictRequest(prompt=prompt)) for router in routers]
    assert answers[0].verdict != answers[1].verdict
    always = {"prompt": "hi", "expect": ["use", "maybe", "avoid"]}
    path = golden(tmp_path, always, "", {"prompt": prompt, "expect": answers[0].verdict})
    with service(settings(golden_prompts=path), tmp_path) as workers:
        (models / "current").write_text("two")
        with pytest.raises(NotReloaded, match=r"golden prompt on line 3: the verdict is \w+, expected \w+") as refused:
            workers[0].reload()
        assert SECRET not in refused.value.message
        assert revisions(workers) == ["thinkworth/one"] * 2


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ({"prompt": SECRET}, "no request of /predict with expect"),
        ({"prompt": SECRET, "expect": "yes"}, "no request of /predict with expect"),
        ({"prompt": SECRET, "expect": []}, "no request of /predict with expect"),
        ({"prompt": SECRET, "expect": "use", "profil": "balanced"}, "profil"),
        ({"expect": "use"}, "neither of prompt and messages"),
        (f'{{"prompt": "{SECRET}', "no request of /predict"),
    ],
)
def test_a_golden_file_that_is_wrong_is_told_by_its_line(line, said, settings, tmp_path):
    path = golden(tmp_path, {"prompt": "hi", "expect": "avoid"}, line)
    with pytest.raises(InvalidInput, match=said) as refused:
        begin(settings(golden_prompts=path))
    assert "line 2" in refused.value.message
    assert SECRET not in refused.value.message


# Whoever is killed, starts or waits in the middle


def test_a_worker_that_starts_in_the_middle_is_waited_for_and_one_that_dies_is_not(settings, models, tmp_path):
    with service(settings(), tmp_path) as workers:
        group = Group(tmp_path / "shared")
        name, lock = group.join()  # it lives, and is not ready
        (models / "current").write_text("two")
        with pytest.raises(NotReloaded, match="of 3 workers were not ready in time"):
            workers[0].reload(wait_s=1)
        assert revisions(workers) == ["thinkworth/one"] * 2
        until(lambda: not any(group.read(Status, worker).prepared for worker in group.living() if worker != name))
        os.close(lock)  # as the system does when a process ends
        assert workers[0].reload()["workers"] == 2
        assert revisions(workers) == ["thinkworth/two"] * 2


def test_what_was_ordered_is_dropped_when_whoever_ordered_it_is_killed(settings, models, tmp_path):
    with service(settings(), tmp_path) as workers:
        group = Group(tmp_path / "shared")
        driver, lock = group.join()
        digest, _ = group.keep(models / "two")
        group.write(Order(token="t", manifest=digest, driver=driver))
        own = [worker._agent.name for worker in workers]
        until(lambda: all(group.read(Status, name).prepared == "t" for name in own))
        os.close(lock)
        until(lambda: all(group.read(Status, name).prepared is None for name in own))
        assert revisions(workers) == ["thinkworth/one"] * 2
        (models / "current").write_text("two")
        assert workers[0].reload()["revision"] == "thinkworth/two"  # the next one is not hindered


def test_what_was_committed_is_served_though_whoever_committed_it_was_killed(settings, models, tmp_path):
    with service(settings(), tmp_path) as workers:
        group = Group(tmp_path / "shared")
        digest, manifest = group.keep(models / "two")
        group.write(Committed(generation=2, manifest=digest, revision=manifest.revision))
        until(lambda: revisions(workers) == ["thinkworth/two"] * 2)
        group.write(Committed(generation=3, manifest="0" * 64, revision="thinkworth/gone"))  # no copy of it is there
        until(lambda: all("gone" not in revisions(workers) and worker.state()["behind"] for worker in workers))
        assert says(workers[0].router)
        group.write(Committed(generation=4, manifest=digest, revision=manifest.revision))
        until(lambda: not any(worker.state()["behind"] for worker in workers), wait_s=90)


def test_who_starts_later_serves_what_is_committed_whatever_became_of_its_source(settings, models, tmp_path):
    with service(settings(), tmp_path, workers=1) as workers:
        shutil.rmtree(models)
        with service(settings(), tmp_path, workers=1) as later:
            assert says(later[0].router) == says(workers[0].router)
        with pytest.raises(NotReloaded, match="what is served stays"):
            workers[0].reload()


def test_two_reloads_at_once_are_one_after_the_other_and_one_that_waits_for_too_long_is_refused(
    settings, models, tmp_path
):
    with service(settings(), tmp_path) as workers:
        (models / "current").write_text("two")
        told = []
        threads = [threading.Thread(target=lambda w=worker: told.append(w.reload())) for worker in workers]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert told == [{"revision": "thinkworth/two", "generation": 2, "workers": 2}] * 2
        with Group(tmp_path / "shared").held("swap.lock"), pytest.raises(NotReloaded) as refused:
            workers[0].reload(wait_s=0.2)
        assert (refused.value.type, refused.value.status) == ("busy", 409)


def test_the_folder_of_a_service_that_is_gone_is_removed_and_no_other(tmp_path):
    own, other = group_of(tmp_path, os.getpid()), group_of(tmp_path, os.getppid())
    beginning = own.name.rsplit("-", 1)[0]  # the number of this process
    gone, new, container = (own.with_name(f"{beginning}-{start}") for start in (1, 2, 3))
    groups = {folder: Group(folder) for folder in (own, other, gone, new, container)}
    _, lock = groups[container].join()  # a worker lives, though no process of that start does here
    for folder in (own, other, gone, container):
        os.utime(folder, (0, 0))
    assert group_of(tmp_path, os.getpid()) == own
    assert set(own.parent.iterdir()) == {own, other, new, container}
    os.close(lock)


def test_serve_commits_what_its_workers_find_and_nothing_that_is_broken(settings, models):
    made = settings()
    assert begin(made).revision == "thinkworth/one"
    group = Group(group_of(made.folder, os.getpid()))
    assert Driver(group, Source("nowhere")).first() == group.read(Committed)
    assert group.read(Checked).seen
    doubled(models / "doubled")
    (models / "current").write_text("doubled")
    with pytest.raises(Exception, match="golden prompt 1 of thinkworth, profile balanced: the probabilities are no"):
        begin(made)
    assert not group.folder.exists()
