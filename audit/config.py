"""What an audit can be told; frozen, unknown keys refused."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from contract.yaml_file import configured


class AuditConfig(BaseModel):
    """Settings of an audit; the same store and settings give the same report.

    Attributes:
        seed: of the halves, the folds and the resamples.
        alpha: chance that a slice is called misrouted though none is, over all slices of one audit.
        least_decisions: decisions with evidence under which a slice is left out, and counted.
        least_of_an_arm: scored outcomes of either arm under which explored decisions say nothing of a slice.
        least_chance: decisions whose less likely arm had a lower chance than this are left out of the explored ones: one would weigh
            more than 1 / least_chance.
        conditions: most conditions of a slice that is searched for, such as 3: task, model and profile.
        candidates: most slices of each kind and evidence that one half puts up for confirmation by the other.
        suspects: most suspected decisions that are listed.
        resamples: of bootstrap intervals.
        concentration: attempts that the bundle's expectation of a prompt's score is worth, where repeated attempts do not tell.
        correlation: of the two arms' deviations from their expectations, where pairs do not tell.
        reference_share: share of the decisions, the first ones, that later days are compared with.
        drift_psi: population stability index over which a column is said to have drifted, if the test says so too.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    seed: int = Field(7, ge=0, lt=2**32)
    alpha: float = Field(0.05, gt=0, lt=0.5)
    least_decisions: int = Field(30, ge=10, le=100_000)
    least_of_an_arm: int = Field(10, ge=5, le=100_000)
    least_chance: float = Field(0.005, gt=0, lt=0.5)
    conditions: int = Field(3, ge=1, le=4)
    candidates: int = Field(10, ge=1, le=100)
    suspects: int = Field(5000, ge=0, le=100_000)
    resamples: int = Field(200, ge=50, le=5000)
    concentration: float = Field(2.0, gt=0, le=1000)
    correlation: float = Field(0.3, ge=-0.9, le=0.95)
    reference_share: float = Field(0.3, gt=0, lt=1)
    drift_psi: float = Field(0.2, gt=0, le=5)


def load_config(path: Path | None) -> AuditConfig:
    """Return the configuration of a YAML file, or the defaults.

    Raises:
        InvalidInput: the file cannot be read, is no YAML mapping in UTF-8 or is empty, a key is given twice or is unknown
            (the known ones are listed), or a value is out of range.
    """
    return configured(AuditConfig, path)
