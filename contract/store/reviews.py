"""What analysts say of decisions: marks are added and never changed; the last one of each reviewer counts.

Who exports marks as labels reads `settled`: one mark a decision, by majority of its reviewers.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Literal, NamedTuple, get_args

import sqlalchemy as sa
import uuid_utils

from contract.errors import InvalidRequest, NotFound
from contract.store.tables import decisions, reviews

Mark = Literal["right", "wrong", "unsure"]

MARKS: tuple[str, ...] = get_args(Mark)

MAX_COMMENT_CHARACTERS = 4000
MAX_REVIEWER_CHARACTERS = 200


class Review(NamedTuple):
    """One mark of one reviewer.

    Attributes:
        review_id: in the order of time.
        decision_id: the decision that was looked at.
        mark: `right`: the arm was the better one; `wrong`: the other was; `unsure`.
        comment: why; may be empty.
        reviewer: who.
        time: when, aware.
    """

    review_id: str
    decision_id: str
    mark: str
    comment: str
    reviewer: str
    time: datetime


class Settled(NamedTuple):
    """What reviewers say of a decision together.

    Attributes:
        decision_id: the decision.
        mark: what more than half of those who are sure say; None where they are evenly divided or nobody is sure.
        right: reviewers whose last mark is right.
        wrong: reviewers whose last mark is wrong.
        unsure: reviewers whose last mark is unsure.
        time: of the last mark that counts.
    """

    decision_id: str
    mark: Literal["right", "wrong"] | None
    right: int
    wrong: int
    unsure: int
    time: datetime


def add_review(
    connection: sa.Connection, *, decision_id: str, mark: str, comment: str, reviewer: str, time: datetime | None = None
) -> Review:
    """Add a mark within the connection's transaction and return it.

    Raises:
        InvalidRequest: the mark is unknown, nobody is named, or a text is too long.
        NotFound: there is no such decision.
    """
    comment, reviewer = comment.strip(), reviewer.strip()
    if mark not in MARKS:
        raise InvalidRequest(f"mark is none of {', '.join(MARKS)}; choose one", field="mark", limit=list(MARKS))
    if not reviewer:
        raise InvalidRequest("reviewer is empty; give your name: marks count by reviewer", field="reviewer")
    limits = (("reviewer", reviewer, MAX_REVIEWER_CHARACTERS), ("comment", comment, MAX_COMMENT_CHARACTERS))
    for field, text, limit in limits:
        if len(text) > limit:
            what = f"{field} has {len(text):,} characters; limit {limit:,}; shorten it"
            raise InvalidRequest(what, field=field, limit=limit)
        if "\0" in text:
            raise InvalidRequest(f"{field} holds a NUL character, which PostgreSQL cannot keep; remove it", field=field)
    known = sa.select(sa.literal(1)).where(decisions.c.decision_id == decision_id)
    if connection.execute(known).scalar() is None:
        raise NotFound("no such decision is recorded; follow the link of a decision in a list", field="decision_id")
    when = time or datetime.now(UTC)
    review = Review(str(uuid_utils.uuid7()), decision_id, mark, comment, reviewer, when)
    connection.execute(sa.insert(reviews).values(review._asdict()))
    return review


def history(connection: sa.Connection, decision_id: str) -> list[Review]:
    """Return every mark of a decision, the newest first."""
    of_it = sa.select(reviews).where(reviews.c.decision_id == decision_id).order_by(reviews.c.review_id.desc())
    return [_review(row) for row in connection.execute(of_it).mappings()]


def latest(connection: sa.Connection) -> list[Review]:
    """Return the last mark of each reviewer of each decision, in the order of time."""
    newest = sa.select(sa.func.max(reviews.c.review_id)).group_by(reviews.c.decision_id, reviews.c.reviewer)
    rows = connection.execute(sa.select(reviews).where(reviews.c.review_id.in_(newest)).order_by(reviews.c.review_id))
    return [_review(row) for row in rows.mappings()]


def settled(connection: sa.Connection) -> list[Settled]:
    """Return what the reviewers of each decision say together, in the order of the first mark that counts."""
    by_decision: dict[str, list[Review]] = {}
    for review in latest(connection):
        by_decision.setdefault(review.decision_id, []).append(review)
    return [summed(of_it) for of_it in by_decision.values()]


def summed(of_one: Iterable[Review]) -> Settled:
    """Return what the last marks of one decision's reviewers, one each and at least one, say together."""
    marks = list(of_one)
    votes = Counter(review.mark for review in marks)
    right, wrong = votes["right"], votes["wrong"]
    mark: Literal["right", "wrong"] | None = "right" if right > wrong else "wrong" if wrong > right else None
    return Settled(
        marks[0].decision_id, mark, right, wrong, votes["unsure"], max(review.time for review in marks)
    )  # fmt: skip


def _review(row: Mapping[Any, Any]) -> Review:
    return Review(**{name: row[name] for name in Review._fields})
