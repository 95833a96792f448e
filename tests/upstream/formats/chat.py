# SPDX-License-Identifier: Apache-2.0
"""Chat completions, of OpenAI and of OpenRouter."""

import json
import math
import re
import time

from answer import Refuse, new_id

from . import common
from .common import check_type, error, sse  # noqa: F401  (error is part of a format)

FOREIGN = ("input", "contents", "system", "max_output_tokens", "stop_sequences", "thinking", "generationConfig", "instructions",
           "top_k", "system_instruction")
ROLES = ("system", "developer", "user", "assistant", "tool", "function")
NUMBER = (int, float)


def read(ask, body, headers):
    common.check_bearer(ask, headers)
    common.check_model(ask, body.get("model"), "chat")
    if ask.provider == "openai":
        common.refuse_unknown(body, FOREIGN)
    read_messages(ask, body)
    read_limits(ask, body)
    read_tools(ask, body)
    ask.stream = bool(check_type(body, "stream", bool, "a boolean"))
    options = check_type(body, "stream_options", dict, "an object")
    if options is not None and not ask.stream and ask.provider == "openai":
        raise Refuse(400, "The 'stream_options' parameter is only allowed when 'stream' is enabled.", param="stream_options", code=None)
    ask.include_usage = bool((options or {}).get("include_usage"))
    ask.extra["obfuscate"] = (options or {}).get("include_obfuscation", True)
    form = check_type(body, "response_format", dict, "an object") or {}
    if form.get("type") == "json_object":
        ask.json_mode = "object"
        if ask.provider == "openai" and "json" not in json.dumps(body["messages"]).lower():
            raise Refuse(400, "'messages' must contain the word 'json' in some form, to use 'response_format' of type 'json_object'.",
                         param="messages", code=None)
    elif form.get("type") == "json_schema":
        ask.json_mode = (form.get("json_schema") or {}).get("schema") or {}
        if not (form.get("json_schema") or {}).get("name"):
            raise Refuse(400, "Missing required parameter: 'response_format.json_schema.name'.",
                         param="response_format.json_schema.name", code="missing_required_parameter")
    read_reasoning(ask, body)


def read_messages(ask, body):
    messages = body.get("messages")
    if messages is None:
        raise Refuse(400, "Missing required parameter: 'messages'.", param="messages", code="missing_required_parameter")
    check_type(body, "messages", list, "an array of objects")
    if not messages:
        raise Refuse(400, "Invalid 'messages': empty array. Expected an array with minimum length 1, but got an empty array instead.",
                     param="messages", code="empty_array")
    open_calls = set()
    for i, message in enumerate(messages):
        if not isinstance(message, dict):
            raise Refuse(400, f"Invalid type for 'messages[{i}]': expected an object, but got {common.type_name(message)} instead.",
                         param=f"messages[{i}]", code="invalid_type")
        role, content = message.get("role"), message.get("content")
        if role not in ROLES:
            raise Refuse(400, f"Invalid value: '{role}'. Supported values are: 'system', 'assistant', 'user', 'function', 'tool', and "
                         "'developer'.", param=f"messages[{i}].role", code="invalid_value")
        if content is None and role != "assistant":
            raise Refuse(400, "Invalid value for 'content': expected a string, got null.", param=f"messages.[{i}].content", code=None)
        if content is not None and not isinstance(content, (str, list)):
            raise Refuse(400, f"Invalid type for 'messages[{i}].content': expected one of a string or array of objects, but got "
                         f"{common.type_name(content)} instead.", param=f"messages[{i}].content", code="invalid_type")
        text = common.text_of(content)
        if role == "tool":
            if message.get("tool_call_id") not in open_calls:
                raise Refuse(400, "Invalid parameter: messages with role 'tool' must be a response to a preceeding message with "
                             "'tool_calls'.", param=f"messages.[{i}].role", code=None)
            open_calls.discard(message["tool_call_id"])
            ask.tool_result = text
        elif role in ("user", "assistant"):
            if open_calls:
                raise Refuse(400, "An assistant message with 'tool_calls' must be followed by tool messages responding to each "
                             f"'tool_call_id'. The following tool_call_ids did not have response messages: {', '.join(sorted(open_calls))}",
                             param=f"messages.[{i}].role", code=None)
            ask.tool_result = None
        if role == "user":
            ask.user_text = text
        for call in message.get("tool_calls") or []:
            open_calls.add(call.get("id"))
            ask.prompt_bytes += len(json.dumps(call.get("function")))
        ask.prompt_bytes += len(text.encode("utf-8", "replace"))
        ask.messages += 1
        ask.images += common.count_images(content)


