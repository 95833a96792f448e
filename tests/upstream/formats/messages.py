# SPDX-License-Identifier: Apache-2.0
"""Anthropic's Messages API."""

import json
import math
import re

from answer import Refuse, new_id

from . import common
from .common import sse

KNOWN = set("""model messages max_tokens system metadata stop_sequences stream temperature top_p top_k tools tool_choice thinking
output_config service_tier container mcp_servers context_management cache_control inference_geo""".split())
TYPES = {400: "invalid_request_error", 401: "authentication_error", 402: "billing_error", 403: "permission_error", 404: "not_found_error",
         413: "request_too_large", 429: "rate_limit_error", 500: "api_error", 504: "timeout_error", 529: "overloaded_error"}
TEXTS = {401: "invalid x-api-key", 429: "This request would exceed your organization's (FAKEfake-0000-1111) rate limit.",
         500: "Internal server error", 529: "Overloaded"}
STOPS = {"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use", "content_filter": "refusal"}


def generation(model):
    """(family, number): number 5.5 for claude-opus-5-5, 4.5 for claude-haiku-4-5-20251001."""
    found = re.match(r"claude-(\w+)-(\d+)(?:-(\d{1,2})(?!\d))?", model)
    return (found[1], float(f"{found[2]}.{found[3] or 0}")) if found else ("", 0.0)


def read(ask, body, headers):
    key = ask.extra["key"] = headers.get("x-api-key", "") or common.bearer(headers)
    if not key:
        raise Refuse(401, "x-api-key header is required")
    if key == "bad-key":
        raise Refuse(401, TEXTS[401])
    if not headers.get("anthropic-version"):
        raise Refuse(400, "anthropic-version: header is required")
    for name in ("model", "max_tokens", "messages"):
        if body.get(name) is None:
            raise Refuse(400, f"{name}: Field required")
    for name in body:
        if name not in KNOWN:
            raise Refuse(400, f"{name}: Extra inputs are not permitted")
    model = body["model"]
    if not isinstance(model, str) or not model.startswith("claude-") or "unknown-model" in model:
        raise Refuse(404, f"model: {model}")
    ask.model = model
    if not isinstance(body["max_tokens"], int) or isinstance(body["max_tokens"], bool):
        raise Refuse(400, "max_tokens: Input should be a valid integer")
    if body["max_tokens"] < 1:
        raise Refuse(400, "max_tokens: Input should be greater than or equal to 1")
    ask.max_tokens = body["max_tokens"]
    ask.stream = body.get("stream") is True
    ask.stop = body.get("stop_sequences") or []
    if any(not s.strip() for s in ask.stop):
        raise Refuse(400, "stop_sequences: each stop sequence must contain non-whitespace")
    ask.prompt_bytes += len(common.text_of(body.get("system") or "").encode("utf-8", "replace"))
    if isinstance(body.get("system"), list):
        check_blocks(ask, "system", body["system"])
    read_messages(ask, body["messages"])
    read_tools(ask, body)
    check_generation(ask, body)
    form = (body.get("output_config") or {}).get("format") or {}
    if form.get("type") == "json_schema":
        ask.json_mode = form.get("schema") or {}
        check_closed("output_config.format.schema", ask.json_mode)
    if ask.extra.get("marks", 0) > 4:
        raise Refuse(400, f"A maximum of 4 blocks with cache_control may be provided. Found {ask.extra['marks']}.")


EFFORTS = ("low", "medium", "high", "xhigh", "max")
IMAGE_TYPES = ("image/jpeg", "image/png", "image/gif", "image/webp")


def thinking_kinds(family, number):
    """The values of thinking.type that the generation takes."""
    if number < 4.6:
        return ("enabled", "disabled")
    if number < 4.7:
        return ("enabled", "adaptive", "disabled")
    if number < 5.5 or family == "haiku":
        return ("adaptive", "disabled")
    return ("adaptive", "between_tools") if family == "sonnet" else ("adaptive",)


