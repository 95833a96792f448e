# SPDX-License-Identifier: Apache-2.0
"""Anthropic's language as a client speaks it: bodies, and streams put together and checked on the way."""

import json

from client import Stream


def message_body(content="hello", **fields):
    """A request: claude-sonnet-4-6 and one user message unless the fields say otherwise; None leaves a field out."""
    body = {"model": "claude-sonnet-4-6", "max_tokens": 400, "messages": [{"role": "user", "content": content}]}
    body.update(fields)
    return {k: v for k, v in body.items() if v is not None}


def post(api, content="hello", headers=None, **fields):
    return api.post("/v1/messages", message_body(content, **fields), headers=headers)


def named_events(text):
    """(name, data) of each event in the text of a stream; comments are left out."""
    for part in text.replace("\r\n", "\n").split("\n\n"):
        lines = [line for line in part.split("\n") if line and not line.startswith(":")]
        if lines:
            name, data = lines
            yield name.removeprefix("event: "), json.loads(data.removeprefix("data: "))


def check_delta(block, delta):
    wanted = {"text_delta": ("text",), "thinking_delta": ("thinking",), "signature_delta": ("thinking",),
              "input_json_delta": ("tool_use", "server_tool_use")}
    if delta["type"] in wanted:
        assert block["type"] in wanted[delta["type"]]


class Message:
    """What a client puts together of a stream; fails where the order of events is not Anthropic's."""

    def __init__(self, text):
        self.events = list(named_events(text))
        self.start = self.delta = self.error = None
        self.blocks, self.open, self.whole = [], {}, False
        for name, event in self.events:
            assert event["type"] == name and not self.whole and self.error is None
            getattr(self, "on_" + name)(event)
        assert self.whole or self.error

    def on_ping(self, event):
        pass

    def on_error(self, event):
        self.error = event["error"]

    def on_message_start(self, event):
        assert self.start is None
        self.start = event["message"]
        assert self.start["content"] == [] and self.start["stop_reason"] is None and self.start["role"] == "assistant"
        assert isinstance(self.start["usage"]["input_tokens"], int)

    def on_content_block_start(self, event):
        assert self.start and self.delta is None and event["index"] == len(self.blocks)
        self.blocks.append(dict(event["content_block"]))
        self.open[event["index"]] = ""

    def on_content_block_delta(self, event):
        assert event["index"] in self.open
        block, delta = self.blocks[event["index"]], event["delta"]
        check_delta(block, delta)
        if delta["type"] == "input_json_delta":
            self.open[event["index"]] += delta["partial_json"]
        elif delta["type"] in ("text_delta", "thinking_delta", "signature_delta"):
            member = delta["type"].removesuffix("_delta")
            block[member] += delta[member]

    def on_content_block_stop(self, event):
        arguments = self.open.pop(event["index"])
        block = self.blocks[event["index"]]
        if block["type"] in ("tool_use", "server_tool_use") and arguments:
            block["input"] = json.loads(arguments)

    def on_message_delta(self, event):
        assert not self.open
        self.delta = event

    def on_message_stop(self, event):
        assert self.delta
        self.whole = True

    @property
    def usage(self):
        return self.delta["usage"]

    @property
    def stop_reason(self):
        return self.delta["delta"]["stop_reason"]

    def text(self):
        return "".join(b["text"] for b in self.blocks if b["type"] == "text")


def stream(api, content="hello", headers=None, **fields):
    """(Message, headers) of a streamed call."""
    with Stream(*api.open("POST", "/v1/messages", message_body(content, stream=True, **fields), headers)) as opened:
        text = opened.read_rest().decode()
        assert opened.status == 200, text
        assert opened.headers["content-type"].startswith("text/event-stream")
        return Message(text), opened.headers


def text_of(answer):
    assert answer.status == 200, answer
    return "".join(b["text"] for b in answer.json["content"] if b["type"] == "text")