def read_limits(ask, body):
    old = check_type(body, "max_tokens", int, "an integer", 1)
    new = check_type(body, "max_completion_tokens", int, "an integer", 1)
    if old is not None and new is not None and ask.provider == "openai":
        raise Refuse(400, "Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported.",
                     param="max_tokens", code="invalid_parameter_combination")
    if old is not None and ask.provider == "openai" and common.is_reasoning(ask.model):
        raise Refuse(400, "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
                     param="max_tokens", code="unsupported_parameter")
    ask.max_tokens = new if new is not None else old
    ask.n = check_type(body, "n", int, "an integer", 1, 128) or 1
    check_type(body, "temperature", NUMBER, "a decimal", 0, 2)
    check_type(body, "top_p", NUMBER, "a decimal", 0, 1)
    check_type(body, "frequency_penalty", NUMBER, "a decimal", -2, 2)
    check_type(body, "presence_penalty", NUMBER, "a decimal", -2, 2)
    check_type(body, "seed", int, "an integer")
    check_type(body, "logit_bias", dict, "an object")
    check_type(body, "user", str, "a string")
    stop = check_type(body, "stop", (str, list), "a string or array of strings") or []
    ask.stop = [stop] if isinstance(stop, str) else stop
    if len(ask.stop) > 4 and ask.provider == "openai":
        raise Refuse(400, "Invalid 'stop': array too long. Expected an array with maximum length 4.", param="stop",
                     code="array_above_max_length")
    top = check_type(body, "top_logprobs", int, "an integer", 0, 20)
    if check_type(body, "logprobs", bool, "a boolean"):
        ask.logprobs = top or 0
    elif top is not None and ask.provider == "openai":
        raise Refuse(400, "The 'top_logprobs' parameter is only allowed when 'logprobs' is enabled.", param="top_logprobs", code=None)


def read_tools(ask, body):
    tools = check_type(body, "tools", list, "an array of objects") or []
    functions = [t.get("function") for t in tools if isinstance(t, dict) and t.get("type") == "function"]
    functions += body.get("functions") or []
    for i, function in enumerate(functions):
        if not isinstance(function, dict) or not function.get("name"):
            raise Refuse(400, f"Missing required parameter: 'tools[{i}].function.name'.", param=f"tools[{i}].function.name",
                         code="missing_required_parameter")
        if not re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", function["name"]):
            raise Refuse(400, f"Invalid 'tools[{i}].function.name': string does not match pattern. Expected a string that matches the "
                         "pattern '^[a-zA-Z0-9_-]+$'.", param=f"tools[{i}].function.name", code="invalid_value")
        ask.tools.append((function["name"], function.get("parameters") or {"type": "object"}))
        ask.prompt_bytes += len(json.dumps(function))
    choice = check_type(body, "tool_choice", (str, dict), "one of none, auto, required or an object") or "auto"
    if not ask.tools and "tool_choice" in body and body["tool_choice"] not in (None, "none") and ask.provider == "openai" and not tools:
        raise Refuse(400, "Invalid value for 'tool_choice': 'tool_choice' is only allowed when 'tools' are specified.",
                     param="tool_choice", code=None)
    if isinstance(choice, dict):
        if choice.get("type") == "allowed_tools":
            choice = (choice.get("allowed_tools") or {}).get("mode", "auto")
        else:
            choice = "=" + str((choice.get("function") or choice.get("custom") or {}).get("name"))
    ask.tool_choice = choice
    ask.parallel = body.get("parallel_tool_calls") is not False


