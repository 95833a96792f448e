# SPDX-License-Identifier: Apache-2.0
"""Recorded traffic of the providers, replayed: the client gets what the provider sent, whole or event by event. Ours are usage.cost,
the model's name at OpenRouter, and OpenRouter's own cost fields, which are taken out."""

import csv
import json
import pathlib

import pytest
from client import chat_body
from fake import script
from fake import new_word

RECORDINGS = pathlib.Path(__file__).resolve().parent.parent / "upstream" / "recordings"
MODELS = {"openai": "gpt-4o", "openrouter": "deepseek-v3.2"}
COST_FIELDS = ("cost", "cost_details", "is_byok")


def cases():
    with open(RECORDINGS / "index.tsv", encoding="utf-8") as index:
        for row in csv.DictReader((line for line in index if not line.startswith("#")), delimiter="\t"):
            if row["provider"] in MODELS and row["api"] == "chat":
                yield pytest.param(row, id=f"{row['provider']}/{row['case']}")


def directory(row):
    return RECORDINGS / row["provider"] / row["case"]


def recorded_events(row):
    data = (directory(row) / "response.sse").read_bytes().replace(b"\r\n", b"\n").decode()
    events = [line.removeprefix("data:").strip() for line in data.split("\n") if line.startswith("data:")]
    done = events[-1] == "[DONE]"
    return [json.loads(e) for e in events[:len(events) - done]], done


def without_cost(usage):
    """The usage object without anyone's cost."""
    return None if usage is None else {k: v for k, v in usage.items() if k not in COST_FIELDS}


def as_client_sees(row, value):
    value = json.loads(json.dumps(value))
    if row["provider"] == "openrouter":
        value["model"] = MODELS["openrouter"]
    return value


def call(account, row, **fields):
    word = new_word()
    content = script(word, {"replay": f"{row['provider']}/{row['case']}"})
    return chat_body(content, model=MODELS[row["provider"]], **fields)


@pytest.mark.parametrize("row", [c for c in cases() if c.values[0]["stream"] == "0"])
def test_plain(account, row):
    recorded = json.loads((directory(row) / "response.json").read_text())
    answer = account.api.post("/v1/chat/completions", call(account, row))
    if int(row["status"]) != 200:
        return check_error(account, row, recorded, answer)
    assert answer.status == 200, answer
    got, want = answer.json, as_client_sees(row, recorded)
    cost = got["usage"].pop("cost")
    want["usage"] = without_cost(want.get("usage"))
    assert got == want
    assert cost == float(answer.headers["x-ai-credits-charged"])
    usage = account.usage(answer)
    assert usage["status"] == "ok" and usage["estimated"] is False
    return check_counts(usage, recorded["usage"])


def check_error(account, row, recorded, answer):
    """A provider's 4xx keeps status and meaning."""
    assert answer.status == int(row["status"]), answer
    assert answer.error["message"], answer
    for name in ("type", "param", "code"):
        if isinstance(recorded["error"].get(name), str):
            assert answer.error[name] == recorded["error"][name]
    assert "org-" not in answer.error["message"] and "user_" not in answer.error["message"]
    assert account.spent() == 0


def check_counts(usage, recorded):
    """The usage row says what the provider counted."""
    kinds = {line["kind"]: int(line["tokens"]) for line in usage["arithmetic"]["lines"]}
    prompt = recorded.get("prompt_tokens_details") or {}
    cached, written = prompt.get("cached_tokens") or 0, prompt.get("cache_write_tokens") or 0
    assert kinds.get("cached_input", 0) == cached
    assert kinds.get("cache_write_5m", 0) == written
    assert kinds.get("input", 0) == recorded["prompt_tokens"] - cached - written
    assert kinds.get("output", 0) + kinds.get("reasoning", 0) == recorded["completion_tokens"]
    if "cost" in recorded:
        assert str(float(usage["arithmetic"]["upstream_cost_usd"])) == str(float(recorded["cost"]))


@pytest.mark.parametrize("asked", [False, True], ids=["without usage", "with usage"])
@pytest.mark.parametrize("row", [c for c in cases() if c.values[0]["stream"] == "1"])
def test_streamed(account, row, asked):
    recorded, recorded_done = recorded_events(row)
    fields = {"stream_options": {"include_usage": True}} if asked else {}
    body = call(account, row, **fields)
    body.pop("stream", None)
    with account.api.chat_stream(body["messages"][0]["content"], model=body["model"], **fields) as stream:
        assert stream.status == 200
        got, done = stream.chunks()
    failed = next((i for i, e in enumerate(recorded) if e.get("error")), None)
    if failed is not None:
        assert not done and got[-1]["error"]["message"]
        assert account.spent() == 0
        recorded, got = recorded[:failed], got[:-1]
    else:
        assert done and recorded_done
    usage = next((e["usage"] for e in reversed(recorded) if e.get("usage")), None)
    want = []
    for event in recorded:
        if event.get("usage") and not event["choices"]:
            continue    # written anew at the end
        event = as_client_sees(row, event)
        event.pop("usage", None)
        want.append(dict(event, usage=None) if asked else event)
    if failed is None and asked:
        last = got.pop()
        assert last["choices"] == [] and last["usage"].pop("cost") > 0
        assert last["usage"] == without_cost(usage)
        assert last["id"] == want[-1]["id"] and last["model"] == want[-1]["model"]
    assert got == want
    if failed is None:
        row_of_usage = account.usage(stream)
        assert row_of_usage["status"] == "ok" and row_of_usage["estimated"] is False
        check_counts(row_of_usage, usage)


def test_every_recording_of_these_apis_is_used():
    rows = [c.values[0] for c in cases()]
    assert len(rows) == 33 and {r["provider"] for r in rows} == {"openai", "openrouter"}