def check_generation(ask, body):
    """What each generation of models takes."""
    family, number = generation(ask.model)
    check_thinking(ask, body, family, number)
    check_sampling(ask, body, family, number)
    effort = (body.get("output_config") or {}).get("effort")
    if effort is not None and effort not in EFFORTS:
        raise Refuse(400, "output_config.effort: Input should be 'low', 'medium', 'high', 'xhigh' or 'max'")
    if effort and (number < 4.5 or (number == 4.5 and family != "opus")):
        raise Refuse(400, "This model does not support the effort parameter.")
    if effort == "xhigh" and number < 4.7:
        raise Refuse(400, "output_config.effort: 'xhigh' is not supported for this model.")
    if effort in ("xhigh", "max") and (body.get("thinking") or {}).get("type") in ("disabled", "between_tools") and number >= 5:
        raise Refuse(400, f"output_config.effort: '{effort}' is not supported when thinking is off.")
    last = body["messages"][-1]
    if last.get("role") == "assistant":
        if number >= 4.6:
            raise Refuse(400, "This model does not support assistant message prefill. The conversation must end with a user message.")
        if ask.reasoning:
            raise Refuse(400, "messages: the final block in an assistant message cannot be prefilled when thinking is enabled.")
        if str(common.text_of(last.get("content"))).rstrip() != common.text_of(last.get("content")):
            raise Refuse(400, "messages: final assistant content cannot end with trailing whitespace")
    most = 64000 if number < 5 and family != "opus" else 128000
    if ask.max_tokens > most:
        raise Refuse(400, f"max_tokens: {ask.max_tokens} > {most}, which is the maximum allowed number of output tokens for {ask.model}")


def check_thinking(ask, body, family, number):
    thinking = body.get("thinking") or {}
    kind = thinking.get("type")
    if kind is not None and kind not in thinking_kinds(family, number):
        raise Refuse(400, f"thinking.type: '{kind}' is not supported for this model.")
    if kind == "enabled":
        budget = thinking.get("budget_tokens") or 0
        if budget < 1024:
            raise Refuse(400, "thinking.enabled.budget_tokens: Input should be greater than or equal to 1024")
        if budget >= ask.max_tokens:
            raise Refuse(400, "`max_tokens` must be greater than `thinking.budget_tokens`.")
        check_thoughts(body["messages"])
    elif "budget_tokens" in thinking:
        raise Refuse(400, f"thinking.{kind}.budget_tokens: Extra inputs are not permitted")
    if "display" in thinking and kind not in ("enabled", "adaptive"):
        raise Refuse(400, f"thinking.{kind}.display: Extra inputs are not permitted")
    ask.reasoning = kind in ("enabled", "adaptive") or (number >= 5 and kind is None)
    ask.show_reasoning = ask.reasoning and (thinking.get("display") == "summarized" or number < 4.7)
    ask.extra["thinking"] = ask.reasoning
    if ask.tool_choice in ("auto", "none") or (family, number) == ("haiku", 5.5):
        return
    if ask.reasoning or number >= 5.5:
        raise Refuse(400, "Thinking may not be enabled when tool_choice forces tool use.")


def check_thoughts(messages):
    """With a budget a tool loop goes on only with the thoughts that began it."""
    loop = messages[-1].get("role") == "user" and isinstance(messages[-1]["content"], list) and any(
        b.get("type") == "tool_result" for b in messages[-1]["content"])
    if loop and len(messages) > 1 and messages[-2]["content"][0].get("type") not in ("thinking", "redacted_thinking"):
        raise Refuse(400, f"messages.{len(messages) - 2}.content.0.type: Expected `thinking` or `redacted_thinking`, but found `tool_use`.")


