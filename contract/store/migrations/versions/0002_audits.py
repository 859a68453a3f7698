"""What audits write: a row a run, its slices and its suspected decisions."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add what this revision has more."""
    op.create_table(
        "audit_slices",
        sa.Column("audit_id", sa.String(length=36), nullable=False, comment="of the audit"),
        sa.Column("slice_id", sa.Integer(), nullable=False, comment="number within the audit"),
        sa.Column("title", sa.Text(), nullable=False, comment="what is in the slice, in words"),
        sa.Column("task", sa.String(length=200), nullable=True, comment="of all its decisions; NULL: any"),
        sa.Column("model", sa.String(length=200), nullable=True, comment="of all its decisions; NULL: any"),
        sa.Column("profile", sa.String(length=200), nullable=True, comment="of all its decisions; NULL: any"),
        sa.Column("language", sa.String(length=8), nullable=True, comment="of all its decisions; NULL: any"),
        sa.Column("familiarity", sa.String(length=40), nullable=True, comment="band of all its decisions; NULL: any"),
        sa.Column("revision", sa.String(length=40), nullable=True, comment="of all its decisions; NULL: any"),
        sa.Column("day", sa.String(length=10), nullable=True, comment="of all its decisions, UTC; NULL: any"),
        sa.Column(
            "kind",
            sa.String(length=40),
            nullable=False,
            comment="overthinking (the arm was reasoning) or underthinking (it was direct)",
        ),
        sa.Column(
            "evidence",
            sa.String(length=40),
            nullable=False,
            comment="observed_pairs, explored or modelled; never mixed",
        ),
        sa.Column(
            "found",
            sa.String(length=40),
            nullable=False,
            comment="dimension: one value of one column; search: by the slice finder",
        ),
        sa.Column(
            "misrouted",
            sa.Boolean(),
            nullable=False,
            comment="the interval says that the other arm was better, after multiple-testing control",
        ),
        sa.Column("decisions", sa.Integer(), nullable=False, comment="in the slice, with this arm"),
        sa.Column("evidence_n", sa.Integer(), nullable=False, comment="of them with this evidence"),
        sa.Column("net_benefit", sa.Float(), nullable=True, comment="mean net_benefit of thinking, in points"),
        sa.Column("net_benefit_lower", sa.Float(), nullable=True, comment="its 95 % interval"),
        sa.Column("net_benefit_upper", sa.Float(), nullable=True, comment="its 95 % interval"),
        sa.Column("p_value", sa.Float(), nullable=True, comment="that the other arm was not better, one-sided"),
        sa.Column("p_adjusted", sa.Float(), nullable=True, comment="after multiple-testing control"),
        sa.Column(
            "regret_points",
            sa.Float(),
            nullable=True,
            comment="mean net_benefit lost against the better arm, a decision",
        ),
        sa.Column("regret_points_total", sa.Float(), nullable=True, comment="over the decisions of the slice"),
        sa.Column(
            "regret_tokens_total",
            sa.Float(),
            nullable=True,
            comment="output tokens that the better arm would have saved; negative where it would have cost more",
        ),
        sa.Column(
            "regret_usd_total",
            sa.Float(),
            nullable=True,
            comment="dollars of these tokens; NULL where prices are unknown",
        ),
        sa.PrimaryKeyConstraint("audit_id", "slice_id"),
    )
    op.create_table(
        "audit_suspects",
        sa.Column("audit_id", sa.String(length=36), nullable=False, comment="of the audit"),
        sa.Column("decision_id", sa.String(length=36), nullable=False, comment="suspected; one outcome is noise"),
        sa.Column("kind", sa.String(length=40), nullable=False, comment="overthinking or underthinking"),
        sa.Column(
            "evidence",
            sa.String(length=40),
            nullable=False,
            comment="observed_pairs, explored or modelled: the best that this decision has",
        ),
        sa.Column("p_misroute", sa.Float(), nullable=False, comment="P(the other arm was better for this prompt)"),
        sa.Column("regret_points", sa.Float(), nullable=False, comment="expected loss if it was, in points"),
        sa.Column(
            "loss_points", sa.Float(), nullable=False, comment="p_misroute times regret_points: the order of the list"
        ),
        sa.Column(
            "regret_tokens", sa.Float(), nullable=True, comment="output tokens that the other arm would have saved"
        ),
        sa.Column("why", sa.JSON(), nullable=False, comment="reasons, as sentences"),
        sa.PrimaryKeyConstraint("audit_id", "decision_id"),
    )
    op.create_index("ix_audit_suspects_loss", "audit_suspects", ["audit_id", "loss_points"], unique=False)
    op.create_table(
        "audits",
        sa.Column("audit_id", sa.String(length=36), nullable=False, comment="UUID version 7"),
        sa.Column("time", sa.DateTime(timezone=True), nullable=False, comment="when it was made"),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False, comment="first decision that it read"),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False, comment="last decision that it read"),
        sa.Column("decisions", sa.Integer(), nullable=False, comment="how many decisions it read"),
        sa.Column(
            "report",
            sa.JSON(),
            nullable=False,
            comment="all else: readings, trends, calibration, drift, what-if, notes",
        ),
        sa.PrimaryKeyConstraint("audit_id"),
    )


def downgrade() -> None:
    """Take it away."""
    op.drop_table("audits")
    op.drop_index("ix_audit_suspects_loss", table_name="audit_suspects")
    op.drop_table("audit_suspects")
    op.drop_table("audit_slices")
