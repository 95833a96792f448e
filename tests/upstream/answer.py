# SPDX-License-Identifier: Apache-2.0
"""The provider-neutral request (Ask) and answer (Answer), and how the second follows from the first."""

import itertools
import json
import math
import re
import secrets
from dataclasses import dataclass, field

PIECES = re.compile(r"\s*\S+")


class Refuse(Exception):
    """The request is refused; `fields` are message, type, code, param as far as the provider has them."""

    def __init__(self, status, message, **fields):
        super().__init__(message)
        self.status = status
        self.fields = dict(fields, message=message)


@dataclass
class Ask:
    provider: str = ""
    api: str = ""
    model: str = ""
    stream: bool = False
    user_text: str = ""              # last user text, marks included
    prompt_bytes: int = 0            # of everything that is text
    messages: int = 0
    images: int = 0
    tools: list = field(default_factory=list)      # (name, schema)
    tool_choice: str = "auto"        # none auto required, or "=name"
    parallel: bool = True
    tool_result: str = None          # text of the last tool result if the last turn is one
    max_tokens: int = None
    n: int = 1
    stop: list = field(default_factory=list)
    json_mode: object = None         # None, "object", or a schema (dict)
    logprobs: int = None             # None, or number of alternatives
    include_usage: bool = False
    reasoning: bool = False          # think
    show_reasoning: bool = False
    inputs: list = field(default_factory=list)     # embeddings
    dimensions: int = None
    base64: bool = False
    extra: dict = field(default_factory=dict)      # for the format's own use


@dataclass
class Choice:
    pieces: object                   # text, an iterable of words; may be endless
    tool_calls: list = field(default_factory=list)  # (id, name, arguments text)
    finish: str = "stop"
    reasoning: str = ""
    refusal: str = None

    def text(self):
        return "".join(self.pieces)


@dataclass
class Answer:
    choices: list
    usage: dict                      # input cached cache_write cache_write_1h output reasoning cost
    usage_mode: str = "normal"       # normal missing zero in_chunk early
    done: bool = True


def dumps(value):
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    try:
        return text.encode()
    except UnicodeEncodeError:       # lone surrogates from the request
        return json.dumps(value, separators=(",", ":")).encode()


