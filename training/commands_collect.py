"""The verb `collect`. Nothing heavy is imported before it runs."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlsplit

import typer

from contract.errors import InvalidInput, Refused
from training.commands import needs

if TYPE_CHECKING:
    from training.collect.graders import Grader
    from training.collect.judge import Rubric


def collect(
    prompts: Annotated[
        Path,
        typer.Argument(
            help="Prompts (.jsonl, .csv, .parquet): prompt or messages; and prompt_id, task, language, reference "
            "(the right answer). A log table is taken too: its prompts once each."
        ),
    ],
    model: Annotated[str, typer.Option(help="Model to ask, as LiteLLM (or the server at --base-url) knows it.")],
    grader: Annotated[
        str,
        typer.Option(
            help="exact | numeric[:TOLERANCE] | regex[:PATTERN] (else the reference is the pattern) | "
            "json-schema:FILE | python:MODULE:FUNCTION (prompt, answer, reference -> [0, 1]) | judge:RUBRIC.yaml"
        ),
    ],
    out: Annotated[Path, typer.Option(help="Log table to write: .parquet, .jsonl or .csv.")] = Path("logs.parquet"),
    sample: Annotated[
        int | None, typer.Option(min=1, help="Ask this many prompts, with equal shares of tasks.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same sample.")] = 0,
    attempts: Annotated[int, typer.Option(min=1, help="Attempts in each arm and at each budget.")] = 1,
    budgets: Annotated[str, typer.Option(help="A ladder of thinking budgets to ask too: 1024,4096,16384.")] = "",
    direct: Annotated[str, typer.Option(help="Parameters of the direct arm, JSON.")] = '{"reasoning_effort": "none"}',
    reasoning: Annotated[
        str, typer.Option(help="Parameters of the reasoning arm, JSON.")
    ] = '{"reasoning_effort": "medium"}',
    budget: Annotated[
        str, typer.Option(help='Parameters of a budget, JSON; "$budget" is its number.')
    ] = '{"thinking": {"type": "enabled", "budget_tokens": "$budget"}}',
    params: Annotated[str, typer.Option(help="Parameters of all calls (temperature, ...), JSON.")] = "{}",
    max_output_tokens: Annotated[
        int | None, typer.Option(min=1, help="Cap on the output of a call, hidden tokens included.")
    ] = None,
    base_url: Annotated[
        str | None, typer.Option(help="An OpenAI-compatible server; parameters go into the body as they are.")
    ] = None,
    api_key_env: Annotated[
        str | None, typer.Option(help="Environment variable that holds the API key; LiteLLM's own if not given.")
    ] = None,
    concurrency: Annotated[int, typer.Option(min=1, help="Calls in flight.")] = 8,
    requests_per_minute: Annotated[float | None, typer.Option(min=0.01, help="Calls a minute, at most.")] = None,
    timeout: Annotated[float, typer.Option(min=0.1, help="Seconds without a byte after which a call failed.")] = 300,
    retries: Annotated[int, typer.Option(min=0, help="Tries after the first, with growing waits between.")] = 6,
    max_cost_usd: Annotated[float | None, typer.Option(min=0.0, help="Stop before this many dollars.")] = None,
    max_tokens: Annotated[int | None, typer.Option(min=1, help="Stop before this many output tokens in all.")] = None,
    price_input: Annotated[
        float | None, typer.Option(min=0.0, help="Dollars per million input tokens; LiteLLM's price if not given.")
    ] = None,
    price_output: Annotated[float | None, typer.Option(min=0.0, help="The same of output tokens.")] = None,
    judge_repeats: Annotated[
        float | None, typer.Option(min=0.0, max=1.0, help="Share of prompts to judge twice; the rubric's if not given.")
    ] = None,
    source: Annotated[str | None, typer.Option(help="Source of the rows; the stem of PROMPTS if not given.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what it would ask and cost; ask nothing.")] = False,
    json_report: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Ask prompts in both arms, grade the answers, and write them as rows of the log table: paired evidence.

    Answers go to OUT.journal.jsonl as they come (prompts and answers in plain text), and to OUT every minute and at the
    end. Run the same command again to resume: what was answered is not asked again. Calls in flight at a kill are, and
    are billed twice; failed asks are tried anew. With another grader, or one that was edited, or corrected references,
    answers are graded anew (a judge is paid anew) and not asked again. The ceilings count all runs of a journal; a call reserves its worst
    case before it is made, and one whose tokens were not reported is charged at that.

    Example: thinkworth collect prompts.jsonl --model claude-sonnet-4-5 --grader numeric --attempts 3 --max-cost-usd 5
    """
    with needs("train"):
        from training.collect.checks import check
        from training.collect.plan import Settings, asks
        from training.collect.prompts import read_prompts
        from training.collect.prompts import sample as sampled
        from training.files import remove, table_format, table_stem, write_jsonl
    with needs("collect"):
        from training.collect.libraries import litellm
        from training.collect.session import Limits, Session

        litellm()
        chosen, rubric = _grader(grader, judge_repeats)
    table_format(out)
    if out.resolve() == prompts.resolve():
        raise InvalidInput(f"{out} is the file of prompts; name another --out", field="out")
    settings = Settings(
        model=model, base_url=_url(base_url), direct=_json("direct", direct), reasoning=_json("reasoning", reasoning),
        budget=_json("budget", budget), budgets=_numbers(budgets), params=_json("params", params),
        max_output_tokens=max_output_tokens, attempts=attempts, source=source or table_stem(prompts),
        prices=_prices(price_input, price_output),
    )  # fmt: skip
    check(settings)
    read = read_prompts(prompts)
    plan = asks(sampled(read.items, sample, seed), settings)
    limits = Limits(
        api_key_env=api_key_env, timeout_s=timeout, retries=retries, concurrency=concurrency,
        requests_per_minute=requests_per_minute, max_tokens=max_tokens, max_usd=max_cost_usd,
    )  # fmt: skip
    session = Session(plan, settings, chosen, rubric, limits, len(read.left_out))
    if dry_run:
        expected = session.estimate(out)
        typer.echo(json.dumps(expected.as_dict()) if json_report else expected.text())
        return
    done = session.run(out)
    bad = out.with_name(f"{out.name}.quarantine.jsonl")
    write_jsonl(bad, read.left_out) if read.left_out else remove(bad)
    typer.echo(json.dumps({"out": str(out), **done.as_dict()}) if json_report else done.text())
    if done.stopped:
        raise Refused(f"stopped: {done.stopped}; {done.answered:,} answers are kept: run the same command to resume")
    if not done.answered:
        raise Refused("no ask was answered; see the reasons above")
    if not json_report:
        typer.echo(f"{done.answered:,} rows in {out}")


