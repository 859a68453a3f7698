"""The record: decisions, the bundles that made them, outcomes, reviews, prompts where they are kept, and gaps."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add what this revision has more."""
    op.create_table(
        "bundles",
        sa.Column("revision", sa.String(length=40), nullable=False, comment="of a bundle that was served"),
        sa.Column("time", sa.DateTime(timezone=True), nullable=False, comment="when it was first served"),
        sa.Column(
            "profiles", sa.JSON(), nullable=False, comment="its profiles by name: prices, caps, margin, maybe_arm"
        ),
        sa.Column(
            "unfamiliar_below", sa.Float(), nullable=False, comment="familiarity under which its verdict is maybe"
        ),
        sa.Column("small_budget", sa.Integer(), nullable=False, comment="thinking tokens that it grants a maybe"),
        sa.Column("data_digest", sa.String(length=64), nullable=True, comment="of what it was trained on"),
        sa.PrimaryKeyConstraint("revision"),
    )
    op.create_table(
        "decisions",
        sa.Column("decision_id", sa.String(length=36), nullable=False, comment="UUID version 7: in the order of time"),
        sa.Column("request_id", sa.String(length=200), nullable=True, comment="the gateway's id of the request"),
        sa.Column(
            "conversation_id", sa.String(length=200), nullable=True, comment="the caller's id of the conversation"
        ),
        sa.Column("time", sa.DateTime(timezone=True), nullable=False, comment="when it was decided"),
        sa.Column("revision", sa.String(length=40), nullable=False, comment="of the bundle that decided"),
        sa.Column("profile", sa.String(length=200), nullable=False, comment="of the request, or the default one"),
        sa.Column("model", sa.String(length=200), nullable=True, comment="the target model that the request named"),
        sa.Column("model_known", sa.Boolean(), nullable=False, comment="logs of the bundle hold the model"),
        sa.Column(
            "task",
            sa.String(length=200),
            nullable=False,
            comment="family of the taxonomy that the prompt is nearest to",
        ),
        sa.Column(
            "language",
            sa.String(length=8),
            nullable=True,
            comment="ISO 639-1 code of the ask, where it is recognised for sure",
        ),
        sa.Column("verdict", sa.String(length=8), nullable=False, comment="use, maybe or avoid"),
        sa.Column("arm", sa.String(length=12), nullable=False, comment="what was answered: direct or reasoning"),
        sa.Column(
            "policy_arm",
            sa.String(length=12),
            nullable=False,
            comment="what would have been answered without exploration",
        ),
        sa.Column(
            "p_reasoning",
            sa.Float(),
            nullable=False,
            comment="P(arm = reasoning) given the request: 0 or 1 where nothing was drawn",
        ),
        sa.Column(
            "not_explored",
            sa.String(length=40),
            nullable=True,
            comment="why exploration left the request out: capped, sticky, not_enforced; NULL where it did not",
        ),
        sa.Column(
            "thinking_budget",
            sa.Integer(),
            nullable=False,
            comment="cap on thinking tokens that was answered; 0 in the arm direct",
        ),
        sa.Column(
            "reasoning_budget",
            sa.Integer(),
            nullable=False,
            comment="cap on thinking tokens that the arm reasoning has here; 0 where it cannot be had",
        ),
        sa.Column("effort", sa.String(length=8), nullable=False, comment="word for the budget"),
        sa.Column("enforced", sa.Boolean(), nullable=False, comment="the target model can do what arm says"),
        sa.Column("truncated", sa.Boolean(), nullable=False, comment="the prompt was cut to the encoder's window"),
        sa.Column(
            "familiarity", sa.Float(), nullable=False, comment="how far the evidence covers the prompt, in [0, 1]"
        ),
        sa.Column("p_use", sa.Float(), nullable=False, comment="P(label = use) of a single outcome"),
        sa.Column("p_maybe", sa.Float(), nullable=False, comment="P(label = maybe) of a single outcome"),
        sa.Column("p_avoid", sa.Float(), nullable=False, comment="P(label = avoid) of a single outcome"),
        sa.Column(
            "expected_score_direct", sa.Float(), nullable=False, comment="expected score in the arm direct, in [0, 1]"
        ),
        sa.Column(
            "expected_gain", sa.Float(), nullable=False, comment="points of rubric score, under the caps of the request"
        ),
        sa.Column("expected_gain_lower", sa.Float(), nullable=False, comment="lower local 95 % bound of the gain"),
        sa.Column("expected_gain_upper", sa.Float(), nullable=False, comment="upper local 95 % bound of the gain"),
        sa.Column("expected_extra_tokens", sa.Float(), nullable=False, comment="under the caps of the request"),
        sa.Column("expected_net_benefit", sa.Float(), nullable=False, comment="points, after the price of the tokens"),
        sa.Column(
            "expected_cost_usd",
            sa.Float(),
            nullable=True,
            comment="dollars of the extra tokens; NULL where the price is unknown",
        ),
        sa.Column(
            "expected_latency_s",
            sa.Float(),
            nullable=True,
            comment="seconds of the extra tokens; NULL where the speed is unknown",
        ),
        sa.Column("max_thinking_tokens", sa.Integer(), nullable=True, comment="cap of the request"),
        sa.Column("max_latency_ms", sa.Integer(), nullable=True, comment="cap of the request"),
        sa.Column("max_output_tokens", sa.Integer(), nullable=True, comment="cap of the request"),
        sa.Column(
            "cached_tokens", sa.Integer(), nullable=True, comment="of the provider's prompt cache, as the request said"
        ),
        sa.Column("prompt_characters", sa.Integer(), nullable=False, comment="length of all turns"),
        sa.Column(
            "prompt_digest",
            sa.String(length=64),
            nullable=True,
            comment="HMAC-SHA256 of roles and texts under the operator's key; NULL once purged",
        ),
        sa.Column(
            "reasons", sa.JSON(), nullable=False, comment="what the answer said of itself; holds no word of the prompt"
        ),
        sa.Column(
            "shadow",
            sa.JSON(none_as_null=True),
            nullable=True,
            comment="verdicts of challengers on the same request, by revision",
        ),
        sa.PrimaryKeyConstraint("decision_id"),
    )
    op.create_index("ix_decisions_request_id", "decisions", ["request_id"], unique=False)
    op.create_index("ix_decisions_time", "decisions", ["time"], unique=False)
    op.create_index("ix_decisions_verdict_time", "decisions", ["verdict", "time"], unique=False)
    op.create_table(
        "gaps",
        sa.Column("gap_id", sa.String(length=36), nullable=False, comment="UUID version 7"),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False, comment="when the first record was lost"),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False, comment="when the last record was lost"),
        sa.Column("records", sa.Integer(), nullable=False, comment="how many found neither store nor journal"),
        sa.PrimaryKeyConstraint("gap_id"),
    )
    op.create_table(
        "outcomes",
        sa.Column(
            "outcome_id", sa.String(length=36), nullable=False, comment="UUID version 7: in the order of arrival"
        ),
        sa.Column(
            "decision_id",
            sa.String(length=36),
            nullable=True,
            comment="the decision it came of; NULL while only the request is known",
        ),
        sa.Column(
            "request_id",
            sa.String(length=200),
            nullable=True,
            comment="the request it came of, where it was told by that",
        ),
        sa.Column("arm", sa.String(length=12), nullable=False, comment="what was really done: direct or reasoning"),
        sa.Column("attempt", sa.Integer(), nullable=False, comment="number of the attempt within its arm"),
        sa.Column(
            "overridden", sa.Boolean(), nullable=True, comment="the caller had set thinking itself; NULL is unknown"
        ),
        sa.Column("score", sa.Float(), nullable=True, comment="rubric score in [0, 1]; NULL is unscored, never 0"),
        sa.Column("score_kind", sa.String(length=200), nullable=True, comment="how it was scored"),
        sa.Column(
            "defect", sa.Boolean(), nullable=True, comment="the answer hallucinated or failed a factuality check"
        ),
        sa.Column("output_tokens", sa.Integer(), nullable=True, comment="tokens billed: visible + hidden + retries"),
        sa.Column("thinking_tokens", sa.Integer(), nullable=True, comment="the hidden part of output_tokens"),
        sa.Column("input_tokens", sa.Integer(), nullable=True, comment="tokens of the request"),
        sa.Column("cost_usd", sa.Float(), nullable=True, comment="dollars billed"),
        sa.Column("gpu_seconds", sa.Float(), nullable=True, comment="GPU seconds spent"),
        sa.Column("latency_s", sa.Float(), nullable=True, comment="seconds from request to last token"),
        sa.Column(
            "finish_reason",
            sa.String(length=200),
            nullable=True,
            comment="stop, length, timeout ... as the provider gives it",
        ),
        sa.Column(
            "source",
            sa.String(length=200),
            nullable=False,
            comment="service, or the name of the log that it was imported from",
        ),
        sa.Column("time", sa.DateTime(timezone=True), nullable=False, comment="when it was told"),
        sa.Column(
            "contradicts", sa.Boolean(), nullable=False, comment="another value of the same attempt was told before"
        ),
        sa.Column(
            "late", sa.Boolean(), nullable=True, comment="told long after the decision; NULL while that is unknown"
        ),
        sa.Column(
            "digest", sa.String(length=64), nullable=False, comment="of what was told: the same told twice is kept once"
        ),
        sa.PrimaryKeyConstraint("outcome_id"),
        sa.UniqueConstraint("digest"),
    )
    op.create_index("ix_outcomes_decision_id", "outcomes", ["decision_id"], unique=False)
    op.create_index("ix_outcomes_request_id", "outcomes", ["request_id"], unique=False)
    op.create_index("ix_outcomes_time", "outcomes", ["time"], unique=False)
    op.create_table(
        "prompts",
        sa.Column("decision_id", sa.String(length=36), nullable=False, comment="the decision on it"),
        sa.Column("time", sa.DateTime(timezone=True), nullable=False, comment="when it was decided"),
        sa.Column(
            "turns",
            sa.Text(),
            nullable=True,
            comment="JSON: [[role, text], ...], after the redaction hook; NULL where only the embedding is kept",
        ),
        sa.Column("tools", sa.Integer(), nullable=False, comment="tools that the model might call"),
        sa.Column(
            "inputs",
            sa.LargeBinary(),
            nullable=True,
            comment="float32, little endian: embeddings of ask and whole, features and words; they can be inverted",
        ),
        sa.Column(
            "encoder",
            sa.String(length=40),
            nullable=True,
            comment="beginning of the digest of the encoder behind inputs",
        ),
        sa.PrimaryKeyConstraint("decision_id"),
    )
    op.create_index("ix_prompts_time", "prompts", ["time"], unique=False)
    op.create_table(
        "reviews",
        sa.Column("review_id", sa.String(length=36), nullable=False, comment="UUID version 7: in the order of time"),
        sa.Column("decision_id", sa.String(length=36), nullable=False, comment="the decision that was looked at"),
        sa.Column("mark", sa.String(length=8), nullable=False, comment="right, wrong or unsure"),
        sa.Column("comment", sa.Text(), nullable=False, comment="why"),
        sa.Column("reviewer", sa.String(length=200), nullable=False, comment="who"),
        sa.Column("time", sa.DateTime(timezone=True), nullable=False, comment="when"),
        sa.PrimaryKeyConstraint("review_id"),
    )
    op.create_index("ix_reviews_decision_id", "reviews", ["decision_id"], unique=False)


def downgrade() -> None:
    """Take it away."""
    op.drop_index("ix_reviews_decision_id", table_name="reviews")
    op.drop_table("reviews")
    op.drop_index("ix_prompts_time", table_name="prompts")
    op.drop_table("prompts")
    op.drop_index("ix_outcomes_time", table_name="outcomes")
    op.drop_index("ix_outcomes_request_id", table_name="outcomes")
    op.drop_index("ix_outcomes_decision_id", table_name="outcomes")
    op.drop_table("outcomes")
    op.drop_table("gaps")
    op.drop_index("ix_decisions_verdict_time", table_name="decisions")
    op.drop_index("ix_decisions_time", table_name="decisions")
    op.drop_index("ix_decisions_request_id", table_name="decisions")
    op.drop_table("decisions")
    op.drop_table("bundles")
