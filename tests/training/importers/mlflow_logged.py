"""Run as a program: logs traces into the MLflow store of MLFLOW_TRACKING_URI.

The story, span by span in the shapes of MLflow's integrations; the same shapes as mlflow.openai.autolog() writes them,
against a server of its own that speaks as OpenAI's; and spans of other frameworks.
"""

import json
import sys
import threading
from contextlib import suppress
from datetime import datetime
from http.server import BaseHTTPRequestHandler, HTTPServer

import mlflow
import openai
from mlflow import MlflowClient
from mlflow.entities import AssessmentSource

PRIMES = "How many primes lie between 90 and 110?"
CLIENT = MlflowClient()
ASKED = [{"role": "user", "content": "Why?"}]


TRACED = {  # what a span of OpenTelemetry's that was sent to /v1/traces looks like
    "mlflow.spanInputs": [{"role": "user", "parts": [{"type": "text", "content": "Why?"}]}],
    "mlflow.chat.tokenUsage": {"input_tokens": 20, "output_tokens": 812, "total_tokens": 832},
    "gen_ai.operation.name": "chat",
    "gen_ai.request.model": "model-a",
    "gen_ai.request.reasoning.level": "high",
    "gen_ai.response.id": "chatcmpl-3",
    "gen_ai.usage.input_tokens": 20,
    "gen_ai.usage.output_tokens": 812,
    "gen_ai.usage.reasoning.output_tokens": 780,
}


def at(moment, seconds=0.0):
    return round((datetime.fromisoformat(moment).timestamp() + seconds) * 1000) * 10**6


def logged(experiment, inputs, outputs, start, seconds, *, around=(), kind="CHAT_MODEL", name="Completions", **more):
    """Log one trace: spans named in `around` (name, type), and in them one call."""
    names = [*around, (name, kind)]
    times = {"start_time_ns": at(start)}
    root = span = CLIENT.start_trace(
        names[0][0], span_type=names[0][1], inputs=inputs, experiment_id=experiment, **more, **times
    )
    opened = []
    for name, kind in names[1:]:
        span = CLIENT.start_span(
            name, trace_id=root.trace_id, parent_id=span.span_id, span_type=kind, inputs=inputs, **times
        )
        opened.append(span)
    ends = {"outputs": outputs, "end_time_ns": at(start, seconds)}
    for one in reversed(opened):
        CLIENT.end_span(root.trace_id, one.span_id, **ends)
    CLIENT.end_trace(root.trace_id, **ends)
    return root.trace_id, span.span_id


def chat(number, prompt, *, usage, model="model-a", **parameters):
    """Return inputs and outputs as mlflow.openai.autolog() logs Chat Completions."""
    spent, billed, hidden = usage
    message = {"role": "assistant", "content": "...", "refusal": None, "tool_calls": None}
    details = {"reasoning_tokens": hidden, "audio_tokens": None}
    counts = {"prompt_tokens": spent, "completion_tokens": billed, "total_tokens": spent + billed}
    return {"model": model, "messages": [{"role": "user", "content": prompt}], **parameters}, {
        "id": f"req-{number}",
        "object": "chat.completion",
        "model": model,
        "choices": [{"finish_reason": "stop", "index": 0, "message": message}],
        "usage": {**counts, "completion_tokens_details": details, "prompt_tokens_details": None},
    }


def feedback(trace_id, value, **more):
    source = AssessmentSource("LLM_JUDGE", "judge")
    return mlflow.log_feedback(trace_id=trace_id, name="correctness", value=value, source=source, **more)


