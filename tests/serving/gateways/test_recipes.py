"""The recipes for Kong, curl and Python do what they say, against the real service."""

import json
import re
import socket
import subprocess

import httpx
import pytest
import yaml
from pydantic import BaseModel, ConfigDict

from contract.locate import ROOT
from serving.gateways import thinking

FOLDER = ROOT / "docs" / "gateways"
BODY = {"model": "gpt-5.1", "messages": [{"role": "user", "content": "What is 1 + 9900?"}], "temperature": 1}


def blocks(name, language):
    return re.findall(rf"```{language}\n(.*?)```", (FOLDER / name).read_text(encoding="utf-8"), re.DOTALL)


def nobody():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}"


def test_the_curl_lines_run(served):
    (lines,) = blocks("plain.md", "bash")
    for line in lines.strip().replace("http://127.0.0.1:3000", served.url).splitlines():
        done = subprocess.run(f"{line} --fail", shell=True, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, (line, done.stdout, done.stderr)
    assert json.loads(done.stdout)["outcomes"][0]["status"] == "new"


def test_the_python_client(served):
    (code,) = blocks("plain.md", "python")
    for address, answers in ((served.url, True), (nobody(), False)):
        client: dict = {}
        exec(code.replace("http://127.0.0.1:3000", address).replace("timeout=0.2", "timeout=60"), client)
        body, decision = client["with_thinking"](BODY)
        assert {**body, **BODY} == body
        assert (decision is not None) is answers
        if decision:
            assert decision["verdict"] == "avoid"
            client["tell"](decision, {"completion_tokens": 3}, 0.1)
            told = {
                "decision_id": decision["decision_id"],
                "arm": decision["arm"],
                "output_tokens": 3,
                "latency_s": 0.1,
            }
            again = client["thinkworth"].post("/outcomes", json=told).json()
            assert again["counts"] == {"repeated": 1}
        assert client["with_thinking"]({**BODY, "reasoning_effort": "high"}) == (
            {**BODY, "reasoning_effort": "high"},
            None,
        )
        assert client["with_thinking"]({"prompt": "hi"}) == ({"prompt": "hi"}, None)
        unknown = {**BODY, "model": "house-7b"}
        assert client["with_thinking"](unknown) == (unknown, None), "an arm that is not put in is not told of"
        client["thinkworth"].close()


HARD = {
    **BODY,
    "messages": [
        {
            "role": "user",
            "content": "Alice is older than Bob, Carol is younger than Bob but older than Dan. Who is second?",
        }
    ],
}
"""What is thought about."""


def test_the_python_client_leaves_alone_what_is_refused_beside_thinking(served):
    (code,) = blocks("plain.md", "python")
    client: dict = {}
    exec(code.replace("http://127.0.0.1:3000", served.url).replace("timeout=0.2", "timeout=60"), client)
    for own in ({"temperature": 0.3}, {"top_p": 0}, {"logprobs": True}):
        assert client["with_thinking"]({**HARD, **own}) == ({**HARD, **own}, None)
    body, decision = client["with_thinking"]({**HARD, "max_completion_tokens": 900})
    assert decision["arm"] == "reasoning"
    assert body["reasoning_effort"] in ("low", "medium", "high")
    assert decision["thinking_budget"] <= 675, "the cap on the answer is sent along"
    claude = {"model": "claude-opus-5", "messages": HARD["messages"], "output_format": {"a": 1}}
    assert client["merged"]({"output_config": {"format": 1}}, {"output_config": {"effort": "low"}}) == {
        "output_config": {"format": 1, "effort": "low"}
    }
    assert client["with_thinking"](claude, "anthropic")[0]["thinking"] == {"type": "adaptive"}
    client["thinkworth"].close()


@pytest.fixture
def client(served):
    """The Python recipe, beside the service."""
    (code,) = blocks("plain.md", "python")
    names: dict = {}
    exec(code.replace("http://127.0.0.1:3000", served.url).replace("timeout=0.2", "timeout=60"), names)
    yield names
    names["thinkworth"].close()


class Sdk(BaseModel):
    """Stands for an object of a provider's SDK, which are pydantic's too."""

    model_config = ConfigDict(extra="allow")


OWN = [
    ("vllm", {"model": "Qwen/Qwen3-32B", "chat_template_kwargs": {"enable_thinking": True}}),
    ("dashscope", {"model": "qwen3-32b", "enable_thinking": True}),
    ("gemini", {"model": "gemini-2.5-flash", "generationConfig": {"thinkingConfig": {"thinkingBudget": 5000}}}),
    ("litellm", {"extra_body": {"chat_template_kwargs": {"thinking": False}}}),
    ("anthropic", {"model": "claude-opus-5", "output_config": Sdk(effort="low")}),
]


@pytest.mark.parametrize(("provider", "own"), OWN)
def test_the_python_client_leaves_the_callers_own_thinking(client, provider, own):
    body = {**BODY, **own}
    assert client["with_thinking"](body, provider) == (body, None)
    own_key = next(key for key in own if key != "model")
    assert client["with_thinking"]({**body, own_key: None}, provider)[1], "it is the key that keeps it from asking"


def test_the_recipes_know_the_keys_that_set_thinking(client):
    assert (client["OF_THINKING"], client["NESTS"]) == ([*thinking.OF_THINKING], [*thinking.NESTS])
    text = (FOLDER / "kong.md").read_text(encoding="utf-8")
    lists = re.findall(r"ipairs\(\{\n(.*?)\}\)", text, re.DOTALL)
    assert [tuple(re.findall(r'"(\w+)"', one)) for one in lists] == [thinking.OF_THINKING, thinking.NESTS] * 2


@pytest.mark.parametrize("provider", ["anthropic", "litellm"])
@pytest.mark.parametrize(
    ("choice", "left"), [({"type": "any"}, True), ({"type": "tool", "name": "f"}, True), ({"type": "auto"}, False)]
)
def test_the_python_client_leaves_a_forced_tool_alone(client, provider, choice, left):
    model = "claude-opus-5" if provider == "anthropic" else "anthropic/claude-opus-5"
    body = {
        **HARD,
        "model": model,
        "max_tokens": 20000,
        "tools": [{"name": "f", "input_schema": {}}],
        "tool_choice": choice,
    }
    changed, decision = client["with_thinking"](body, provider)
    assert (changed == body, decision is None) == (left, left)


def test_the_python_client_takes_objects_of_an_sdk(client):
    call = Sdk(id="c1", type="function", function=Sdk(name="look", arguments="{}"))
    turn = Sdk(role="assistant", content=None, refusal=None, audio=None, tool_calls=[call])
    result = {"role": "tool", "tool_call_id": "c1", "content": "9901"}
    body = {**BODY, "messages": [*BODY["messages"], turn, result]}
    changed, decision = client["with_thinking"](body)
    assert changed == {**body, **decision["params"]}
    assert changed["messages"][1] is turn
    usage = {"completion_tokens": 3, "prompt_tokens": 1}
    client["tell"](decision, Sdk(**usage), 0.1)
    assert repeated(client, decision, 3)
    held = {"metadata": Sdk(a=1)}
    assert client["merged"](held, {"metadata": {"b": 2}}) == {"metadata": {"a": 1, "b": 2}}


def repeated(client, decision, tokens):
    """Whether this outcome was told before."""
    told = {"decision_id": decision["decision_id"], "arm": decision["arm"], "output_tokens": tokens, "latency_s": 0.1}
    return client["thinkworth"].post("/outcomes", json=told).json()["counts"] == {"repeated": 1}


def test_the_python_client_raises_nothing(client):
    body = {**BODY, "messages": [{"role": "user", "content": object()}]}
    assert client["with_thinking"](body) == (body, None)
    _, decision = client["with_thinking"](BODY)
    client["tell"](decision, None, 0.1)
    client["tell"](None, {"completion_tokens": 3}, 0.1)
    assert not repeated(client, decision, 3)


def test_the_python_client_does_not_tell_what_was_not_enforced(client):
    _, decision = client["with_thinking"]({**BODY, "model": "gemini-2.5-pro"}, "gemini")
    assert (decision["arm"], decision["enforced"]) == ("direct", False)
    client["tell"](decision, {"completion_tokens": 3}, 0.1)
    assert not repeated(client, decision, 3)
    _, decision = client["with_thinking"](BODY)
    client["tell"](decision, {"output_tokens": 3}, 0.1)
    assert repeated(client, decision, 3)


class Kong:
    """Stands for what Kong gives Lua: the request, what is set on it, and an HTTP client; in the Lua that Kong has."""

    def __init__(self, body, thinkworth, params, provider="openai"):
        self.provider = provider
        self.body, self.thinkworth, self.params = body, thinkworth, params
        self.upstream, self.headers, self.asked = body, {}, []
        self.lua = pytest.importorskip("lupa.lua51", reason="needs lupa, of the development group").LuaRuntime()
        to = self.lua.eval
        self.null = object()
        cjson = {"encode": self.encode, "decode": self.decode, "null": self.null}
        request = {"get_body": lambda _=None: self.to_lua(self.body), "get_header": {"x-request-id": "req-9"}.get}
        service = {"set_body": lambda table, kind: setattr(self, "upstream", self.of_lua(table))}
        response = {"set_header": lambda name, value: self.headers.update({name: value})}
        callouts = {"thinkworth": {"request": {"params": {}}, "response": {}}}
        kong = {"request": request, "service": {"request": service}, "response": response}
        kong["ctx"] = {"shared": {"callouts": callouts}}
        self.kong = self.table(kong)
        self.lua.globals().kong = self.kong
        made = to(
            "function(ask) return {set_timeouts = function() end, request_uri = function(_, url, o) return ask(url, o) end} end"
        )
        modules = {"cjson.safe": self.table(cjson), "resty.http": self.table({"new": lambda: made(self.request)})}
        self.lua.globals().require = modules.__getitem__

    def table(self, value):
        return self.lua.table_from({k: self.table(v) if isinstance(v, dict) else v for k, v in value.items()})

    def to_lua(self, value):
        if isinstance(value, dict):
            return self.lua.table_from({key: self.to_lua(one) for key, one in value.items()})
        if isinstance(value, list):
            return self.lua.table_from([self.to_lua(one) for one in value])
        return self.null if value is None else value

    def of_lua(self, value):
        if type(value).__name__ != "_LuaTable":
            return None if value is self.null else value
        if keys := list(value.keys()):
            listed = keys == list(range(1, len(keys) + 1))
            return [self.of_lua(value[k]) for k in keys] if listed else {k: self.of_lua(value[k]) for k in keys}
        return []

    def encode(self, table):
        return json.dumps(self.of_lua(table))

    def decode(self, text):
        return self.to_lua(json.loads(text))

    def request(self, url, options):
        self.asked.append(json.loads(options.body))
        try:
            reply = httpx.post(url.replace("http://127.0.0.1:3000", self.thinkworth), content=options.body, timeout=60)
        except httpx.TransportError:
            return None
        answer = reply.json()
        if reply.is_success:
            answer["params"] = self.params or answer["params"]
        return self.to_lua({"status": reply.status_code, "body": json.dumps(answer)})


def configuration(kong, number):
    """The configuration, for the provider of the request."""
    return yaml.safe_load(blocks("kong.md", "yaml")[number].replace('"openai"', f'"{kong.provider}"'))


def pre_function(kong):
    (code,) = configuration(kong, 0)["services"][0]["plugins"][0]["config"]["access"]
    kong.lua.execute(code)


def request_callout(kong):
    config = configuration(kong, 1)["services"][0]["plugins"][0]["config"]
    (callout,) = config["callouts"]
    kong.lua.execute(callout["request"]["by_lua"])
    shared = kong.kong.ctx.shared.callouts.thinkworth
    said = kong.request(callout["request"]["url"], shared.request.params)
    assert callout["request"]["error"] == {"on_error": "continue"}
    if said:
        shared.response = kong.to_lua({"status": said.status, "body": json.loads(said.body)})
    kong.lua.execute(config["upstream"]["by_lua"])


PARAMS = {"reasoning_effort": "none", "metadata": {"b": 2}}


@pytest.mark.parametrize("plugin", [pre_function, request_callout])
@pytest.mark.parametrize(
    ("body", "params", "upstream"),
    [
        ({**BODY, "metadata": {"a": 1}}, PARAMS, {**BODY, "metadata": {"a": 1, "b": 2}, "reasoning_effort": "none"}),
        ({**BODY, "reasoning_effort": None}, PARAMS, {**BODY, **PARAMS}),
        ({**BODY, "reasoning_effort": "high"}, PARAMS, None),
        ({**BODY, "chat_template_kwargs": {"enable_thinking": True}}, PARAMS, None),
        ({**BODY, "extra_body": {"chat_template_kwargs": {"thinking": False}}}, PARAMS, None),
        ({**BODY, "chat_template_kwargs": {"a": 1}}, PARAMS, {**BODY, **PARAMS, "chat_template_kwargs": {"a": 1}}),
        ({"model": "gpt-5.1", "messages": [{"role": "nobody", "content": "x"}]}, PARAMS, None),
        ({"model": "gpt-5.1", "input": "x"}, PARAMS, None),
    ],
    ids=["merged", "null", "own", "own nested", "own nested deep", "nest of others", "refused", "no messages"],
)
def test_kong_puts_the_parameters_in(served, plugin, body, params, upstream):
    kong = Kong(body, served.url, params)
    plugin(kong)
    assert kong.upstream == (body if upstream is None else upstream)
    assert all(asked["provider"] == "openai" and asked["request_id"] == "req-9" for asked in kong.asked)
    if upstream is not None:
        assert len(kong.headers["x-thinkworth-decision-id"]) == 36


@pytest.mark.parametrize("plugin", [pre_function, request_callout])
@pytest.mark.parametrize(
    ("own", "put"), [({"temperature": 0.3}, False), ({}, True), ({"logprobs": True}, False), ({"top_p": 0}, False)]
)
def test_kong_puts_no_thinking_beside_what_is_refused_there(served, plugin, own, put):
    body = {**HARD, **own, "max_tokens": 900}
    kong = Kong(body, served.url, None)
    plugin(kong)
    assert ("reasoning_effort" in kong.upstream) is put
    assert {key: kong.upstream[key] for key in body} == body
    assert all(asked["max_output_tokens"] == 900 for asked in kong.asked)


@pytest.mark.parametrize("plugin", [pre_function, request_callout])
@pytest.mark.parametrize(
    ("own", "put"),
    [
        ({"tool_choice": {"type": "any"}}, False),
        ({"tool_choice": {"type": "tool", "name": "f"}}, False),
        ({"tool_choice": {"type": "auto"}}, True),
        ({"top_k": 5}, False),
    ],
)
def test_kong_leaves_a_forced_tool_alone_for_anthropic(served, plugin, own, put):
    body = {
        **HARD,
        **own,
        "model": "claude-opus-5",
        "max_tokens": 20000,
        "tools": [{"name": "f", "input_schema": {"type": "object"}}],
    }
    kong = Kong(body, served.url, None, "anthropic")
    plugin(kong)
    assert ("thinking" in kong.upstream) is put
    assert {key: kong.upstream[key] for key in body} == body
    assert all(asked["provider"] == "anthropic" for asked in kong.asked)


@pytest.mark.parametrize("plugin", [pre_function, request_callout])
def test_kong_goes_on_without_thinkworth(plugin):
    kong = Kong(BODY, nobody(), PARAMS)
    plugin(kong)
    assert (kong.upstream, kong.headers, len(kong.asked)) == (BODY, {}, 1)


def test_kongs_configurations_name_known_keys():
    """The keys of request-callout, from its published schema of 3.12; all three timeouts or none."""
    (callout,) = (config := yaml.safe_load(blocks("kong.md", "yaml")[1])["services"][0]["plugins"][0]["config"])[
        "callouts"
    ]
    assert config.keys() <= {"cache", "callouts", "upstream"}
    assert callout.keys() <= {"cache", "depends_on", "name", "request", "response"}
    assert callout["request"].keys() <= {"body", "by_lua", "error", "headers", "http_opts", "method", "query", "url"}
    assert callout["request"]["http_opts"]["timeouts"].keys() == {"connect", "read", "write"}
    assert config["upstream"].keys() <= {"body", "by_lua", "headers", "query"}