def read_reasoning(ask, body):
    effort = check_type(body, "reasoning_effort", str, "a string")
    if ask.provider == "openrouter":
        wish = body.get("reasoning") or {}
        ask.reasoning = bool(wish or effort not in (None, "none")) and wish.get("effort") != "none"
        ask.show_reasoning = ask.reasoning and not wish.get("exclude")
        return
    if not common.is_reasoning(ask.model):
        if effort is not None:
            raise Refuse(400, "Unrecognized request argument supplied: reasoning_effort", code=None)
        return
    version = re.match(r"gpt-(\d+)(?:\.(\d+))?", ask.model)
    number = (int(version[1]), int(version[2] or 0)) if version else (4, 0)
    ask.reasoning = effort != "none" and (effort is not None or number < (5, 1) or number >= (5, 5))
    # 5.2 and 5.4 refuse tools with an effort, 5.5 and later even without one
    if ask.tools and ask.reasoning and number >= (5, 2):
        raise Refuse(400, f"Function tools with reasoning_effort are not supported for {ask.model} in /v1/chat/completions. Please use "
                     "/v1/responses instead.", param="reasoning_effort", code=None)
    if ask.reasoning:
        for name in ("temperature", "top_p"):
            if body.get(name) not in (None, 1):
                raise Refuse(400, f"Unsupported value: '{name}' does not support {body[name]} with this model. Only the default (1) value "
                             "is supported.", param=name, code="unsupported_value")
        for name in ("presence_penalty", "frequency_penalty", "logprobs", "top_logprobs", "logit_bias"):
            if body.get(name):
                raise Refuse(400, f"Unsupported parameter: '{name}' is not supported with this model.", param=name,
                             code="unsupported_parameter")


def canonical(ask):
    """The model as the answer names it: dated at OpenAI, the endpoint's own name at OpenRouter."""
    if re.search(r"\d{4}-?\d\d-?\d\d$", ask.model):
        return ask.model
    return ask.model + ("-20260217" if ask.provider == "openrouter" else "-2026-02-17")


def usage_value(ask, answer):
    if answer.usage_mode == "missing":
        return None
    u = answer.usage
    value = {"prompt_tokens": u["input"], "completion_tokens": u["output"], "total_tokens": u["input"] + u["output"],
             "prompt_tokens_details": {"cached_tokens": u["cached"], "audio_tokens": 0},
             "completion_tokens_details": {"reasoning_tokens": u["reasoning"], "audio_tokens": 0, "accepted_prediction_tokens": 0,
                                           "rejected_prediction_tokens": 0}}
    if u["cache_write"] or ask.provider == "openrouter":
        value["prompt_tokens_details"]["cache_write_tokens"] = u["cache_write"]
    if ask.provider == "openrouter":
        value["cost"] = u["cost"]
        value["is_byok"] = False
        value["cost_details"] = {"upstream_inference_cost": None}
    return value


def logprobs_of(ask, pieces):
    if ask.logprobs is None:
        return None
    def one(token, value):
        return {"token": token, "logprob": value, "bytes": list(token.encode("utf-8", "replace"))}
    return {"content": [dict(one(p, -0.01), top_logprobs=[one(p if k == 0 else f"alt{k}", -0.01 - k) for k in range(ask.logprobs)])
                        for p in pieces], "refusal": None}


def base(ask, kind):
    value = {"id": new_id("gen-" if ask.provider == "openrouter" else "chatcmpl-"), "object": kind, "created": int(time.time()),
             "model": canonical(ask)}
    if ask.provider == "openrouter":
        value["provider"] = "Fake"
    else:
        value["service_tier"] = "default"
        value["system_fingerprint"] = "fp_fake00fake"
    return value


def tool_call(ask, index, call, in_stream):
    value = {"id": call[0], "type": "function", "function": {"name": call[1], "arguments": call[2]}}
    if in_stream or ask.provider == "openrouter":
        value["index"] = index
    return value


