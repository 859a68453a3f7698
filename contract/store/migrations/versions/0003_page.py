"""Indexes that the audit page filters, sorts and pages by."""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

PAGE = [
    "time", "decision_id", "verdict", "arm", "profile", "model", "task", "language", "revision", "familiarity", "expected_net_benefit",
    "expected_gain", "expected_extra_tokens", "thinking_budget", "p_reasoning", "policy_arm",
]  # fmt: skip


def upgrade() -> None:
    """Add what this revision has more."""
    op.create_index("ix_decisions_page", "decisions", PAGE, unique=False)
    op.create_index("ix_decisions_prompt_digest", "decisions", ["prompt_digest"], unique=False)
    op.create_index("ix_decisions_conversation_id", "decisions", ["conversation_id"], unique=False)
    op.create_index(
        "ix_outcomes_attempt", "outcomes", ["decision_id", "arm", "attempt", "outcome_id", "score"], unique=False
    )
    op.drop_index("ix_outcomes_decision_id", table_name="outcomes")  # the beginning of the new one


def downgrade() -> None:
    """Take it away."""
    op.create_index("ix_outcomes_decision_id", "outcomes", ["decision_id"], unique=False)
    op.drop_index("ix_outcomes_attempt", table_name="outcomes")
    op.drop_index("ix_decisions_conversation_id", table_name="decisions")
    op.drop_index("ix_decisions_prompt_digest", table_name="decisions")
    op.drop_index("ix_decisions_page", table_name="decisions")
