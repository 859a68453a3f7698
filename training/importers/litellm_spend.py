"""LiteLLM's spend logs: one row a request of the table LiteLLM_SpendLogs, read from files or from PostgreSQL.

The shape: litellm/proxy/schema.prisma and litellm/proxy/spend_tracking/spend_tracking_utils.py. Where prompts are stored,
they stand in proxy_server_request: the client's body after the pre-call hooks. The thinking parameters are read from there,
and what the auto router set from metadata; what a deployment's litellm_params add is in no column. Of a request that was
retried only the try that answered is logged, so nothing is summed.

With `spend_logs_prompt_storage: latest_turn` LiteLLM stores neither the parameters nor the turns before the last.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from contract.errors import InvalidInput
from training.importers.answers import at
from training.importers.bodies import asked
from training.importers.call import Broken, Call, Options, Other, Place, Record, own_marks
from training.importers.conversation import Message, chat
from training.importers.jsonl import Item, json_text, records
from training.importers.litellm_call import ended_as, model_of, other_kind, usage_of
from training.importers.postgres import is_address, table_rows

NAME = "litellm-spend"
ABOUT = (
    "LiteLLM's table LiteLLM_SpendLogs, as JSON, JSONL or CSV, or read from postgresql://user:password@host/database"
)
NO_TEXT = (
    "set store_prompts_in_spend_logs: true under general_settings of LiteLLM's config, "
    "and no turn_off_message_logging under litellm_settings"
)
TAKES = ("table", "default_arm")

_TABLE = "LiteLLM_SpendLogs"
_COLUMNS = (
    "request_id", "call_type", "spend", "prompt_tokens", "completion_tokens", "total_tokens", "startTime", "endTime", "model",
    "custom_llm_provider", "metadata", "cache_hit", "messages", "response", "session_id", "status",
    "proxy_server_request",
)  # fmt: skip
_ORDER = ("startTime", "request_id")
_CONTENT = ("messages", "input", "prompt", "contents")
_OVERRULED = ("thinking", "reasoning", "output_config")
_NO_ROW = f"not a row of {_TABLE}"
_SHORTENED = "prompt was shortened by LiteLLM"
_MARKER = re.compile(r'\.\.\. \((?:litellm_truncated skipped \d+ chars|truncated \d+ chars\)")')
"""What LiteLLM puts in place of what it cut out; in older versions at the end of a text."""


def read(places: Sequence[str], options: Options) -> Iterator[Record]:
    """Yield the requests of files and of databases (`options.table` there, LiteLLM_SpendLogs if not named).

    Raises:
        InvalidInput: a file is missing, empty or unreadable; a database cannot be reached, its table is not there, or one is
            named and no database read.
        MissingExtra: a database is read and SQLAlchemy or psycopg is not installed.
    """
    if options.table is not None and not any(map(is_address, places)):
        raise InvalidInput("--table names a table of a database; files are read whole", field="table")
    for place in places:
        for item in _rows(place, options.table or _TABLE):
            yield item if isinstance(item, Broken) else _record(*item)


def _rows(place: str, table: str) -> Iterator[Item]:
    if is_address(place):
        return table_rows(place, table, wanted=_COLUMNS, order=_ORDER)
    return records(place)


def _record(place: Place, row: Mapping[str, Any]) -> Record:
    if not {"request_id", "startTime", "model"} <= row.keys():
        return Broken(place, _NO_ROW, f"{_NO_ROW}: request_id, startTime or model is missing")
    row = {name: json_text(row.get(name)) for name in _COLUMNS}
    metadata, body, response = (_mapping(row[name]) for name in ("metadata", "proxy_server_request", "response"))
    if kind := other_kind(row, metadata.get("internal_call_origin")):
        return Other(place, kind)
    failed = "failure" in (row["status"], metadata.get("status"))
    messages = None
    if not failed:
        try:
            messages = _messages(row["messages"], body)
        except ValueError as rule:
            return Broken(place, str(rule), str(rule))
    if messages and _MARKER.search(json.dumps(messages)):
        return Broken(place, _SHORTENED, f"{_SHORTENED}: set MAX_STRING_LENGTH_PROMPT_IN_DB over the longest prompt")
    details = (metadata.get("usage_object"), metadata.get("additional_usage_values"), response.get("usage"))
    return Call(
        place=place,
        model=model_of(row),
        messages=messages,
        parameters=_parameters(body, metadata),
        usage=usage_of(row, row["spend"], *details),
        request_id=row["request_id"],
        started=row["startTime"],
        ended=row["endTime"],
        finish_reason=ended_as(response),
        failed=failed,
        conversation_id=row["session_id"],
        **_marks(metadata, body),
    )


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _messages(stored: Any, body: Mapping[str, Any]) -> list[Message] | None:
    """Return the conversation: of the column messages in older versions, else of the stored body, whatever its API."""
    return chat(stored) or (asked(body) if any(body.get(name) for name in _CONTENT) else None)


def _parameters(body: Mapping[str, Any], metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Return what was sent to the model: the body under what the auto router set.

    An effort that it sets takes the place of every other that the client named.
    """
    tier = _mapping(at(metadata, "routing_decision", "tier_litellm_params"))
    overruled = _OVERRULED if "reasoning_effort" in tier else ()
    return {**{name: value for name, value in body.items() if name not in overruled}, **tier}


def _marks(metadata: Mapping[str, Any], body: Mapping[str, Any]) -> dict[str, Any]:
    places = (body.get("metadata"), body.get("litellm_metadata"), metadata.get("spend_logs_metadata"))
    return {name: mark for place in places for name, mark in own_marks(place).items()}
