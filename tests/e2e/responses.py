# SPDX-License-Identifier: Apache-2.0
"""What every answer and stream of POST /v1/responses must be like.

OpenAI's own schemas check them: the pydantic models of the openai package, which are generated from its published OpenAPI file, in
strict mode and with all members that the models know as required.
"""

import json
from typing import get_args

from openai.types.responses import Response, ResponseStreamEvent

EVENTS = {model.model_fields["type"].annotation.__args__[0]: model for model in get_args(get_args(ResponseStreamEvent)[0])}
TERMINAL = {"response.completed", "response.incomplete", "response.failed"}
# whole text of a part or of arguments: delta event -> (its done event, the member with the whole)
WHOLES = {"response.output_text.delta": ("response.output_text.done", "text"),
          "response.refusal.delta": ("response.refusal.done", "refusal"),
          "response.reasoning_summary_text.delta": ("response.reasoning_summary_text.done", "text"),
          "response.function_call_arguments.delta": ("response.function_call_arguments.done", "arguments")}


def check_response(value, model=None):
    """A response object; it as it came."""
    Response.model_validate_json(json.dumps(value), strict=True)
    assert value["object"] == "response" and value["id"].startswith("resp_") and len(value["id"]) == 31
    if model is not None:
        assert value["model"] == model
    ids = [item["id"] for item in value["output"]]
    assert len(set(ids)) == len(ids)
    usage = value["usage"]
    if usage is not None:
        assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"]
    return value


def check_stream(events, model=None):
    """All events of a stream that ends well; the last response."""
    for at, event in enumerate(events):
        EVENTS[event["type"]].model_validate_json(json.dumps(event), strict=True)
        assert event["sequence_number"] == at, (at, event)
    types = [event["type"] for event in events]
    assert types[:2] == ["response.created", "response.in_progress"]
    assert types[-1] in ("response.completed", "response.incomplete") and not TERMINAL & set(types[:-1])
    assert all(e["response"]["status"] == "in_progress" and e["response"]["output"] == [] for e in events[:2])
    last = check_response(events[-1]["response"], model)
    assert {e["response"]["id"] for e in (*events[:2], events[-1])} == {last["id"]}
    check_items(events, last["output"])
    return last


def check_items(events, output):
    """Each item is added, grows and is done, in this order; what is done is the response's output."""
    added, done, grown = {}, {}, {}
    for event in events:
        at = event.get("output_index")
        if event["type"] == "response.output_item.added":
            assert at == len(added)
            added[at] = event["item"]
        elif event["type"] == "response.output_item.done":
            assert at in added and at not in done and event["item"]["id"] == added[at]["id"]
            done[at] = event["item"]
        elif at is not None:
            assert event["item_id"] == added[at]["id"] and at not in done
            grow(grown, event, at)
    assert sorted(done) == sorted(added) == list(range(len(output)))
    assert [done[at] for at in range(len(output))] == output


def grow(grown, event, at):
    place = (at, event.get("content_index"), event.get("summary_index"))
    if event["type"] in WHOLES:
        grown[place] = grown.get(place, "") + event["delta"]
    for end, member in WHOLES.values():
        if event["type"] == end:
            assert grown.get(place, "") in (event[member], "") and (place in grown or event[member] in ("", "{}"))


def text_of(response):
    """The text of all messages."""
    return "".join(part["text"] for item in response["output"] if item["type"] == "message" for part in item["content"] if part["type"] == "output_text")


def calls_of(response):
    return [item for item in response["output"] if item["type"] == "function_call"]