def check_sampling(ask, body, family, number):
    sampling = [k for k in ("temperature", "top_p", "top_k") if body.get(k) is not None]
    if number >= 5 or (family == "opus" and number >= 4.7):
        if sampling:
            raise Refuse(400, f"`{sampling[0]}` is deprecated for this model.")
    elif "temperature" in sampling and "top_p" in sampling:
        raise Refuse(400, "`temperature` and `top_p` cannot both be specified for this model. Please use only one.")
    for name in ("temperature", "top_p"):
        if isinstance(body.get(name), (int, float)) and not 0 <= body[name] <= 1:
            raise Refuse(400, f"{name}: range: 0..1")
    if not ask.reasoning:
        return
    if body.get("temperature", 1) != 1:
        raise Refuse(400, "`temperature` may only be set to 1 when thinking is enabled.")
    if body.get("top_k") is not None or body.get("top_p", 1) < 0.95:
        raise Refuse(400, "`top_k` must be unset and `top_p` at least 0.95 when thinking is enabled.")


def check_closed(where, schema):
    """Every object of a schema that is enforced must be closed."""
    if isinstance(schema, list):
        for one in schema:
            check_closed(where, one)
    if not isinstance(schema, dict):
        return
    if schema.get("type") == "object" and schema.get("additionalProperties") is not False:
        raise Refuse(400, f"{where}: For 'object' type, 'additionalProperties' must be explicitly set to false")
    for name, value in schema.items():
        if name in ("properties", "$defs", "definitions") and isinstance(value, dict):
            check_closed(where, list(value.values()))
        elif name in ("items", "anyOf", "allOf"):
            check_closed(where, value)


def check_source(where, kind, source):
    """An image's or a document's."""
    if source.get("type") == "url":
        if not str(source.get("url")).startswith("https://"):
            raise Refuse(400, f"{where}.source.url.url: Only HTTPS URLs are supported.")
    elif source.get("type") == "base64":
        types = IMAGE_TYPES if kind == "image" else ("application/pdf",)
        if source.get("media_type") not in types or not source.get("data"):
            raise Refuse(400, f"{where}.source.base64.media_type: Input should be {' or '.join(types)}")
    elif source.get("type") != "text" or kind != "document" or source.get("media_type") != "text/plain":
        raise Refuse(400, f"{where}.source: Input tag '{source.get('type')}' does not match any of the expected tags")


def check_blocks(ask, where, blocks):
    """The insides of content blocks."""
    for k, block in enumerate(blocks):
        at, kind = f"{where}.{k}", block.get("type")
        if kind not in ("text", "image", "document", "tool_use", "tool_result", "thinking", "redacted_thinking", "tool_addition"):
            raise Refuse(400, f"{at}: Input tag '{kind}' found using 'type' does not match any of the expected tags")
        if kind == "text" and not str(block.get("text") or "").strip():
            raise Refuse(400, f"{at}: messages: text content blocks must contain non-whitespace text")
        if kind in ("image", "document"):
            check_source(at, kind, block.get("source") or {})
        if kind in ("tool_use", "tool_result") and not re.fullmatch(r"[a-zA-Z0-9_-]+", str(block.get("id" if kind == "tool_use" else "tool_use_id"))):
            raise Refuse(400, f"{at}.{kind}: String should match pattern '^[a-zA-Z0-9_-]+$'")
        if kind == "tool_result" and isinstance(block.get("content"), list):
            check_blocks(ask, at + ".content", block["content"])
        if kind == "thinking" and not block.get("signature"):
            raise Refuse(400, f"{at}.thinking.signature: Field required")
        ask.extra["marks"] = ask.extra.get("marks", 0) + bool(block.get("cache_control"))


