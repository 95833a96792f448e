# SPDX-License-Identifier: Apache-2.0
"""OpenAI's Responses API."""

import json
import math
import time

from answer import Refuse, new_id

from . import common
from .chat import canonical
from .common import check_type, error, sse  # noqa: F401  (error is part of a format)

FOREIGN = ("messages", "max_tokens", "max_completion_tokens", "response_format", "reasoning_effort", "n", "stop", "seed", "logit_bias",
           "frequency_penalty", "presence_penalty", "verbosity", "functions", "contents", "system")


def read(ask, body, headers):
    common.check_bearer(ask, headers)
    common.check_model(ask, body.get("model"))
    common.refuse_unknown(body, FOREIGN)
    read_input(ask, body)
    ask.stream = bool(check_type(body, "stream", bool, "a boolean"))
    ask.max_tokens = check_type(body, "max_output_tokens", int, "an integer", 16)
    check_type(body, "temperature", (int, float), "a decimal", 0, 2)
    check_type(body, "top_p", (int, float), "a decimal", 0, 1)
    read_tools(ask, body)
    form = ((check_type(body, "text", dict, "an object") or {}).get("format")) or {}
    if form.get("type") == "json_object":
        ask.json_mode = "object"
    elif form.get("type") == "json_schema":
        if not form.get("name") or not isinstance(form.get("schema"), dict):
            raise Refuse(400, "Missing required parameter: 'text.format.name'.", param="text.format.name",
                         code="missing_required_parameter")
        ask.json_mode = form["schema"]
    if "message.output_text.logprobs" in (body.get("include") or []):
        ask.logprobs = body.get("top_logprobs") or 0
    wish = check_type(body, "reasoning", dict, "an object") or {}
    capable = common.is_reasoning(ask.model)
    if wish.get("effort") and not capable:
        raise Refuse(400, "Unsupported parameter: 'reasoning.effort' is not supported with this model.", param="reasoning.effort",
                     code="unsupported_parameter")
    ask.reasoning = capable and wish.get("effort") != "none"
    ask.show_reasoning = bool(wish.get("summary"))
    if ask.reasoning:
        for name in ("temperature", "top_p"):
            if body.get(name) not in (None, 1):
                raise Refuse(400, f"Unsupported parameter: '{name}' is not supported with this model.", param=name,
                             code="unsupported_parameter")
        if ask.logprobs is not None:
            raise Refuse(400, "logprobs are not supported with reasoning models.", param="include", code="unsupported_parameter")
    ask.extra["encrypted"] = "reasoning.encrypted_content" in (body.get("include") or [])
    ask.extra["body"] = body
    if body.get("store") is not False:
        raise Refuse(400, "The gateway must not have anything stored here.", param="store")


def read_input(ask, body):
    items = body.get("input")
    if items is None:
        raise Refuse(400, "Missing required parameter: 'input'.", param="input", code="missing_required_parameter")
    check_type(body, "input", (str, list), "one of a string or array of objects")
    if isinstance(items, str):
        items = [{"role": "user", "content": items}]
    calls = set()
    for i, item in enumerate(items):
        if not isinstance(item, dict):
            raise Refuse(400, f"Invalid type for 'input[{i}]': expected an object, but got {common.type_name(item)} instead.",
                         param=f"input[{i}]", code="invalid_type")
        kind = item.get("type", "message")
        text = ""
        if kind.startswith("function_call") and len(str(item.get("call_id"))) > 64:
            raise Refuse(400, f"Invalid 'input[{i}].call_id': string too long. Expected a string with maximum length 64.",
                         param=f"input[{i}].call_id", code="string_above_max_length")
        if kind == "function_call":
            calls.add(item.get("call_id"))
            text = item.get("arguments", "")
        elif kind == "function_call_output":
            if item.get("call_id") not in calls:
                raise Refuse(400, f"No tool call found for function call output with call_id {item.get('call_id')}.", param="input", code=None)
            text = item.get("output") if isinstance(item.get("output"), str) else common.text_of(item.get("output"))
            ask.tool_result = text
        elif kind == "message":
            text = check_message(ask, i, item)
        else:
            check_stored(i, item)
        ask.prompt_bytes += len(text.encode("utf-8", "replace"))
        ask.messages += 1
    ask.prompt_bytes += len(str(body.get("instructions") or ""))


