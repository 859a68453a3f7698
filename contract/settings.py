"""What an operator sets: `thinkworth.toml` of the working directory or the file that THINKWORTH_CONFIG names; the environment wins.

Each key of the file is a variable too: `store_url` is THINKWORTH_STORE_URL. A table is a variable that holds JSON, THINKWORTH_EXPLORATION
a mere rate where that is all there is to say, and THINKWORTH_API_KEYS lines (`serving.access.keys`).
"""

import json
import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from contract.errors import InvalidInput
from contract.locate import ROOT
from contract.wording import unknown_key
from contract.yaml_file import validated

PREFIX = "THINKWORTH_"
FILE = "thinkworth.toml"
OTHERS = ("THINKWORTH_CONFIG", "THINKWORTH_MODELS")
"""Variables of ours that are no key of the file."""

_OF_KUBERNETES = re.compile(r"THINKWORTH_(SERVICE_|PORT_\d)")
"""What Kubernetes sets in each pod beside a Service of the name thinkworth."""


def _listed(value: Any) -> Any:
    """Return a list of one for a text that is no JSON list."""
    if not isinstance(value, str):
        return value
    return json.loads(value) if value.lstrip().startswith("[") else [value]


Durability = Literal["sync", "async", "off"]


class Exploration(BaseModel):
    """Shares of requests whose arm is drawn at random, half and half; a verdict that is not named has the rate.

    Attributes:
        rate: of all verdicts.
        use: of the verdict `use`; None: the rate.
        maybe: of the verdict `maybe`; None: the rate.
        avoid: of the verdict `avoid`; None: the rate.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    rate: float = Field(0.0, ge=0, le=1)
    use: float | None = Field(None, ge=0, le=1)
    maybe: float | None = Field(None, ge=0, le=1)
    avoid: float | None = Field(None, ge=0, le=1)

    def of(self, verdict: str) -> float:
        """Return the rate of a verdict."""
        own: float | None = getattr(self, verdict)
        return self.rate if own is None else own


class Limits(BaseModel):
    """How large a request may be; what is larger is refused with the limit.

    Attributes:
        header_kib: address, query and headers together; the server itself takes at most 64.
        body_kib: the body.
        batch: requests in one /predict_batch.
        messages: messages of a conversation.
        characters: of a prompt, or of all texts of a conversation; JSON's escapes and other keys do not count.
        tools: tools that the model may call.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    header_kib: int = Field(32, ge=1, le=64)
    body_kib: int = Field(1024, ge=1, le=65_536)
    batch: int = Field(256, ge=1, le=256)
    messages: int = Field(4096, ge=1, le=1_000_000)
    characters: int = Field(1_048_576, ge=1, le=67_108_864)
    tools: int = Field(1024, ge=0, le=1_000_000)


