"""What a decision was charged for the provider's prompt cache; of earlier decisions nothing is known."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

COMMENT = (
    "points that net_benefit is less by for the prompt cache that thinking voids, below 0 where going direct does; "
    "NULL where unknown"
)


def upgrade() -> None:
    """Add what this revision has more."""
    op.add_column("decisions", sa.Column("cache_charge", sa.Float(), nullable=True, comment=COMMENT))


def downgrade() -> None:
    """Take it away."""
    op.drop_column("decisions", "cache_charge")
