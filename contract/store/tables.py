"""The tables of the decision store, as SQLAlchemy Core; the comments are the data dictionary.

A new or changed column needs a migration beside it (`contract/store/migrations`); a test compares the two.
Absent is NULL, never zero. Times are UTC. No table but `prompts` holds a word of a prompt.
"""

from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa


class UtcTime(sa.TypeDecorator[datetime]):
    """A time in UTC, aware on both sides; SQLite keeps it without its zone."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        """Return the time as the database keeps it; one without a zone is an error of ours."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value} has no time zone")
        return value.astimezone(UTC).replace(tzinfo=None) if dialect.name == "sqlite" else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        """Return the time, aware."""
        return value.replace(tzinfo=UTC) if value is not None and value.tzinfo is None else value


def column(name: str, kind: Any, comment: str, *, null: bool = True, **more: Any) -> sa.Column[Any]:
    """Return a column with its comment."""
    return sa.Column(name, kind, nullable=null, comment=comment, **more)


LONGEST_ID, LONGEST_NAME = 36, 200
"""Characters of an id of ours, and of a name that a caller gives."""

ID = sa.String(LONGEST_ID)
WORD = sa.String(40)
NAME = sa.String(LONGEST_NAME)

metadata = sa.MetaData()

decisions = sa.Table(
    "decisions",
    metadata,
    column("decision_id", ID, "UUID version 7: in the order of time", null=False, primary_key=True),
    column("request_id", NAME, "the gateway's id of the request", index=True),
    column("conversation_id", NAME, "the caller's id of the conversation"),
    column("time", UtcTime, "when it was decided", null=False, index=True),
    column("revision", WORD, "of the bundle that decided", null=False),
    column("profile", NAME, "of the request, or the default one", null=False),
    column("model", NAME, "the target model that the request named"),
    column("model_known", sa.Boolean, "logs of the bundle hold the model", null=False),
    column("task", NAME, "family of the taxonomy that the prompt is nearest to", null=False),
    column("language", sa.String(8), "ISO 639-1 code of the ask, where it is recognised for sure"),
    column("verdict", sa.String(8), "use, maybe or avoid", null=False),
    column("arm", sa.String(12), "what was answered: direct or reasoning", null=False),
    column("policy_arm", sa.String(12), "what would have been answered without exploration", null=False),
    column("p_reasoning", sa.Float, "P(arm = reasoning) given the request: 0 or 1 where nothing was drawn", null=False),
    column("not_explored", WORD, "why exploration left the request out: capped, sticky, not_enforced; NULL where it did not"),
    column("thinking_budget", sa.Integer, "cap on thinking tokens that was answered; 0 in the arm direct", null=False),
    column("reasoning_budget", sa.Integer, "cap on thinking tokens that the arm reasoning has here; 0 where it cannot be had", null=False),
    column("effort", sa.String(8), "word for the budget", null=False),
    column("enforced", sa.Boolean, "the target model can do what arm says", null=False),
    column("truncated", sa.Boolean, "the prompt was cut to the encoder's window", null=False),
    column("familiarity", sa.Float, "how far the evidence covers the prompt, in [0, 1]", null=False),
    column("p_use", sa.Float, "P(label = use) of a single outcome", null=False),
    column("p_maybe", sa.Float, "P(label = maybe) of a single outcome", null=False),
    column("p_avoid", sa.Float, "P(label = avoid) of a single outcome", null=False),
    column("expected_score_direct", sa.Float, "expected score in the arm direct, in [0, 1]", null=False),
    column("expected_gain", sa.Float, "points of rubric score, under the caps of the request", null=False),
    column("expected_gain_lower", sa.Float, "lower local 95 % bound of the gain", null=False),
    column("expected_gain_upper", sa.Float, "upper local 95 % bound of the gain", null=False),
    column("expected_extra_tokens", sa.Float, "under the caps of the request", null=False),
    column("expected_net_benefit", sa.Float, "points, after the price of the tokens", null=False),
    column("expected_cost_usd", sa.Float, "dollars of the extra tokens; NULL where the price is unknown"),
    column("expected_latency_s", sa.Float, "seconds of the extra tokens; NULL where the speed is unknown"),
    column("max_thinking_tokens", sa.Integer, "cap of the request"),
    column("max_latency_ms", sa.Integer, "cap of the request"),
    column("max_output_tokens", sa.Integer, "cap of the request"),
    column("cached_tokens", sa.Integer, "of the provider's prompt cache, as the request said"),
    column("cache_charge", sa.Float, "points that net_benefit is less by for the prompt cache that thinking voids, below 0 where going direct does; NULL where unknown"),
    column("prompt_characters", sa.Integer, "length of all turns", null=False),
    column("prompt_digest", sa.String(64), "HMAC-SHA256 of roles and texts under the operator's key; NULL once purged"),
    column("reasons", sa.JSON, "what the answer said of itself; holds no word of the prompt", null=False),
    column("shadow", sa.JSON(none_as_null=True), "verdicts of challengers on the same request, by revision"),
)  # fmt: skip