class Settings(BaseModel):
    """Settings of the service and of what reads its record.

    Attributes:
        bundle: what is served; None: models/current, else models/default.
        host: address to listen on.
        port: to listen on.
        workers: processes that answer.
        bundle_poll_s: seconds between two looks at whether the bundle has changed; 0: only /admin/reload swaps it.
        golden_prompts: JSONL of requests with `expect`, verdicts that a bundle must give before it is served.
        store_url: address of the decision store; None: an SQLite file in store_folder.
        store_folder: folder of the SQLite file, the journals and the digest key; None: data/store of the checkout or the working directory.
        durability: `sync` commits a decision before it is answered, `async` after, `off` records nothing.
        store_timeout_s: seconds that an answer waits for the store before its record goes to the journal.
        journal_mib: how far a process's journal may grow while the store is away.
        store_prompts: what is kept of prompts: nothing, their embeddings, or their text as well; both can tell what was asked.
        retention_days: days after which what is kept of prompts is forgotten.
        redact: `module:function` that texts go through, str to str, before they are kept.
        digest_key_file: secret key of the prompts' digests; None: digest.key in store_folder, made where it is not there.
        exploration: shares of requests whose arm is drawn.
        api_keys_file: YAML or TOML file of hashed API keys; read again whenever it changes.
        api_keys: hashed API keys: a list of tables as in that file; as a variable, JSON or lines.
        key_requests_per_second: how often a key may ask each worker, where its entry does not say; None: as often as it likes.
        key_burst: how many requests may come at once, where the key's entry does not say; None: those of one second.
        allow_anonymous: serve without keys, also beyond this machine; for what stands behind something that lets in only who may.
        session_key_file: secret key of the audit page's sessions; None: session.key in store_folder, made where it is not there.
        limits: how large a request may be.
        shadow: challengers that score the same traffic off the hot path: folders of bundles, or addresses; of a variable one, or a JSON list.
        conversations: how many conversations a worker remembers the last arm of; 0: none.
        conversation_ttl_s: seconds after its last turn for which it remembers one.
        dialects: a file that adds to data/dialects.yaml or replaces rows of it; None: there is none.
        queue: requests that may wait for a core of a worker; beyond it they are refused with 429.
        remembered_prompts: prompts of which a worker remembers what the graphs said, some 10 KiB each; 0: none.
        log_format: of the lines that thinkworth logs itself.
        log_decisions: whether each decision, and each request that is refused, is a line of the log.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    bundle: str | None = Field(None, min_length=1)
    host: str = Field("127.0.0.1", min_length=1)
    port: int = Field(3000, ge=1, le=65535)
    workers: int = Field(1, ge=1, le=1024)
    bundle_poll_s: float = Field(10.0, ge=0, le=86_400)
    golden_prompts: Path | None = None
    store_url: str | None = Field(None, min_length=1)
    store_folder: Path | None = None
    durability: Durability = "sync"
    store_timeout_s: float = Field(1.0, gt=0, le=60)
    journal_mib: int = Field(64, ge=1, le=100_000)
    store_prompts: Literal["off", "embeddings", "text"] = "off"
    retention_days: int = Field(30, ge=1, le=3650)
    redact: str | None = Field(None, pattern=r"^[\w.]+:\w+$")
    digest_key_file: Path | None = None
    exploration: Exploration = Exploration()
    api_keys_file: Path | None = None
    api_keys: str | tuple[dict[str, Any], ...] | None = None
    key_requests_per_second: float | None = Field(None, gt=0, le=1_000_000)
    key_burst: int | None = Field(None, ge=1, le=1_000_000)
    allow_anonymous: bool = False
    session_key_file: Path | None = None
    limits: Limits = Limits()
    shadow: Annotated[tuple[str, ...], BeforeValidator(_listed)] = Field((), max_length=4)
    conversations: int = Field(10_000, ge=0, le=1_000_000)
    conversation_ttl_s: float = Field(3600.0, gt=0, le=604_800)
    dialects: Path | None = None
    queue: int = Field(64, ge=1, le=100_000)
    remembered_prompts: int = Field(4096, ge=0, le=1_000_000)
    log_format: Literal["text", "json"] = "text"
    log_decisions: bool = False

    @model_validator(mode="after")
    def _agrees(self) -> "Settings":
        if self.redact and self.store_prompts == "embeddings":
            raise ValueError(
                "redact cleans texts, and embeddings of what it would clean are kept; set store_prompts to text or off"
            )
        if self.allow_anonymous and self.wants_keys:
            raise ValueError("allow_anonymous lets in who has no key, and there are API keys; set one of the two")
        if self.shadow and self.durability == "off":
            raise ValueError(
                "shadow says what challengers would have answered, and durability off records nothing; set it to async"
            )
        return self

    @property
    def wants_keys(self) -> bool:
        """Whether a request needs an API key."""
        return self.api_keys_file is not None or self.api_keys is not None

    @property
    def session_key(self) -> Path:
        """The file of the secret key of the audit page's sessions."""
        return self.session_key_file or self.folder / "session.key"

    @property
    def folder(self) -> Path:
        """The folder of recorded data."""
        home = (
            ROOT if (ROOT / "pyproject.toml").is_file() else Path.cwd()
        )  # installed packages lie where nothing is kept
        return (self.store_folder or home / "data" / "store").absolute()

    @property
    def store_address(self) -> str:
        """The address of the decision store; it may hold a password."""
        return self.store_url or f"sqlite:///{self.folder / 'decisions.sqlite'}"

    @property
    def training_folder(self) -> Path:
        """The folder of log files made of recorded decisions."""
        return self.folder / "training"

    @property
    def digest_key(self) -> Path:
        """The file of the secret key of the prompts' digests."""
        return self.digest_key_file or self.folder / "digest.key"


def load_settings(environ: Mapping[str, str] | None = None) -> Settings:
    """Return the settings of the file and the environment.

    Raises:
        InvalidInput: the file cannot be read or is no TOML, a key is unknown (the known ones are listed), or a value is of a wrong
            kind or size.
    """
    environ = os.environ if environ is None else environ
    named = environ.get("THINKWORTH_CONFIG")
    path = Path(named or FILE)
    settings = _file(path) if named or path.is_file() else {}
    for name in settings:
        if name not in Settings.model_fields:
            known = list(Settings.model_fields)
            raise InvalidInput(f"{path}: {unknown_key(name, known)}; correct the file", field=name, limit=known)
    given = _environment(environ)
    try:
        where = Path(f"{path} and the environment" if settings and given else "the environment" if given else path)
        return validated(Settings, settings | given, where)
    except InvalidInput as error:
        error.message = error.message.replace("correct the file", "correct it")
        error.args = (error.message,)
        raise


def _file(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InvalidInput(f"{path}: {error.strerror}; name another with THINKWORTH_CONFIG", field="config") from error
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{path} is not UTF-8 at byte {error.start}; save it as UTF-8", field="config") from error
    except tomllib.TOMLDecodeError as error:
        raise InvalidInput(f"{path} is no TOML: {error}; correct it", field="config") from error


def _environment(environ: Mapping[str, str]) -> dict[str, Any]:
    """Return the keys that the environment sets; an empty variable sets nothing."""
    found: dict[str, Any] = {}
    for name, text in environ.items():
        key = name.removeprefix(PREFIX).lower()
        if not name.startswith(PREFIX) or name in OTHERS or _OF_KUBERNETES.match(name) or not text.strip():
            continue
        if key not in Settings.model_fields:
            known = [PREFIX + field.upper() for field in Settings.model_fields]
            raise InvalidInput(f"environment: {unknown_key(name, known)}; correct it", field=name, limit=known)
        if key == "port" and text.startswith("tcp://"):
            continue  # Kubernetes' again: the address of the Service
        found[key] = _exploration(text) if key == "exploration" else _limits(text) if key == "limits" else text.strip()
    return found


def _limits(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise InvalidInput('THINKWORTH_LIMITS is no JSON; give {"body_kib": 256}', field="limits") from error


def _exploration(text: str) -> Any:
    try:
        value = json.loads(text)
    except ValueError as error:
        what = 'THINKWORTH_EXPLORATION is neither a rate nor JSON; give 0.05 or {"rate": 0.05, "avoid": 0.02}'
        raise InvalidInput(what, field="exploration") from error
    return {"rate": value} if isinstance(value, int | float) and not isinstance(value, bool) else value
