"""Bounds of the regret of slices; audits that were made before have none."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

COLUMNS = {
    "regret_points_total_lower": "its 95 % interval: that of net_benefit, cut at 0",
    "regret_points_total_upper": "its 95 % interval",
    "regret_tokens_total_lower": "its 95 % interval, up to 0 where that of net_benefit holds 0",
    "regret_tokens_total_upper": "its 95 % interval",
    "regret_usd_total_lower": "its 95 % interval, up to 0 where that of net_benefit holds 0",
    "regret_usd_total_upper": "its 95 % interval",
}


def upgrade() -> None:
    """Add what this revision has more."""
    for name, comment in COLUMNS.items():
        op.add_column("audit_slices", sa.Column(name, sa.Float(), nullable=True, comment=comment))


def downgrade() -> None:
    """Take it away."""
    for name in reversed(COLUMNS):
        op.drop_column("audit_slices", name)
