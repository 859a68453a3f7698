"""Golden prompts: what any sane bundle answers to a few prompts of ours, and what an operator expects of this one."""

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from contract.errors import BundleMismatch, InvalidInput, InvalidRequest
from contract.prompt import Prompt
from contract.records import Verdict
from serving.asked import prompt_of
from serving.parsing import parse
from serving.router import Router
from serving.schemas import Answer, PredictRequest

TRIVIAL = ("What is 1 + 1?", "Hi")
"""No world pays TRIVIAL_BUDGET tokens for these."""

PROMPTS = (
    *TRIVIAL,
    "Translate to French: where is the station?",
    "Prove that there are infinitely many primes congruent to 3 modulo 4.",
    "def f(xs):\n    return sorted(set(xs))[-2]\n\nWhat does f return for [3, 1, 3]? Explain each step.",
    "今天天气怎么样？",
)
"""Asked of each bundle for each of its profiles before it serves; they warm it, too."""

TRIVIAL_BUDGET = 4096
"""Thinking tokens that a trivial prompt may be given at most together with the verdict `use`."""

MAX_GOLDEN = 1000
"""Prompts of an operator's file: each is answered by every worker before each swap, at some 5 ms."""

_REMEDY = "the bundle is not served; train it again, or correct golden_prompts"


class Golden(NamedTuple):
    """One prompt of an operator's file: its line, the request and the verdicts that are right."""

    line: int
    request: PredictRequest
    expect: tuple[str, ...]


def load_golden(path: Path | None) -> tuple[Golden, ...]:
    """Return the prompts of a JSONL file: requests of /predict, each with `expect`, a verdict or a list of them.

    Raises:
        InvalidInput: it cannot be read, or a line is wrong, which is told by its number and never by its text.
    """
    if path is None:
        return ()
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        what = f"golden_prompts {path}: {error.strerror}; name another file with golden_prompts"
        raise InvalidInput(what, field="golden_prompts") from error
    golden = tuple(_golden(path, number, line) for number, line in enumerate(lines, 1) if line.strip())
    if not 0 < len(golden) <= MAX_GOLDEN:
        what = f"golden_prompts {path} has {len(golden)} prompts; give 1 to {MAX_GOLDEN}"
        raise InvalidInput(what, field="golden_prompts", limit=MAX_GOLDEN)
    return golden


def check(router: Router, golden: Sequence[Golden] = ()) -> None:
    """Ask the golden prompts; the router draws no arm, or a verdict may be another one than the policy's.

    Raises:
        BundleMismatch: an answer is not what it must be; it says which prompt by its number.
    """
    for number, text in enumerate(PROMPTS, 1):
        prompt = Prompt.from_text(text)
        readings = [router.read(prompt, None) for _ in range(2 if number == 1 else 1)]
        for profile in router.manifest.profiles:
            request = PredictRequest(prompt=text, profile=profile)
            answers = [router.decide_on(request, prompt, reading).answer for reading in readings]
            wrong = _wrong(router, answers[0], trivial=text in TRIVIAL)
            if wrong is None and _said(answers[0]) != _said(answers[-1]):
                wrong = "asked twice, it answers differently"
            if wrong:
                raise BundleMismatch(f"golden prompt {number} of thinkworth, profile {profile}: {wrong}; {_REMEDY}")
    for line, request, expect in golden:
        try:
            verdict = router.answer(request).verdict
        except InvalidRequest as error:  # a profile that the bundle does not have
            what = f"golden prompt on line {line}: {error.message}; {_REMEDY}"
            raise BundleMismatch(what, field="golden_prompts") from error
        if verdict not in expect:
            what = f"golden prompt on line {line}: the verdict is {verdict}, expected {' or '.join(expect)}; {_REMEDY}"
            raise BundleMismatch(what, field="golden_prompts", limit=list(expect))


def _wrong(router: Router, answer: Answer, *, trivial: bool) -> str | None:
    """Return what no sane bundle answers, None where nothing is wrong."""
    expected, most = answer.expected, router.manifest.profiles[answer.profile].max_thinking_tokens
    p = (answer.probabilities.use, answer.probabilities.maybe, answer.probabilities.avoid)
    numbers = (*p, expected.gain, expected.extra_tokens, expected.net_benefit, answer.familiarity)
    if not all(map(math.isfinite, numbers)):
        return "a number is not finite"
    if not (abs(sum(p) - 1) < 1e-3 and all(-1e-6 <= one <= 1 + 1e-6 for one in p)):
        return f"the probabilities are no probabilities: {', '.join(f'{one:.4f}' for one in p)}"
    if not 0 <= answer.familiarity <= 1:
        return f"familiarity is {answer.familiarity:.3f}, outside [0, 1]"
    if not 0 <= answer.thinking_budget <= most:
        return f"thinking_budget is {answer.thinking_budget}, outside [0, {most}]"
    if answer.verdict == "use" and expected.net_benefit <= 0:
        return f"use, with an expected net_benefit of {expected.net_benefit:.3f}"
    if answer.verdict == "avoid" and (expected.net_benefit >= 0 or answer.thinking_budget):
        return f"avoid, with an expected net_benefit of {expected.net_benefit:.3f} and a budget of {answer.thinking_budget}"
    if trivial and answer.verdict == "use" and answer.thinking_budget > TRIVIAL_BUDGET:
        return f"use with {answer.thinking_budget} tokens for what is trivial; at most {TRIVIAL_BUDGET}"
    return None


def _said(answer: Answer) -> dict[str, object]:
    return answer.model_dump(exclude={"decision_id"})


def _golden(path: Path, number: int, line: bytes) -> Golden:
    verdicts = [verdict.value for verdict in Verdict]
    try:
        value = json.loads(line)
        expect = value.pop("expect")
        wanted = (expect,) if isinstance(expect, str) else tuple(expect)
        if not wanted or not all(one in verdicts for one in wanted):
            raise ValueError("expect")
        request = parse(PredictRequest, json.dumps(value).encode())
        prompt_of(request)
    except InvalidRequest as error:
        what = f"golden_prompts {path}, line {number}: {error.message}; correct it"
        raise InvalidInput(what, field="golden_prompts") from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        what = f"golden_prompts {path}, line {number}: no request of /predict with expect, one of {', '.join(verdicts)} or a list of them"
        raise InvalidInput(f"{what}; correct it", field="golden_prompts") from error
    return Golden(number, request, wanted)