def read_messages(ask, messages):
    if not isinstance(messages, list) or not messages:
        raise Refuse(400, "messages: at least one message is required")
    waiting = set()
    for i, message in enumerate(messages):
        role, content = message.get("role"), message.get("content")
        if role not in ("user", "assistant", "system"):
            raise Refuse(400, f"messages.{i}.role: Input should be 'user' or 'assistant'")
        if role == "system" and generation(ask.model)[1] < 4.8:
            raise Refuse(400, f"messages.{i}.role: Input should be 'user' or 'assistant'")
        if i == 0 and role == "assistant":
            raise Refuse(400, "messages: first message must use the \"user\" role")
        blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
        if not isinstance(blocks, list) or (not blocks and i + 1 < len(messages)):
            raise Refuse(400, f"messages.{i}: content must be non-empty")
        check_blocks(ask, f"messages.{i}.content", blocks)
        results = [b.get("tool_use_id") for b in blocks if b.get("type") == "tool_result"]
        if waiting - set(results):
            raise Refuse(400, f"messages.{i}: `tool_use` ids were found without `tool_result` blocks immediately after: "
                         f"{', '.join(sorted(waiting - set(results)))}.")
        if set(results) - waiting:
            raise Refuse(400, f"messages.{i}.content.0: unexpected `tool_use_id` found in `tool_result` blocks: "
                         f"{', '.join(str(r) for r in results)}.")
        waiting = read_blocks(ask, i, role, blocks)
        ask.messages += 1


def read_blocks(ask, i, role, blocks):
    calls, texts, results = set(), [], []
    for k, block in enumerate(blocks):
        kind = block.get("type")
        if kind == "text":
            if not block.get("text"):
                raise Refuse(400, f"messages.{i}.content.{k}: messages: text content blocks must be non-empty")
            texts.append(block["text"])
        elif kind == "tool_use":
            if not isinstance(block.get("input"), dict):
                raise Refuse(400, f"messages.{i}.content.{k}.tool_use.input: Input should be a valid dictionary")
            calls.add(block.get("id"))
            ask.prompt_bytes += len(json.dumps(block["input"]))
        elif kind == "tool_result":
            if texts:
                raise Refuse(400, f"messages.{i}: `tool_result` blocks must come before other content")
            results.append(common.text_of(block.get("content") or ""))
        elif kind in ("image", "document"):
            ask.images += 1
    if role == "user" and texts:
        ask.user_text = "\n".join(texts)
    ask.tool_result = "\n".join(results) if results else None
    ask.prompt_bytes += sum(len(t.encode("utf-8", "replace")) for t in texts + results)
    return calls


def read_tools(ask, body):
    for i, tool in enumerate(body.get("tools") or []):
        if "input_schema" not in tool:
            if str(tool.get("type", "custom")) == "custom":
                raise Refuse(400, f"tools.{i}.custom.input_schema: Field required")
            continue
        if tool["input_schema"].get("type") != "object":
            raise Refuse(400, f"tools.{i}.custom.input_schema.type: Input should be 'object'")
        if tool.get("strict"):
            check_closed(f"tools.{i}.custom.input_schema", tool["input_schema"])
        ask.extra["marks"] = ask.extra.get("marks", 0) + bool(tool.get("cache_control"))
        ask.tools.append((tool["name"], tool["input_schema"]))
        ask.prompt_bytes += len(json.dumps(tool))
    choice = body.get("tool_choice") or {"type": "auto"}
    if not isinstance(choice, dict):
        raise Refuse(400, "tool_choice: Input should be a valid dictionary")
    kind = choice.get("type")
    ask.tool_choice = {"any": "required", "tool": "=" + str(choice.get("name")), "none": "none"}.get(kind, "auto")
    if body.get("tool_choice") and kind != "none" and not body.get("tools"):
        raise Refuse(400, "tool_choice: tool_choice may only be specified while providing tools.")
    if kind == "tool" and choice.get("name") not in [name for name, _ in ask.tools]:
        raise Refuse(400, f"Tool '{choice.get('name')}' not found in provided tools")
    ask.parallel = not choice.get("disable_parallel_tool_use")


def usage_value(answer):
    u = answer.usage
    return {"input_tokens": max(0, u["input"] - u["cached"] - u["cache_write"]), "cache_creation_input_tokens": u["cache_write"],
            "cache_read_input_tokens": u["cached"],
            "cache_creation": {"ephemeral_5m_input_tokens": u["cache_write"] - u.get("cache_write_1h", 0),
                               "ephemeral_1h_input_tokens": u.get("cache_write_1h", 0)},
            "output_tokens": u["output"], "output_tokens_details": {"thinking_tokens": u["reasoning"]}, "service_tier": "standard"}