def plain(ask, answer):
    value = base(ask, "chat.completion")
    value["choices"] = []
    for index, choice in enumerate(answer.choices):
        pieces = list(choice.pieces)
        message = {"role": "assistant", "content": "".join(pieces) if not (choice.tool_calls or choice.refusal) else None,
                   "refusal": choice.refusal, "annotations": []}
        if choice.tool_calls:
            message["tool_calls"] = [tool_call(ask, i, c, False) for i, c in enumerate(choice.tool_calls)]
        if choice.reasoning and ask.provider == "openrouter":
            message["reasoning"] = choice.reasoning
            message["reasoning_details"] = [{"type": "reasoning.text", "text": choice.reasoning, "index": 0, "format": None}]
        one = {"index": index, "message": message, "logprobs": logprobs_of(ask, pieces), "finish_reason": choice.finish}
        if ask.provider == "openrouter":
            one["native_finish_reason"] = choice.finish
        value["choices"].append(one)
    usage = usage_value(ask, answer)
    if usage is not None:
        value["usage"] = usage
    return value


def deltas(ask, choice):
    """(delta, pieces for logprobs) of one choice, without the finish."""
    first = {"role": "assistant", "content": "" if not choice.tool_calls else None, "refusal": None}
    if ask.provider == "openrouter":
        first = {"role": "assistant", "content": ""}
    yield first, []
    if choice.reasoning and ask.provider == "openrouter":
        yield {"content": "", "reasoning": choice.reasoning, "reasoning_details": [
            {"type": "reasoning.text", "text": choice.reasoning, "index": 0, "format": None}]}, []
    for i, call in enumerate(choice.tool_calls):
        yield {"tool_calls": [tool_call(ask, i, (call[0], call[1], ""), True)]}, []
        step = max(1, math.ceil(len(call[2]) / 4))
        for at in range(0, len(call[2]), step):
            yield {"tool_calls": [{"index": i, "function": {"arguments": call[2][at:at + step]}}]}, []
    if choice.refusal:
        for word in re.findall(r"\s*\S+", choice.refusal):
            yield {"refusal": word}, []
    for piece in choice.pieces:
        yield {"content": piece}, [piece]


def chunk(ask, head, index, delta, pieces=(), finish=None):
    one = {"index": index, "delta": delta, "logprobs": logprobs_of(ask, pieces) if pieces else None, "finish_reason": finish}
    if ask.provider == "openrouter":
        one["delta"] = dict({"role": "assistant"}, **delta)
        one["delta"].setdefault("content", "")
        one["native_finish_reason"] = finish
    value = dict(head, choices=[one])
    if ask.include_usage and ask.provider == "openai":
        value["usage"] = None
    return value


def events(ask, answer):
    head = base(ask, "chat.completion.chunk")
    usage = usage_value(ask, answer)
    mode = answer.usage_mode
    if ask.provider == "openrouter":
        yield b": OPENROUTER PROCESSING\n\n"
    streams = [(i, deltas(ask, c)) for i, c in enumerate(answer.choices)]
    first = True
    while streams:
        for pair in list(streams):
            step = next(pair[1], None)
            if step is None:
                streams.remove(pair)
                continue
            value = chunk(ask, head, pair[0], step[0], step[1])
            if first and mode == "early" and usage is not None:
                value["usage"] = usage
            first = False
            yield sse(value)
    last = len(answer.choices) - 1
    for index, choice in enumerate(answer.choices):
        value = chunk(ask, head, index, {}, (), choice.finish)
        if index == last and mode == "in_chunk":
            value["usage"] = usage
        yield sse(value)
    if usage is not None and mode in ("normal", "zero"):
        if ask.provider == "openrouter":
            yield sse(dict(chunk(ask, head, last, {}), usage=usage))
        elif ask.include_usage:
            yield sse(dict(head, choices=[], usage=usage))
    if answer.done:
        yield done_event(ask)


def done_event(ask):
    return b"data: [DONE]\n\n"


def text_event(ask, text):
    return sse(chunk(ask, base(ask, "chat.completion.chunk"), 0, {"content": text}))


def error_event(ask, fields):
    if ask.provider == "openrouter":
        value = dict(base(ask, "chat.completion.chunk"),
                     error={"code": fields.get("code", 502), "message": fields.get("message", "Provider disconnected unexpectedly")},
                     choices=[{"index": 0, "delta": {"content": ""}, "finish_reason": "error", "native_finish_reason": None}])
        return sse(value)
    return sse({"error": {"message": fields.get("message", common.ERROR_TEXTS[500]), "type": fields.get("type", "server_error"),
                          "param": fields.get("param"), "code": fields.get("code")}})