def check_stored(i, item):
    """Nothing is: every request says store false."""
    state = item.get("encrypted_content")
    if item.get("type") == "item_reference" or (item.get("type") == "reasoning" and not state):
        raise Refuse(404, f"Item with id '{item.get('id')}' not found. Items are not persisted when `store` is set to false. Try again with `store` set "
                     "to true, or remove this item from your input.", param="input", code=None)
    if state and not state.startswith("gAAAA") and not state.startswith("REDACTED"):
        raise Refuse(400, f"The encrypted content for item {item.get('id')} could not be verified.", param=f"input[{i}]",
                     code="invalid_encrypted_content")


def check_message(ask, i, item):
    role, content = item.get("role"), item.get("content")
    if role not in ("user", "assistant", "system", "developer"):
        raise Refuse(400, f"Invalid value: '{role}'. Supported values are: 'assistant', 'system', 'developer', and 'user'.",
                     param=f"input[{i}].role", code="invalid_value")
    wanted = "output_" if role == "assistant" else "input_"
    for k, part in enumerate(content if isinstance(content, list) else []):
        kind = str(part.get("type"))
        if not kind.startswith(wanted) and kind != "refusal":
            raise Refuse(400, f"Invalid value: '{kind}'. Supported values are: 'input_text', 'input_image', 'output_text', 'refusal', "
                         "'input_file', 'computer_screenshot', and 'summary_text'.", param=f"input[{i}].content[{k}]", code="invalid_value")
        if kind == "input_image" and not isinstance(part.get("image_url", ""), str):
            raise Refuse(400, f"Invalid type for 'input[{i}].content[{k}].image_url': expected an image URL, but got an object instead.",
                         param=f"input[{i}].content[{k}].image_url", code="invalid_type")
    text = common.text_of(content)
    if role in ("user", "assistant"):
        ask.tool_result = None
    if role == "user":
        ask.user_text = text
    ask.images += common.count_images(content)
    return text


def read_tools(ask, body):
    for i, tool in enumerate(check_type(body, "tools", list, "an array of objects") or []):
        if tool.get("type") != "function":
            continue
        if not tool.get("name"):
            raise Refuse(400, f"Missing required parameter: 'tools[{i}].name'.", param=f"tools[{i}].name", code="missing_required_parameter")
        ask.tools.append((tool["name"], tool.get("parameters") or {"type": "object"}))
        ask.prompt_bytes += len(json.dumps(tool))
    choice = body.get("tool_choice") or "auto"
    if isinstance(choice, dict):
        if "function" in choice:
            raise Refuse(400, "Unknown parameter: 'tool_choice.function'.", param="tool_choice.function", code="unknown_parameter")
        choice = "=" + str(choice.get("name")) if choice.get("type") == "function" else choice.get("mode", "auto")
    ask.tool_choice = choice
    ask.parallel = body.get("parallel_tool_calls") is not False


def usage_value(answer):
    if answer.usage_mode == "missing":
        return None
    u = answer.usage
    return {"input_tokens": u["input"], "input_tokens_details": {"cached_tokens": u["cached"], "cache_write_tokens": u["cache_write"]},
            "output_tokens": u["output"], "output_tokens_details": {"reasoning_tokens": u["reasoning"]},
            "total_tokens": u["input"] + u["output"]}


def output_items(ask, choice, pieces):
    items = []
    if ask.reasoning or choice.reasoning:
        item = {"id": new_id("rs_", 48), "type": "reasoning",
                "summary": [{"type": "summary_text", "text": choice.reasoning}] if choice.reasoning else []}
        if ask.extra.get("encrypted"):
            item["encrypted_content"] = "gAAAAfake" + new_id("", 64)
        items.append(item)
    for call_id, name, arguments in choice.tool_calls:
        items.append({"id": new_id("fc_", 48), "type": "function_call", "status": "completed", "arguments": arguments,
                      "call_id": call_id, "name": name})
    if choice.refusal:
        part = {"type": "refusal", "refusal": choice.refusal}
    else:
        part = {"type": "output_text", "annotations": [], "logprobs": logprobs_of(ask, pieces), "text": "".join(pieces)}
    if not choice.tool_calls:
        items.append({"id": new_id("msg_", 48), "type": "message", "status": "completed", "role": "assistant", "content": [part]})
    return items


def logprobs_of(ask, pieces):
    if ask.logprobs is None:
        return []
    def one(token, value):
        return {"token": token, "logprob": value, "bytes": list(token.encode("utf-8", "replace"))}
    return [dict(one(p, -0.01), top_logprobs=[one(p if k == 0 else f"alt{k}", -0.01 - k) for k in range(ask.logprobs)]) for p in pieces]