bundles = sa.Table(
    "bundles",
    metadata,
    column("revision", WORD, "of a bundle that was served", null=False, primary_key=True),
    column("time", UtcTime, "when it was first served", null=False),
    column("profiles", sa.JSON, "its profiles by name: prices, caps, margin, maybe_arm", null=False),
    column("unfamiliar_below", sa.Float, "familiarity under which its verdict is maybe", null=False),
    column("small_budget", sa.Integer, "thinking tokens that it grants a maybe", null=False),
    column("data_digest", sa.String(64), "of what it was trained on"),
)  # fmt: skip

outcomes = sa.Table(
    "outcomes",
    metadata,
    column("outcome_id", ID, "UUID version 7: in the order of arrival", null=False, primary_key=True),
    column("decision_id", ID, "the decision it came of; NULL while only the request is known"),
    column("request_id", NAME, "the request it came of, where it was told by that", index=True),
    column("arm", sa.String(12), "what was really done: direct or reasoning", null=False),
    column("attempt", sa.Integer, "number of the attempt within its arm", null=False),
    column("overridden", sa.Boolean, "the caller had set thinking itself; NULL is unknown"),
    column("score", sa.Float, "rubric score in [0, 1]; NULL is unscored, never 0"),
    column("score_kind", NAME, "how it was scored"),
    column("defect", sa.Boolean, "the answer hallucinated or failed a factuality check"),
    column("output_tokens", sa.Integer, "tokens billed: visible + hidden + retries"),
    column("thinking_tokens", sa.Integer, "the hidden part of output_tokens"),
    column("input_tokens", sa.Integer, "tokens of the request"),
    column("cost_usd", sa.Float, "dollars billed"),
    column("gpu_seconds", sa.Float, "GPU seconds spent"),
    column("latency_s", sa.Float, "seconds from request to last token"),
    column("finish_reason", NAME, "stop, length, timeout ... as the provider gives it"),
    column("source", NAME, "service, or the name of the log that it was imported from", null=False),
    column("time", UtcTime, "when it was told", null=False, index=True),
    column("contradicts", sa.Boolean, "another value of the same attempt was told before", null=False),
    column("late", sa.Boolean, "told long after the decision; NULL while that is unknown"),
    column("digest", sa.String(64), "of what was told: the same told twice is kept once", null=False, unique=True),
)  # fmt: skip

reviews = sa.Table(
    "reviews",
    metadata,
    column("review_id", ID, "UUID version 7: in the order of time", null=False, primary_key=True),
    column("decision_id", ID, "the decision that was looked at", null=False, index=True),
    column("mark", sa.String(8), "right, wrong or unsure", null=False),
    column("comment", sa.Text, "why", null=False),
    column("reviewer", NAME, "who", null=False),
    column("time", UtcTime, "when", null=False),
)  # fmt: skip

prompts = sa.Table(
    "prompts",
    metadata,
    column("decision_id", ID, "the decision on it", null=False, primary_key=True),
    column("time", UtcTime, "when it was decided", null=False, index=True),
    column("turns", sa.Text, "JSON: [[role, text], ...], after the redaction hook; NULL where only the embedding is kept"),
    column("tools", sa.Integer, "tools that the model might call", null=False),
    column("inputs", sa.LargeBinary, "float32, little endian: embeddings of ask and whole, features and words; they can be inverted"),
    column("encoder", WORD, "beginning of the digest of the encoder behind inputs"),
)  # fmt: skip

gaps = sa.Table(
    "gaps",
    metadata,
    column("gap_id", ID, "UUID version 7", null=False, primary_key=True),
    column("since", UtcTime, "when the first record was lost", null=False),
    column("until", UtcTime, "when the last record was lost", null=False),
    column("records", sa.Integer, "how many found neither store nor journal", null=False),
)  # fmt: skip

sa.Index("ix_decisions_verdict_time", decisions.c.verdict, decisions.c.time)

# What the audit page filters, sorts and counts by, so that it reads a fifth of the bytes of the rows and pages through any order.
sa.Index(
    "ix_decisions_page",
    *(
        decisions.c[name]
        for name in (
            "time", "decision_id", "verdict", "arm", "profile", "model", "task", "language", "revision", "familiarity",
            "expected_net_benefit", "expected_gain", "expected_extra_tokens", "thinking_budget", "p_reasoning", "policy_arm",
        )
    ),
)  # fmt: skip
sa.Index("ix_decisions_prompt_digest", decisions.c.prompt_digest)
sa.Index("ix_decisions_conversation_id", decisions.c.conversation_id)

# The events of an attempt in order, and what is scored: which value was told last, and which arms have a score, is found here alone.
sa.Index(
    "ix_outcomes_attempt", *(outcomes.c[name] for name in ("decision_id", "arm", "attempt", "outcome_id", "score"))
)
