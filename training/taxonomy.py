"""The taxonomy: families of prompts with a prior each, so that a bundle answers before any log has been read."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from contract.errors import InvalidInput
from contract.locate import find
from contract.records import Verdict
from contract.yaml_file import only_entry, read_mapping, validated


def _written(text: str) -> str:
    if not text.strip():
        raise ValueError("is empty or white space")
    return text


Text = Annotated[str, AfterValidator(_written)]


class _Frozen(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


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
    """A family of the taxonomy: prompts written for it, a prior verdict and the published evidence for it.

    `prompts` are English and are fitted on. `prompts_zh` are Chinese and only tested on: the default encoder reads English.
    """

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    verdict: Verdict
    regime: Literal["easy", "medium", "hopeless"]
    description: Text
    prior: Prior
    evidence: tuple[Text, ...] = Field(min_length=1)
    prompts: tuple[Text, ...] = Field(min_length=1)
    prompts_zh: tuple[Text, ...] = ()


def load_taxonomy(path: Path | None = None) -> list[Family]:
    """Return the families of a taxonomy file (data/taxonomy.yaml by default), in its order.

    Raises:
        InvalidInput: the file is missing, is not YAML in UTF-8 or has no family; a family breaks a rule, has an unknown key
            (the known ones are listed) or one given twice; or two share a name or a prompt.
    """
    path = path or find("data/taxonomy.yaml")
    raw = read_mapping(path, field="taxonomy", remedy="give a taxonomy with --taxonomy")
    items = only_entry(path, raw, "families", list)
    families = [validated(Family, item, path, _label(i, item)) for i, item in enumerate(items)]
    _check_unique(path, "name", [(f"family {i}", f.name) for i, f in enumerate(families, start=1)])
    prompts = [
        (f"{what} {i} of {f.name}", text)
        for f in families
        for what, texts in (("prompt", f.prompts), ("Chinese prompt", f.prompts_zh))
        for i, text in enumerate(texts, start=1)
    ]
    _check_unique(path, "prompt", prompts)
    return families


def _label(index: int, item: object) -> str:
    """Return how a message calls the family at `index`: by its number, and its name where it has one."""
    name = item.get("name") if isinstance(item, dict) else None
    return f"family {index + 1}" + (f" ({name})" if isinstance(name, str) and name.isidentifier() else "")


def _check_unique(path: Path, what: str, named: list[tuple[str, str]]) -> None:
    """Refuse a value that occurs twice, by its places: a prompt is never repeated."""
    first: dict[str, str] = {}
    for place, value in named:
        if value in first:
            problem = f"{place} has the {what} of {first[value]}: each {what} occurs once; remove one"
            raise InvalidInput(f"{path}: {problem}", field="taxonomy")
        first[value] = place
