import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from training.importers.merge import settle
from training.importers.rows import ADDED

KEY = st.integers(0, 3)
ROWS = st.lists(st.tuples(KEY, KEY, KEY), max_size=8)
FAILURES = st.lists(st.tuples(KEY, KEY, st.sampled_from([np.nan, 1.0, 10.0])), max_size=8)


def settled(rows, failures, spoiled=()):
    table = pd.DataFrame(rows, columns=["event", "attempt", "answer"], dtype=np.uint64)
    table["request"] = table["attempt"]
    failed = pd.DataFrame(
        {name: [failure[2] for failure in failures] for name in (*ADDED, "started", "ended")}, dtype=float
    )
    failed["event"] = np.array([failure[0] for failure in failures], dtype=np.uint64)
    failed["attempt"] = np.array([failure[1] for failure in failures], dtype=np.uint64)
    return settle(table, failed, np.array(spoiled, dtype=np.uint64))


def first_of(events):
    return [events.index(event) if event else at for at, event in enumerate(events)]


def repeats(first):
    return [(at, begun) for at, begun in enumerate(first) if at != begun]


@given(ROWS, FAILURES, st.lists(KEY, max_size=2))
def test_every_failure_goes_to_the_one_answer_or_to_none(rows, failures, spoiled):
    done = settled(rows, failures, spoiled)
    first, failed_first = first_of([event for event, _, _ in rows]), first_of([event for event, _, _ in failures])
    assert done.kept.tolist() == [row == begun for row, begun in enumerate(first)]
    assert list(zip(*done.repeats, strict=True)) == repeats(first)
    assert list(zip(*done.failed_repeats, strict=True)) == repeats(failed_first)
    sums, unanswered = {}, []
    for at, (_, attempt, tokens) in enumerate(failures):
        if failed_first[at] != at:
            continue
        answers = [row for row, (_, asked, _) in enumerate(rows) if asked == attempt and first[row] == row]
        if attempt and len(answers) == 1 and attempt not in spoiled:
            sums.setdefault(answers[0], []).append(0 if np.isnan(tokens) else tokens)
        else:
            unanswered.append(at)
    assert done.sums["output_tokens"].to_dict() == {row: sum(tokens) for row, tokens in sums.items()}
    assert done.unanswered.tolist() == unanswered
    assert done.retries == sum(map(len, sums.values()))
    kept = {at: request for at, (_, request, answer) in enumerate(rows) if first[at] == at and request and answer}
    several = [at for at, request in kept.items() if list(kept.values()).count(request) > 1]
    assert done.answers.to_dict() == {at: rows[at][2] for at in several}


def test_the_first_start_and_the_last_end_of_failures():
    done = settled([(1, 7, 0)], [(2, 7, 5.0), (3, 7, np.nan), (4, 7, 3.0)])
    assert done.sums.loc[0, ["started", "ended", "cost_usd"]].tolist() == [3, 5, 8]
