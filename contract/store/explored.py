"""Which decisions are explored: the arm was drawn with a chance of either, the draw was followed, and what came of it is scored.

One definition for what audits weigh, trainings learn from and the page counts. The functions take arrays, columns of frames and columns
of SQL alike, and give the same kind back. An audit leaves rare draws out besides, by its own `least_chance`.
"""

from typing import Any

import sqlalchemy as sa

from contract.store.tables import decisions, outcomes
from contract.store.told import ATTEMPT, is_last


def is_chance(p_reasoning: Any) -> Any:
    """Return where either arm could have been answered, by P(arm = reasoning | request)."""
    return (p_reasoning > 0) & (p_reasoning < 1)


def was_drawn(p_reasoning: Any, enforced: Any, left_out: Any) -> Any:
    """Return where the arm that was answered was drawn.

    Args:
        p_reasoning: P(arm = reasoning | request), as recorded.
        enforced: the target model can do what the arm says.
        left_out: exploration left the request out (`not_explored` says why).
    """
    return is_chance(p_reasoning) & enforced & ~left_out


def followed(used: Any, answered: Any, overridden: Any) -> Any:
    """Return which attempts are what the answer led to.

    Args:
        used: arm of the attempt.
        answered: arm of its decision.
        overridden: the caller had set thinking itself; where that is unknown, it had not.
    """
    return (used == answered) & ~overridden


def explored() -> sa.ColumnElement[bool]:
    """Return which `decisions` are explored, as a condition."""
    d, o, other = decisions.c, outcomes.c, outcomes.alias()
    same = [other.c[name] == o[name] for name in ATTEMPT]
    overridden = sa.exists().where(*same, other.c.overridden.is_(True), is_last("overridden", other))
    scored = sa.exists().where(o.decision_id == d.decision_id, o.score.is_not(None), followed(o.arm, d.arm, overridden))
    drawn: sa.ColumnElement[bool] = was_drawn(d.p_reasoning, d.enforced, d.not_explored.is_not(None))
    return drawn & scored
