"""LiteLLM's StandardLoggingPayload: one JSON object a try, as its S3, GCS and generic loggers or a callback write it.

The shape: litellm/types/utils.py. `model_parameters` holds what was sent, whoever set it, but only of the parameters that
OpenAI and Anthropic know: those of `extra_body` (enable_thinking, chat_template_kwargs) are in no field.

Each try of a request is logged. Through the proxy they share litellm_call_id, through the SDK's Router only trace_id, and
that is a whole session's where the caller names one; so tries of one request are those that share trace_id and ask the
same of the same model group.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from contract.errors import InvalidInput
from training.importers.answers import at, moment
from training.importers.call import Broken, Call, Options, Other, Place, Record, own_marks
from training.importers.conversation import chat
from training.importers.jsonl import records
from training.importers.litellm_call import ended_as, model_of, other_kind, usage_of

NAME = "litellm-payload"
ABOUT = "LiteLLM's StandardLoggingPayload: JSONL or JSON files of its S3, GCS or generic logger, or folders of them"
NO_TEXT = "remove turn_off_message_logging from litellm_settings of LiteLLM's config"
TAKES = ("default_arm",)

_SUFFIXES = (".json", ".jsonl", ".ndjson", ".json.gz", ".jsonl.gz", ".ndjson.gz")
_NO_PAYLOAD = "not a StandardLoggingPayload"


def read(places: Sequence[str], options: Options) -> Iterator[Record]:
    """Yield the tries of files; of a folder its files in the order of their paths.

    Raises:
        InvalidInput: a file is missing, empty or unreadable, or a folder has no JSON file.
    """
    for place in places:
        for file in _files(place):
            for item in records(file):
                yield item if isinstance(item, Broken) else _record(*item)


def _files(place: str) -> list[str]:
    folder = Path(place)
    if not folder.is_dir():
        return [place]
    files = sorted(str(path) for path in folder.rglob("*") if path.name.lower().endswith(_SUFFIXES))
    if not files:
        raise InvalidInput(f"{place}: no JSON file in this folder (.json or .jsonl, also .gz)")
    return files


def _record(place: Place, row: Mapping[str, Any]) -> Record:
    if not {"id", "call_type", "startTime"} <= row.keys():
        return Broken(place, _NO_PAYLOAD, f"{_NO_PAYLOAD}: id, call_type or startTime is missing")
    origin = "autorouter_classifier" if row.get("classifier_input") else None
    if kind := other_kind(row, origin):
        return Other(place, kind)
    metadata, parameters, response = row.get("metadata"), row.get("model_parameters"), row.get("response")
    failed = row.get("status") == "failure"
    try:
        messages = None if failed else chat(row.get("messages"), system=at(parameters, "instructions"))
    except ValueError as rule:
        return Broken(place, str(rule), str(rule))
    return Call(
        place=place,
        model=model_of(row),
        messages=messages,
        parameters=parameters if isinstance(parameters, Mapping) else {},
        usage=usage_of(row, row.get("response_cost"), at(metadata, "usage_object"), at(response, "usage")),
        request_id=row["id"],
        attempt_of=_attempt(row),
        started=moment(row["startTime"]),
        ended=moment(row.get("endTime")),
        finish_reason=ended_as(response),
        failed=failed,
        conversation_id=row.get("session_id") or row.get("trace_id"),
        **{**own_marks(at(metadata, "requester_metadata")), **own_marks(at(metadata, "spend_logs_metadata"))},
    )


def _attempt(row: Mapping[str, Any]) -> str | None:
    """Return what the tries of one request share."""
    if not row.get("trace_id"):
        return None
    asked = [row.get(name) for name in ("model_group", "messages", "model_parameters")]
    digest = hashlib.blake2b(json.dumps(asked, sort_keys=True).encode(), digest_size=16).hexdigest()
    return f"{row['trace_id']} {digest}"