def skeleton(ask):
    body = ask.extra["body"]
    return {"id": new_id("resp_", 48), "object": "response", "created_at": int(time.time()), "status": "in_progress", "error": None,
            "incomplete_details": None, "instructions": body.get("instructions"), "max_output_tokens": ask.max_tokens,
            "model": canonical(ask), "output": [], "parallel_tool_calls": ask.parallel, "previous_response_id": None,
            "reasoning": {"effort": (body.get("reasoning") or {}).get("effort"), "summary": None}, "service_tier": "default",
            "store": body.get("store", True), "temperature": body.get("temperature", 1.0), "text": body.get("text", {"format": {"type": "text"}}),
            "tool_choice": body.get("tool_choice", "auto"), "tools": body.get("tools", []), "top_p": body.get("top_p", 1.0),
            "truncation": "disabled", "usage": None, "user": None, "metadata": body.get("metadata") or {}}


def finish_of(value, choice, answer, items):
    reasons = {"length": "max_output_tokens", "content_filter": "content_filter"}
    value = dict(value, status="completed", output=items, usage=usage_value(answer))
    if choice.finish in reasons:
        value["status"] = "incomplete"
        value["incomplete_details"] = {"reason": reasons[choice.finish]}
    return value


def plain(ask, answer):
    choice = answer.choices[0]
    return finish_of(skeleton(ask), choice, answer, output_items(ask, choice, list(choice.pieces)))


def events(ask, answer):
    choice, whole, count = answer.choices[0], skeleton(ask), [0]

    def event(kind, **fields):
        value = dict({"type": kind, "sequence_number": count[0]}, **fields)
        count[0] += 1
        return sse(value, kind)

    first = dict(whole, usage=usage_value(answer)) if answer.usage_mode == "early" else whole
    yield event("response.created", response=first)
    yield event("response.in_progress", response=whole)
    sent, items = [], output_items(ask, choice, [])
    for at, item in enumerate(items):
        place = {"output_index": at, "item_id": item["id"]}
        if item["type"] == "reasoning":
            yield event("response.output_item.added", output_index=at, item=dict(item, summary=[]))
            for k, part in enumerate(item["summary"]):
                yield event("response.reasoning_summary_part.added", **place, summary_index=k, part={"type": "summary_text", "text": ""})
                yield event("response.reasoning_summary_text.delta", **place, summary_index=k, delta=part["text"])
                yield event("response.reasoning_summary_text.done", **place, summary_index=k, text=part["text"])
                yield event("response.reasoning_summary_part.done", **place, summary_index=k, part=part)
        elif item["type"] == "function_call":
            yield event("response.output_item.added", output_index=at, item=dict(item, arguments="", status="in_progress"))
            text = item["arguments"]
            step = max(1, math.ceil(len(text) / 4))
            for i in range(0, len(text), step):
                yield event("response.function_call_arguments.delta", **place, delta=text[i:i + step])
            yield event("response.function_call_arguments.done", **place, name=item["name"], arguments=text)
        else:
            part = item["content"][0]
            yield event("response.output_item.added", output_index=at, item=dict(item, status="in_progress", content=[]))
            key = "refusal" if part["type"] == "refusal" else "text"
            yield event("response.content_part.added", **place, content_index=0, part=dict(part, **{key: ""}))
            name = "response.refusal" if key == "refusal" else "response.output_text"
            for piece in [choice.refusal] if key == "refusal" else choice.pieces:
                sent.append(piece) if key == "text" and len(sent) < 1000000 else None
                extra = {} if key == "refusal" else {"logprobs": logprobs_of(ask, [piece])}
                yield event(name + ".delta", **place, content_index=0, delta=piece, **extra)
            if key == "text":
                part = dict(part, text="".join(sent), logprobs=logprobs_of(ask, sent))
            extra = {} if key == "refusal" else {"logprobs": part["logprobs"]}
            yield event(name + ".done", **place, content_index=0, **{key: part[key]}, **extra)
            yield event("response.content_part.done", **place, content_index=0, part=part)
            item = items[at] = dict(item, content=[part])
        yield event("response.output_item.done", output_index=at, item=item)
    value = finish_of(whole, choice, answer, items)
    if answer.usage_mode == "early":
        value["usage"] = None
    if answer.done:
        yield event("response." + value["status"], response=value)


def text_event(ask, text):
    return sse({"type": "response.output_text.delta", "sequence_number": 99, "item_id": "msg_fake", "output_index": 0, "content_index": 0,
                "delta": text}, "response.output_text.delta")


def error_event(ask, fields):
    return sse({"type": "error", "sequence_number": 99, "code": fields.get("code", "server_error"),
                "message": fields.get("message", common.ERROR_TEXTS[500]), "param": fields.get("param")}, "error")


def done_event(ask):
    return b""
