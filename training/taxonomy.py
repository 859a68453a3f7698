"""The taxonomy: families of prompts with a prior each, so that a bundle answers before any log has been read."""

from pathlib import Path
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from contract.errors import InvalidInput
from contract.locate import find
from contract.records import Verdict


class _Frozen(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Prior(_Frozen):
    """What is expected of a family before any log: scores in [0, 1], tokens, and its weight in pseudo-observations."""

    score_direct: float = Field(ge=0, le=1)
    score_reasoning: float = Field(ge=0, le=1)
    thinking_tokens: float = Field(gt=0)
    strength: float = Field(gt=0, le=8)

    @property
    def gain(self) -> float:
        """Expected score with thinking minus score without."""
        return self.score_reasoning - self.score_direct


class Family(_Frozen):
    """A family of the taxonomy: prompts written for it, a prior verdict and the published evidence for it."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    verdict: Verdict
    regime: Literal["easy", "medium", "hopeless"]
    description: str
    prior: Prior
    evidence: tuple[str, ...] = Field(min_length=1)
    prompts: tuple[str, ...] = Field(min_length=1)


def load_taxonomy(path: Path | None = None) -> list[Family]:
    """Return the families of a taxonomy file (data/taxonomy.yaml by default), in its order.

    Raises:
        InvalidInput: the file is missing, is not YAML, or a family breaks a rule; or two share a name or a prompt.
    """
    path = path or find("data/taxonomy.yaml")
    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
        families = [Family.model_validate(item) for item in raw["families"]]
    except OSError as error:
        raise InvalidInput(f"{path}: {error.strerror}; give a taxonomy with --taxonomy", field="taxonomy") from error
    except ValidationError as error:
        first = error.errors()[0]
        raise InvalidInput(f"{path}: {'.'.join(map(str, first['loc']))}: {first['msg']}", field="taxonomy") from error
    except (yaml.YAMLError, KeyError, TypeError) as error:
        raise InvalidInput(
            f"{path} is no taxonomy: a mapping with a list `families` ({error})", field="taxonomy"
        ) from error
    for what, values in (("name", [f.name for f in families]), ("prompt", [p for f in families for p in f.prompts])):
        if len(set(values)) != len(values):
            raise InvalidInput(f"{path}: a {what} occurs twice", field="taxonomy")
    return families
