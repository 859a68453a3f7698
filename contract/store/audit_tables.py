"""What `thinkworth audit` writes and the audit page reads: one row of `audits` a run, its slices and its suspected decisions."""

import sqlalchemy as sa

from contract.store.tables import ID, NAME, WORD, UtcTime, column, metadata

audits = sa.Table(
    "audits",
    metadata,
    column("audit_id", ID, "UUID version 7", null=False, primary_key=True),
    column("time", UtcTime, "when it was made", null=False),
    column("since", UtcTime, "first decision that it read", null=False),
    column("until", UtcTime, "last decision that it read", null=False),
    column("decisions", sa.Integer, "how many decisions it read", null=False),
    column("report", sa.JSON, "all else: readings, trends, calibration, drift, what-if, notes", null=False),
)

slices = sa.Table(
    "audit_slices",
    metadata,
    column("audit_id", ID, "of the audit", null=False, primary_key=True),
    column("slice_id", sa.Integer, "number within the audit", null=False, primary_key=True),
    column("title", sa.Text, "what is in the slice, in words", null=False),
    column("task", NAME, "of all its decisions; NULL: any"),
    column("model", NAME, "of all its decisions; NULL: any"),
    column("profile", NAME, "of all its decisions; NULL: any"),
    column("language", sa.String(8), "of all its decisions; NULL: any"),
    column("familiarity", WORD, "band of all its decisions; NULL: any"),
    column("revision", WORD, "of all its decisions; NULL: any"),
    column("day", sa.String(10), "of all its decisions, UTC; NULL: any"),
    column("kind", WORD, "overthinking (the arm was reasoning) or underthinking (it was direct)", null=False),
    column("evidence", WORD, "observed_pairs, explored or modelled; never mixed", null=False),
    column("found", WORD, "dimension: one value of one column; search: by the slice finder", null=False),
    column(
        "misrouted",
        sa.Boolean,
        "the interval says that the other arm was better, after multiple-testing control",
        null=False,
    ),
    column("decisions", sa.Integer, "in the slice, with this arm", null=False),
    column("evidence_n", sa.Integer, "of them with this evidence", null=False),
    column("net_benefit", sa.Float, "mean net_benefit of thinking, in points"),
    column("net_benefit_lower", sa.Float, "its 95 % interval"),
    column("net_benefit_upper", sa.Float, "its 95 % interval"),
    column("p_value", sa.Float, "that the other arm was not better, one-sided"),
    column("p_adjusted", sa.Float, "after multiple-testing control"),
    column("regret_points", sa.Float, "mean net_benefit lost against the better arm, a decision"),
    column("regret_points_total", sa.Float, "over the decisions of the slice"),
    column("regret_points_total_lower", sa.Float, "its 95 % interval: that of net_benefit, cut at 0"),
    column("regret_points_total_upper", sa.Float, "its 95 % interval"),
    column(
        "regret_tokens_total",
        sa.Float,
        "output tokens that the better arm would have saved; negative where it would have cost more",
    ),
    column("regret_tokens_total_lower", sa.Float, "its 95 % interval, up to 0 where that of net_benefit holds 0"),
    column("regret_tokens_total_upper", sa.Float, "its 95 % interval"),
    column("regret_usd_total", sa.Float, "dollars of these tokens; NULL where prices are unknown"),
    column("regret_usd_total_lower", sa.Float, "its 95 % interval, up to 0 where that of net_benefit holds 0"),
    column("regret_usd_total_upper", sa.Float, "its 95 % interval"),
)

suspects = sa.Table(
    "audit_suspects",
    metadata,
    column("audit_id", ID, "of the audit", null=False, primary_key=True),
    column("decision_id", ID, "suspected; one outcome is noise", null=False, primary_key=True),
    column("kind", WORD, "overthinking or underthinking", null=False),
    column("evidence", WORD, "observed_pairs, explored or modelled: the best that this decision has", null=False),
    column("p_misroute", sa.Float, "P(the other arm was better for this prompt)", null=False),
    column("regret_points", sa.Float, "expected loss if it was, in points", null=False),
    column("loss_points", sa.Float, "p_misroute times regret_points: the order of the list", null=False),
    column("regret_tokens", sa.Float, "output tokens that the other arm would have saved"),
    column("why", sa.JSON, "reasons, as sentences", null=False),
)

sa.Index("ix_audit_suspects_loss", suspects.c.audit_id, suspects.c.loss_points)
