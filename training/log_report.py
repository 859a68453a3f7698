"""What became of the rows of some logs, counted."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class LogReport:
    """What became of the rows of some logs.

    Attributes:
        rows: rows read, bad ones included.
        kept: rows of the table.
        quarantined: bad rows, duplicates included, by the rule that they broke.
        duplicates: rows that repeat an earlier one.
        flagged: rows left out because of their flag, by flag.
        budget_only: rows kept for thinking budgets and nothing else, by flag.
        unscored: kept rows without a score.
        pairs: (source, prompt_id, model) with both arms logged.
        single_armed: the same with one arm logged.
        tasks_left_out: rows of tasks that were asked to be left out, by task; they are among those of all other counts.
    """

    rows: int
    kept: int
    quarantined: Mapping[str, int]
    duplicates: int
    flagged: Mapping[str, int]
    budget_only: Mapping[str, int]
    unscored: int
    pairs: int
    single_armed: int
    tasks_left_out: Mapping[str, int] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Return the report as JSON takes it."""
        return asdict(self)

    def text(self) -> str:
        """Return the report for a reader at a terminal."""
        lines = [f"rows read      {self.rows:>12,}", f"kept           {self.kept:>12,}"]
        counted = {"quarantined": self.quarantined, "flagged": self.flagged}
        if self.budget_only:
            counted["for budgets"] = self.budget_only
        for title, counts in counted.items():
            lines.append(f"{title:<14} {sum(counts.values()):>12,}")
            lines += [f"  {count:>10,}  {reason}" for reason, count in counts.items()]
        if self.tasks_left_out:
            lines.append(
                f"left out       {sum(self.tasks_left_out.values()):>12,}  of tasks {', '.join(self.tasks_left_out)}"
            )
        lines.append(f"unscored       {self.unscored:>12,}")
        lines.append(f"pairs          {self.pairs:>12,}  both arms logged")
        lines.append(f"single-armed   {self.single_armed:>12,}  one arm logged")
        return "\n".join(lines)

    def why_none(self) -> str:
        """Return why no row is left, with the remedy where there is one."""
        flags = {f"flag {flag!r}": count for flag, count in self.flagged.items()}
        flags |= {f"flag {flag!r}, accepted for budgets alone": count for flag, count in self.budget_only.items()}
        counts = {**self.quarantined, **flags}
        first = "; ".join(f"{count:,} x {reason}" for reason, count in list(counts.items())[:3])
        remedy = " (take flagged rows with --accept-flag)" if flags else ""
        return f"none of {self.rows:,} rows can be used: {first}{remedy}"