def blocks_of(ask, choice):
    blocks = []
    if ask.extra.get("thinking") or choice.reasoning:
        blocks.append({"type": "thinking", "thinking": choice.reasoning, "signature": "ErUBfake" + new_id("", 40)})
    text = choice.refusal or ("" if choice.tool_calls else None)
    blocks.append({"type": "text", "text": text})          # None: the pieces are the text
    if text == "":
        blocks.pop()
    for call_id, name, arguments in choice.tool_calls:
        blocks.append({"type": "tool_use", "id": call_id.replace("call_", "toolu_"), "name": name, "input": json.loads(arguments)})
    return blocks


def head_of(ask):
    return {"model": ask.model, "id": new_id("msg_"), "type": "message", "role": "assistant", "content": [], "stop_reason": None,
            "stop_sequence": None, "stop_details": None}


def plain(ask, answer):
    choice = answer.choices[0]
    value = dict(head_of(ask), stop_reason=STOPS.get(choice.finish, choice.finish))
    value["content"] = [dict(b, text=choice.text()) if b.get("text", 0) is None else b for b in blocks_of(ask, choice)]
    if answer.usage_mode != "missing":
        value["usage"] = usage_value(answer)
    return value


def events(ask, answer):
    choice, head = answer.choices[0], head_of(ask)
    usage, mode = usage_value(answer), answer.usage_mode
    if mode != "missing":
        head["usage"] = usage if mode == "early" else dict(usage, output_tokens=min(1, usage["output_tokens"]))
    yield event("message_start", message=head)
    for index, block in enumerate(blocks_of(ask, choice)):
        kind = block["type"]
        if kind == "thinking":
            yield event("content_block_start", index=index, content_block={"type": "thinking", "thinking": "", "signature": ""})
            yield event("ping")
            if block["thinking"]:
                yield event("content_block_delta", index=index, delta={"type": "thinking_delta", "thinking": block["thinking"]})
            yield event("content_block_delta", index=index, delta={"type": "signature_delta", "signature": block["signature"]})
        elif kind == "text":
            yield event("content_block_start", index=index, content_block={"type": "text", "text": ""})
            if index == 0:
                yield event("ping")
            for piece in choice.pieces if block["text"] is None else [block["text"]]:
                yield event("content_block_delta", index=index, delta={"type": "text_delta", "text": piece})
        else:
            yield event("content_block_start", index=index, content_block=dict(block, input={}))
            yield event("content_block_delta", index=index, delta={"type": "input_json_delta", "partial_json": ""})
            text = json.dumps(block["input"]) if block["input"] else ""
            step = max(1, math.ceil(len(text) / 4))
            for i in range(0, len(text), step):
                yield event("content_block_delta", index=index, delta={"type": "input_json_delta", "partial_json": text[i:i + step]})
        yield event("content_block_stop", index=index)
    last = {"delta": {"stop_reason": STOPS.get(choice.finish, choice.finish), "stop_sequence": None}}
    if mode not in ("missing", "early"):
        last["usage"] = usage
    yield event("message_delta", **last)
    if answer.done:
        yield done_event(ask)


def event(name, **fields):
    """With the blanks before the last brace that Anthropic puts there."""
    whole = sse(dict({"type": name}, **fields), name)
    return whole[:-3] + b" " * (len(whole) % 5) + whole[-3:]


def done_event(ask):
    return event("message_stop")


def text_event(ask, text):
    return event("content_block_delta", index=0, delta={"type": "text_delta", "text": text})


def error(ask, status, fields):
    message = fields.get("message") or TEXTS.get(status, f"The fake upstream answers {status}.")
    return {"type": "error", "error": {"type": fields.get("type") or TYPES.get(status, "api_error"), "message": message},
            "request_id": new_id("req_011")}


def error_event(ask, fields):
    return sse({"type": "error", "error": {"type": fields.get("type", "overloaded_error"), "message": fields.get("message", "Overloaded")},
                "request_id": new_id("req_011")}, "error")