def _grader(spec: str, repeats: float | None) -> "tuple[Grader, Rubric | None]":
    """Return the grader, and the rubric where it is a judge."""
    from training.collect.graders import JUDGE, Grader, grader
    from training.collect.judge import load_rubric

    if not spec.startswith(JUDGE):
        if repeats is not None:
            raise InvalidInput("--judge-repeats needs --grader judge:RUBRIC.yaml", field="judge-repeats")
        return grader(spec), None
    rubric = load_rubric(Path(spec.removeprefix(JUDGE)))
    if repeats is not None:
        rubric = rubric.model_copy(update={"repeats": repeats})
    return Grader(f"{JUDGE}{rubric.model}", lambda *_: None, rubric.digest), rubric


def _json(option: str, text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
        json.dumps(value, allow_nan=False)
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"--{option} is not JSON; write it like '{{\"name\": 1}}'", field=option) from error
    if not isinstance(value, dict):
        raise InvalidInput(f"--{option} is no JSON object; write it like '{{\"name\": 1}}'", field=option)
    return value


def _numbers(text: str) -> tuple[int, ...]:
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if not all(part.isdecimal() and int(part) > 0 for part in parts):
        raise InvalidInput(f"--budgets {text!r} is no list of positive whole numbers; write 1024,4096", field="budgets")
    return tuple(int(part) for part in parts)


def _prices(given_input: float | None, given_output: float | None) -> tuple[float, float] | None:
    if given_input is None and given_output is None:
        return None
    if given_input is None or given_output is None:
        raise InvalidInput("give both --price-input and --price-output", field="price-input")
    return given_input, given_output


def _url(text: str | None) -> str | None:
    if text is None:
        return None
    try:
        parts = urlsplit(text)
        plain = parts.scheme in ("http", "https") and parts.hostname and "@" not in parts.netloc and not parts.query
    except ValueError:
        plain = False
    if not plain:
        what = "--base-url is no plain http(s) address; write it like http://127.0.0.1:8000/v1"
        raise InvalidInput(f"{what}, and name the key's variable with --api-key-env", field="base-url")
    return text