def new_id(prefix, length=24):
    return prefix + secrets.token_hex(length // 2)


def instance_of(schema, root=None, depth=0):
    """Some value that the JSON schema allows."""
    root = root if root is not None else schema
    if not isinstance(schema, dict) or depth > 12:
        return {} if schema is not False else None
    if "$ref" in schema:
        target = root
        for part in str(schema["$ref"]).lstrip("#/").split("/"):
            target = target.get(part, {}) if isinstance(target, dict) else {}
        return instance_of(target, root, depth + 1)
    if "const" in schema:
        return schema["const"]
    if schema.get("enum"):
        return schema["enum"][0]
    for several in ("anyOf", "oneOf", "allOf"):
        if schema.get(several):
            return instance_of(schema[several][0], root, depth + 1)
    kind = schema.get("type", "object" if "properties" in schema else "string")
    if isinstance(kind, list):
        kind = next((k for k in kind if k != "null"), "null")
    kind = str(kind).lower()
    if kind == "object":
        return {name: instance_of(sub, root, depth + 1)
                for name, sub in (schema.get("properties") or {}).items()}
    if kind == "array":
        return [instance_of(schema.get("items", {"type": "string"}), root, depth + 1)
                for _ in range(max(1, schema.get("minItems", 1)))]
    if kind == "integer":
        return int(schema.get("minimum", 7))
    if kind == "number":
        return schema.get("minimum", 1.5)
    if kind == "boolean":
        return True
    if kind == "null":
        return None
    formats = {"date": "2026-01-31", "date-time": "2026-01-31T12:00:00Z", "email": "ada@example.org",
               "uri": "https://example.org/"}
    text = formats.get(schema.get("format"), "sample")
    return text.ljust(schema.get("minLength", 0), "x")


def prompt_tokens(ask):
    return max(1, math.ceil(ask.prompt_bytes / 4) + 3 * ask.messages + 85 * ask.images)


def wanted_calls(ask, script):
    if "tool_calls" in script:
        return [(c["name"], c.get("arguments", {})) for c in script["tool_calls"]]
    if not ask.tools or ask.tool_choice == "none" or "text" in script or "words" in script:
        return []
    forced = ask.tool_choice != "auto"
    asked = "use tool" in ask.user_text or "use two tools" in ask.user_text
    if not forced and (not asked or ask.tool_result is not None):
        return []
    tools = ask.tools
    if ask.tool_choice.startswith("="):
        tools = [t for t in tools if t[0] == ask.tool_choice[1:]] or tools
    count = 2 if "use two tools" in ask.user_text and ask.parallel else 1
    picked = [tools[i % len(tools)] for i in range(count)]
    return [(name, instance_of(schema)) for name, schema in picked]


def answer_text(ask, script, plain_user_text):
    if "text" in script:
        return script["text"]
    if "body_bytes" in script:
        return "x" * int(script["body_bytes"])
    if isinstance(ask.json_mode, dict):
        return json.dumps(instance_of(ask.json_mode))
    if ask.json_mode == "object":
        return json.dumps({"said": plain_user_text[-200:]})
    if ask.tool_result is not None:
        return "The tool said: " + ask.tool_result[-200:]
    return "You said: " + plain_user_text.strip()[-200:]


def cut_pieces(pieces, ask, room):
    """The words that fit, and why the text ends there. Only a stop text makes it look at the whole."""
    pieces, finish = list(pieces), "stop"
    if ask.stop:
        text = "".join(pieces)
        at = min((i for i in (text.find(s) for s in ask.stop if s) if i >= 0), default=-1)
        if at >= 0:
            pieces = PIECES.findall(text[:at])
    if room is not None and len(pieces) > room:
        pieces, finish = pieces[:max(0, room)], "length"
    return pieces, finish


def compose(ask, script, plain_user_text):
    """The synthetic answer to a chat-like request."""
    calls = wanted_calls(ask, script)
    reasoning_text = script.get("reasoning", "")
    if not reasoning_text and ask.reasoning:
        reasoning_text = "Let me think about that."
    reasoning_count = len(PIECES.findall(reasoning_text))
    room = ask.max_tokens
    if room is not None:
        reasoning_count = min(reasoning_count, room)
        room -= reasoning_count

    choices, output = [], 0
    for index in range(ask.n):
        choice = Choice(pieces=[], reasoning=reasoning_text if ask.show_reasoning or "reasoning" in script else "")
        if script.get("endless"):
            choice.pieces = itertools.cycle([" again", " and"])
        elif script.get("refusal"):
            choice.refusal = script["refusal"]
            output += len(PIECES.findall(choice.refusal))
        elif calls:
            choice.finish = "tool_calls"
            for name, arguments in calls:
                text = arguments if isinstance(arguments, str) else json.dumps(arguments, separators=(",", ":"))
                choice.tool_calls.append((new_id("call_"), name, text))
                output += 5 + math.ceil(len(text) / 4)
        else:
            if "words" in script:
                pieces = [f" w{i}" if i else "w0" for i in range(int(script["words"]))]
            else:
                text = answer_text(ask, script, plain_user_text)
                if index and ask.json_mode is None:
                    text += f" ({index + 1})"
                pieces = [text] if "body_bytes" in script else PIECES.findall(text) or [text]
            choice.pieces, choice.finish = cut_pieces(pieces, ask, room)
            output += len(choice.pieces)
        choice.finish = script.get("finish", choice.finish)
        choices.append(choice)

    counts = {"input": prompt_tokens(ask), "cached": 0, "cache_write": 0, "cache_write_1h": 0,
              "output": output + reasoning_count * ask.n, "reasoning": reasoning_count * ask.n, "cost": None}
    return Answer(choices, *usage_of(script, counts), done=script.get("done", True))


def usage_of(script, counts):
    mode = script.get("usage", "normal")
    if isinstance(mode, dict):
        counts.update(mode)
        mode = "normal"
    if mode == "zero":
        counts = {key: 0 for key in counts}
    if counts.get("cost") is None:
        counts["cost"] = (counts["input"] * 0.5 + counts["output"] * 1.5) / 1e6
    counts["cost"] = float(counts["cost"])
    return counts, mode