def log_story():
    story = CLIENT.create_experiment("story")
    CLIENT.create_experiment("empty")
    # listed in no order of time: traces are read oldest first
    embedded = {"model": "model-e", "input": ["Hello there."]}
    logged(story, embedded, {"object": "list"}, "2026-11-01T10:07:00Z", 0.1, kind="EMBEDDING", name="Embeddings")
    judged = chat(9, "Is this right?", usage=(9, 5, 0), reasoning_effort="low")
    trace, _ = logged(story, *judged, "2026-11-01T10:08:00Z", 1)
    CLIENT.set_trace_tag(trace, "mlflow.trace.sourceScorer", "correctness")

    trace, _ = logged(story, *chat(1, PRIMES, usage=(20, 12, 0), reasoning_effort="none"), "2026-11-01T08:00:00Z", 1.5)
    feedback(trace, "no")
    feedback(trace, "unknown")

    inside = [("answer", "CHAIN"), ("agent", "AGENT")]
    two = chat(2, PRIMES, usage=(20, 812, 780), reasoning_effort="high")
    trace, span = logged(story, *two, "2026-11-01T08:00:10Z", 12.25, around=inside)
    wrong = feedback(trace, False, span_id=span)
    human = AssessmentSource("HUMAN", "reader")
    mlflow.override_feedback(trace_id=trace, assessment_id=wrong.assessment_id, value=True, source=human)
    mlflow.log_feedback(trace_id=trace, name="tone", value="plain")
    mlflow.log_feedback(trace_id=trace, name="tone", error=RuntimeError("judge"))
    mlflow.log_feedback(trace_id=trace, name="remarks", value={"style": "plain"})
    mlflow.log_expectation(trace_id=trace, name="expected", value="Five.")

    turns = [("user", "Capital of Peru?"), ("assistant", "Lima."), ("user", "And of the country south of it?")]
    request = {
        "model": "model-a",
        "max_tokens": 4096,
        "system": "Answer in one word.",
        "messages": [{"role": role, "content": text} for role, text in turns],
        "thinking": {"type": "enabled", "budget_tokens": 2048},
    }
    answer = {
        "id": "req-3",
        "type": "message",
        "model": "model-a",
        "stop_reason": "end_turn",
        "content": [{"type": "thinking", "thinking": "..."}, {"type": "text", "text": "Santiago."}],
        "usage": {
            "input_tokens": 20,
            "cache_read_input_tokens": 40,
            "cache_creation_input_tokens": 0,
            "output_tokens": 300,
            "output_tokens_details": {"thinking_tokens": 290},
        },
    }
    trace, _ = logged(story, request, answer, "2026-11-01T09:30:00+02:00", 4, name="AsyncMessages.create")
    feedback(trace, 0.75)

    request = {
        "model": "model-b",
        "contents": "Schreibe den Satz um: Der Zug fährt später ab.",
        "config": {"thinking_config": {"thinking_budget": 0}},
    }
    answer = {
        "response_id": "req-4",
        "model_version": "model-b",
        "candidates": [{"finish_reason": "STOP", "content": {"parts": [{"text": "..."}], "role": "model"}}],
        "usage_metadata": {"prompt_token_count": 25, "candidates_token_count": 9, "total_token_count": 34},
    }
    around = [("Models.generate_content", "LLM")]
    inner = {"around": around, "kind": "LLM", "name": "Models._generate_content"}
    logged(story, request, answer, "2026-11-01T03:00:00-05:00", 0.75, **inner)

    asked = [{"role": "user", "content": "Sort the list 3, 1, 2 and explain each step."}]
    request = {"model": "model-a", "input": asked, "reasoning": {"effort": "medium"}}
    answer = {
        "id": "req-5",
        "object": "response",
        "model": "model-a",
        "status": "completed",
        "reasoning": {"effort": "medium", "summary": None},
        "output": [{"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "..."}]}],
        "usage": {
            "input_tokens": 30,
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": 140,
            "output_tokens_details": {"reasoning_tokens": 90},
            "total_tokens": 170,
        },
    }
    trace, _ = logged(story, request, answer, "2026-11-01T10:00:00Z", 5, name="Responses")
    feedback(trace, 0.5)

    logged(story, *chat(6, "Hello there.", usage=(9, 5, 0)), "2026-11-01T10:05:00Z", 1)
    request, answer = chat(7, "", usage=(9, 5, 0), reasoning_effort="low")
    del request["messages"]
    logged(story, request, answer, "2026-11-01T10:06:00Z", 1)


class OpenAI(BaseHTTPRequestHandler):
    """What the OpenAI API answers; 500 to the model `broken`."""

    def log_message(self, *_):
        pass

    def do_POST(self):
        request = json.loads(self.rfile.read(int(self.headers["content-length"])))
        counts = {"input_tokens": 20, "output_tokens": 812, "total_tokens": 832}
        details = {"reasoning_tokens": 780}
        named = {"prompt_tokens": 20, "completion_tokens": 812, "total_tokens": 832}
        usage = {**named, "completion_tokens_details": details, "prompt_tokens_details": {"cached_tokens": 4}}
        answer = {"id": "chatcmpl-1", "created": 1, "model": "model-a-2026", "object": "chat.completion"}
        message = {"role": "assistant", "content": "Because."}
        if request["model"] == "broken":
            return self.answer(500, {"error": {"message": "out of order"}})
        if self.path.endswith("/responses"):
            items = [{"type": "message", "id": "m", "role": "assistant", "status": "completed", "content": []}]
            taken = {"reasoning": {"effort": "medium", "summary": None}, "status": "completed", "output": items}
            counts |= {"output_tokens_details": details, "input_tokens_details": {"cached_tokens": 4}}
            defaults = {"parallel_tool_calls": True, "tool_choice": "auto", "tools": []}
            answer |= {"id": "resp_1", "object": "response", "created_at": 1, "usage": counts, **taken, **defaults}
        elif self.path.endswith("/embeddings"):
            answer = {
                "object": "list",
                "data": [],
                "model": "model-e",
                "usage": {"prompt_tokens": 2, "total_tokens": 2},
            }
        elif request.get("stream"):
            answer |= {"id": "chatcmpl-2", "object": "chat.completion.chunk"}
            chunk = {**answer, "choices": [{"index": 0, "finish_reason": None, "delta": message}]}
            last = {**answer, "choices": [{"index": 0, "finish_reason": "stop", "delta": {}}], "usage": usage}
            lines = [f"data: {json.dumps(chunk)}", f"data: {json.dumps(last)}", "data: [DONE]"]
            return self.send(200, "\n\n".join([*lines, ""]).encode(), "text/event-stream")
        else:
            answer |= {"choices": [{"index": 0, "finish_reason": "stop", "message": message}], "usage": usage}
        return self.answer(200, answer)

    def answer(self, status, body):
        self.send(status, json.dumps(body).encode(), "application/json")

    def send(self, status, body, kind):
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def log_autologged():
    mlflow.set_experiment("autolog")
    mlflow.openai.autolog()
    server = HTTPServer(("127.0.0.1", 0), OpenAI)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    client = openai.OpenAI(base_url=f"http://127.0.0.1:{server.server_port}/v1", api_key="none", max_retries=0)
    create = client.chat.completions.create

    with mlflow.start_span("answer", span_type="CHAIN"):
        marks = {"thinkworth.decision_id": "decision-1", "thinkworth.p_reasoning": "0.25"}
        mlflow.update_current_trace(client_request_id="client-1", session_id="session-1", tags=marks)
        create(model="model-a", messages=ASKED, reasoning_effort="high", extra_body={"enable_thinking": True})
    client.responses.create(model="model-a", input=ASKED, instructions="Be brief.")
    streamed = create(model="model-a", messages=ASKED, stream=True, stream_options={"include_usage": True})
    list(streamed)
    client.embeddings.create(model="model-e", input="Why?", encoding_format="float")
    with suppress(openai.InternalServerError):
        create(model="broken", messages=ASKED)
    with mlflow.start_span("twice", span_type="AGENT") as span:
        mlflow.update_current_trace(client_request_id="client-2", tags={"thinkworth.decision_id": "decision-2"})
        create(model="model-a", messages=ASKED)
        create(model="model-a", messages=ASKED, metadata={"thinkworth": '{"decision_id": "decision-3"}'})
    feedback(span.trace_id, 1.0)
    server.shutdown()
    mlflow.openai.autolog(disable=True)


def log_shapes():
    """Log spans of other frameworks and of one's own, one trace each."""
    mlflow.set_experiment("shapes")
    request = {"messages": ASKED}
    counts = {"input_tokens": 10, "output_tokens": 32, "total_tokens": 42, "cache_read_input_tokens": 4}
    cost = {"input_cost": 0.01, "output_cost": 0.02, "total_cost": 0.03}
    for name, inputs, attributes in (
        ("own", request, {"mlflow.chat.tokenUsage": counts, "mlflow.llm.cost": cost, "mlflow.llm.model": "model-a"}),
        ("gemini", request, {"mlflow.chat.tokenUsage": counts | {"total_tokens": 822}}),
        ("ChatOpenAI", request, {"invocation_params": {"model": "model-a", "reasoning_effort": "low"}}),
        ("litellm-completion", request, {"model": "model-a", "cache_hit": False, "response_cost": 0.25}),
        ("litellm-completion", request, {"model": "model-a", "cache_hit": True}),
        ("Models.count_tokens", {"model": "model-a", "contents": "Why?"}, {}),
        ("chat model-a", None, TRACED),
        ("minus", request, {"mlflow.chat.tokenUsage": counts | {"output_tokens": -1}, "mlflow.llm.model": "model-a"}),
        ("odd", {"question": "Why?"}, {}),
        ("bare", "Why?", {}),
    ):
        with mlflow.start_span(name, span_type="LLM", attributes=attributes) as span:
            if inputs is not None:
                span.set_inputs(inputs)
            span.set_outputs("Because.")


if __name__ == "__main__":
    sys.modules["litellm"] = None  # MLflow would take ten seconds to look up what the calls cost
    log_story()
    log_autologged()
    log_shapes()
