# SPDX-License-Identifier: Apache-2.0
"""Google's generateContent, streamGenerateContent and embedContent."""

import json
import re

from answer import Refuse, dumps, new_id

KNOWN = set("""contents tools toolConfig safetySettings systemInstruction generationConfig cachedContent model serviceTier labels
store""".split())
CONFIG = set("""stopSequences responseMimeType responseSchema responseJsonSchema responseModalities candidateCount maxOutputTokens
temperature topP topK seed presencePenalty frequencyPenalty responseLogprobs logprobs thinkingConfig speechConfig mediaResolution
enableEnhancedCivicAnswers imageConfig""".split())
STATUSES = {400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 404: "NOT_FOUND", 429: "RESOURCE_EXHAUSTED",
            500: "INTERNAL", 503: "UNAVAILABLE", 504: "DEADLINE_EXCEEDED"}
TEXTS = {429: "You exceeded your current quota of project projects/FAKE-0000, please check your plan and billing details.",
         500: "An internal error has occurred.", 503: "The model is overloaded. Please try again later."}
FINISH = {"stop": "STOP", "tool_calls": "STOP", "length": "MAX_TOKENS", "content_filter": "SAFETY"}
DUMMY_SIGNATURE = "c2tpcF90aG91Z2h0X3NpZ25hdHVyZV92YWxpZGF0b3I="


def camel(value):
    """snake_case names are accepted as well; contents of schemas and arguments stay as they are."""
    if isinstance(value, list):
        return [camel(v) for v in value]
    if not isinstance(value, dict):
        return value
    out = {}
    for name, v in value.items():
        name = re.sub(r"_([a-z])", lambda m: m[1].upper(), name)
        keep = name in ("args", "response", "parameters", "parametersJsonSchema", "responseSchema", "responseJsonSchema", "labels")
        out[name] = v if keep else camel(v)
    return out


def check_key_and_model(ask, headers, method):
    key = ask.extra["key"] = headers.get("x-goog-api-key") or ask.extra.get("query", {}).get("key", "")
    if not key:
        raise Refuse(403, "Method doesn't allow unregistered callers (callers without established identity). Please use API Key or other "
                     "form of API consumer identity to call this API.")
    if key == "bad-key":
        raise Refuse(400, "API key not valid. Please pass a valid API key.", details=[
            {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID", "domain": "googleapis.com"}])
    if not re.match(r"(gemini|gemma|models/gemini)", ask.model) or "unknown-model" in ask.model:
        raise Refuse(404, f"models/{ask.model} is not found for API version v1beta, or is not supported for {method}.")


def refuse_unknown(value, known, where=""):
    for name in value:
        if name not in known:
            raise Refuse(400, f"Invalid JSON payload received. Unknown name \"{name}\"{where}: Cannot find field.")


def read(ask, body, headers):
    check_key_and_model(ask, headers, "generateContent")
    body = camel(body)
    refuse_unknown(body, KNOWN)
    config = body.get("generationConfig") or {}
    refuse_unknown(config, CONFIG, " at 'generation_config'")
    for name in ("maxOutputTokens", "candidateCount", "seed", "logprobs"):
        if name in config and (not isinstance(config[name], int) or isinstance(config[name], bool)):
            raise Refuse(400, f"Invalid value at 'generation_config.{name}' (TYPE_INT32), {json.dumps(config[name])}")
    ask.max_tokens = config.get("maxOutputTokens")
    if ask.max_tokens is not None and ask.max_tokens < 1:
        raise Refuse(400, "max_output_tokens must be positive.")
    if not 0 <= (config.get("temperature") or 0) <= 2:
        raise Refuse(400, f"Unable to submit request because temperature is {config['temperature']}. The supported range is from 0 to 2.")
    ask.n = config.get("candidateCount") or 1
    if not 1 <= ask.n <= 8:
        raise Refuse(400, "The supported range of candidate_count is from 1 to 8.")
    for name in ("presencePenalty", "frequencyPenalty"):
        if not -2 <= (config.get(name) or 0) <= 2:
            raise Refuse(400, f"Unable to submit request because {name} is {config[name]}. The supported range is from -2 to 2.")
    if (ask.max_tokens or 0) > 65536:
        raise Refuse(400, f"Unable to submit request because it has a maxOutputTokens value of {ask.max_tokens} but the supported range is "
                     "from 1 (inclusive) to 65537 (exclusive).")
    ask.stop = config.get("stopSequences") or []
    if len(ask.stop) > 5:
        raise Refuse(400, "The number of stop sequences must be at most 5.")
    if config.get("responseMimeType") == "application/json":
        ask.json_mode = config.get("responseJsonSchema") or config.get("responseSchema") or "object"
    elif config.get("responseSchema") or config.get("responseJsonSchema"):
        raise Refuse(400, "Response schema is only supported with response mime type application/json.")
    if config.get("responseLogprobs"):
        ask.logprobs = config.get("logprobs") or 0
    read_thinking(ask, config.get("thinkingConfig") or {})
    read_contents(ask, body)
    read_tools(ask, body)


PARTS = set("""text inlineData fileData functionCall functionResponse thought thoughtSignature""".split())
LEVELS = ("minimal", "low", "medium", "high")


def read_thinking(ask, thinking):
    refuse_unknown(thinking, {"thinkingLevel", "thinkingBudget", "includeThoughts"}, " at 'generation_config.thinking_config'")
    if "thinkingLevel" in thinking and str(thinking["thinkingLevel"]).lower() not in LEVELS:
        raise Refuse(400, f"Invalid value at 'generation_config.thinking_config.thinking_level', \"{thinking['thinkingLevel']}\"")
    if str(thinking.get("thinkingLevel")).lower() == "minimal" and "pro" in ask.model:
        raise Refuse(400, "Thinking level MINIMAL is not supported for this model.")
    if "thinkingLevel" in thinking and "thinkingBudget" in thinking:
        raise Refuse(400, "You can only set only one of thinking budget and thinking level.")
    if "thinkingLevel" in thinking and not ask.model.startswith("gemini-3"):
        raise Refuse(400, "Thinking level is not supported for this model.")
    ask.reasoning = thinking.get("thinkingBudget", -1) != 0 and bool(re.match(r"gemini-(2\.5|3)", ask.model))
    ask.show_reasoning = ask.reasoning and bool(thinking.get("includeThoughts"))


def read_contents(ask, body):
    contents = body.get("contents")
    if not isinstance(contents, list) or not contents:
        raise Refuse(400, "* GenerateContentRequest.contents: contents is not specified")
    system = body.get("systemInstruction") or {}
    ask.prompt_bytes += sum(len(p.get("text", "")) for p in system.get("parts", []))
    calls = 0
    # only the current turn's calls are checked for their signature: those after the last question
    asked = max((i for i, c in enumerate(contents) if c.get("role", "user") == "user" and any(isinstance(p.get("text"), str) for p in c.get("parts") or [])),
                default=-1)
    for i, content in enumerate(contents):
        role, parts = content.get("role", "user"), content.get("parts")
        if role not in ("user", "model", "function"):
            raise Refuse(400, "Please use a valid role: user, model.")
        if not parts:
            raise Refuse(400, f"* GenerateContentRequest.contents[{i}].parts: contents.parts must not be empty.")
        for part in parts:
            refuse_unknown(part, PARTS, f" at 'contents[{i}].parts[0]'")
            if "inlineData" in part and not (part["inlineData"].get("mimeType") and part["inlineData"].get("data")):
                raise Refuse(400, f"* GenerateContentRequest.contents[{i}].parts[0].inline_data: mime_type and data are required")
        if i == 0 and role == "model":
            raise Refuse(400, "Please ensure that multiturn requests begin with a user role.")
        texts = [p["text"] for p in parts if isinstance(p.get("text"), str)]
        results = [p["functionResponse"] for p in parts if "functionResponse" in p]
        if results and len(results) != calls:
            raise Refuse(400, "Please ensure that the number of function response parts is equal to the number of function call parts of "
                         "the function call turn.")
        for result in results:
            if not result.get("name"):
                raise Refuse(400, f"* GenerateContentRequest.contents[{i}].parts.function_response.name: Name cannot be empty.")
            if result.get("parts") and not ask.model.startswith("gemini-3"):
                raise Refuse(400, "Multimodal function responses are not supported for this model.")
            if not isinstance(result.get("response"), dict):
                raise Refuse(400, f"Invalid value at 'contents[{i}].parts[0].function_response.response' (type.googleapis.com/google.protobuf.Struct)")
        own = [p for p in parts if "functionCall" in p]
        calls = len(own)
        if own and ask.model.startswith("gemini-3") and i > asked and not own[0].get("thoughtSignature"):
            raise Refuse(400, f"Function call `{own[0]['functionCall'].get('name')}` in the {i}. content block is missing a "
                         "`thought_signature`.")
        if role == "user" and texts:
            ask.user_text = "\n".join(texts)
        ask.tool_result = json.dumps([r["response"] for r in results]) if results else None
        ask.images += sum(1 for p in parts if "inlineData" in p or "fileData" in p)
        ask.prompt_bytes += sum(len(t.encode("utf-8", "replace")) for t in texts) + len(ask.tool_result or "")
        ask.messages += 1


def read_tools(ask, body):
    for tool in body.get("tools") or []:
        for function in tool.get("functionDeclarations") or []:
            schema = function.get("parametersJsonSchema")
            if schema is None:
                schema = function.get("parameters") or {"type": "object"}
                for word in ("additionalProperties", "$schema", "const", "oneOf"):
                    if f'"{word}"' in json.dumps(schema):
                        raise Refuse(400, f"Invalid JSON payload received. Unknown name \"{word}\" at "
                                     "'tools[0].function_declarations[0].parameters': Cannot find field.")
            ask.tools.append((function.get("name"), schema))
            ask.prompt_bytes += len(json.dumps(function))
    config = (body.get("toolConfig") or {}).get("functionCallingConfig") or {}
    mode = config.get("mode", "AUTO").upper()
    if mode not in ("AUTO", "ANY", "NONE", "VALIDATED"):
        raise Refuse(400, f"Invalid value at 'tool_config.function_calling_config.mode', \"{mode}\"")
    if config and not ask.tools:
        raise Refuse(400, "Function calling config is set without function_declarations.")
    allowed = config.get("allowedFunctionNames")
    if allowed and mode not in ("ANY", "VALIDATED"):
        raise Refuse(400, "Please set allowed_function_names only when function calling mode is ANY.")
    if allowed and not set(allowed) <= {name for name, _ in ask.tools}:
        raise Refuse(400, f"allowed_function_names {allowed} is not among the function declarations.")
    if ask.tools and ask.json_mode is not None and not ask.model.startswith("gemini-3"):
        raise Refuse(400, "Function calling with a response mime type: 'application/json' is unsupported")
    ask.tool_choice = {"ANY": "required", "NONE": "none"}.get(mode, "auto")
    if mode == "ANY" and config.get("allowedFunctionNames"):
        ask.tool_choice = "=" + config["allowedFunctionNames"][0]


def usage_value(answer, final=True):
    u = answer.usage
    value = {"promptTokenCount": u["input"], "totalTokenCount": u["input"] + u["output"],
             "promptTokensDetails": [{"modality": "TEXT", "tokenCount": u["input"]}]}
    if final:
        value["candidatesTokenCount"] = u["output"] - u["reasoning"]
    if u["cached"]:
        value["cachedContentTokenCount"] = u["cached"]
    if u["reasoning"]:
        value["thoughtsTokenCount"] = u["reasoning"]
    return value


def parts_of(ask, choice):
    """Everything but the text."""
    before = [{"text": choice.reasoning, "thought": True}] if choice.reasoning else []
    after = []
    for i, (_, name, arguments) in enumerate(choice.tool_calls):
        part = {"functionCall": {"name": name, "args": json.loads(arguments)}}
        if ask.model.startswith("gemini-3") and i == 0:
            part["thoughtSignature"] = "CiQBfake" + new_id("", 32)
        after.append(part)
    if choice.refusal:
        after.append({"text": choice.refusal})
    return before, after


def logprobs_of(ask, pieces):
    if ask.logprobs is None:
        return {}
    chosen = [{"token": p, "tokenId": i, "logProbability": -0.01} for i, p in enumerate(pieces)]
    return {"avgLogprobs": -0.01, "logprobsResult": {"chosenCandidates": chosen, "topCandidates": [
        {"candidates": [dict(c) for _ in range(max(1, ask.logprobs))]} for c in chosen]}}


def wrap(ask, candidates, usage):
    value = {"candidates": candidates} if candidates is not None else {}
    if usage is not None:
        value["usageMetadata"] = usage
    return dict(value, modelVersion=ask.model, responseId=ask.extra.setdefault("id", new_id("", 22)))


def plain(ask, answer):
    candidates = []
    for index, choice in enumerate(answer.choices):
        before, after = parts_of(ask, choice)
        pieces = list(choice.pieces)
        parts = before + ([{"text": "".join(pieces)}] if pieces else []) + after
        one = {"content": {"parts": parts, "role": "model"} if parts else {"role": "model"}, "finishReason": FINISH.get(choice.finish, choice.finish),
               "index": index}
        candidates.append(dict(one, **logprobs_of(ask, pieces)))
    return wrap(ask, candidates, None if answer.usage_mode == "missing" else usage_value(answer))


def events(ask, answer):
    """CRLF events; usage in each, the last one counts."""
    mode, sent = answer.usage_mode, [0]

    def event(index, parts, finish=None, **more):
        content = {"parts": parts, "role": "model"} if parts else {"role": "model"}
        one = dict({"content": content, "index": index}, **more)
        if finish:
            one["finishReason"] = finish
        usage = None if mode == "missing" or (mode == "early" and sent[0]) else usage_value(answer, bool(finish) or mode == "early")
        sent[0] += 1
        return sse(wrap(ask, [one], usage))

    for index, choice in enumerate(answer.choices):
        before, after = parts_of(ask, choice)
        for part in before:
            yield event(index, [part])
        for piece in choice.pieces:
            yield event(index, [{"text": piece}], **logprobs_of(ask, [piece]))
        for part in after[:-1]:
            yield event(index, [part])
        last = after[-1:] or [{"text": ""}]
        if answer.done:
            yield event(index, last, FINISH.get(choice.finish, choice.finish))


def sse(value):
    return b"data: " + dumps(value) + b"\r\n\r\n"


def text_event(ask, text):
    return sse(wrap(ask, [{"content": {"parts": [{"text": text}], "role": "model"}, "index": 0}], None))


def error(ask, status, fields):
    value = {"code": status, "message": fields.get("message") or TEXTS.get(status, f"The fake upstream answers {status}."),
             "status": fields.get("type") or STATUSES.get(status, "UNKNOWN")}
    if fields.get("details"):
        value["details"] = fields["details"]
    elif status == 429:
        value["details"] = [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34s"}]
    return {"error": value}


def error_event(ask, fields):
    return sse(error(ask, fields.get("status", 503), {k: v for k, v in fields.items() if k != "status"}))


def done_event(ask):
    return b""


def read_embeddings(ask, body, headers):
    check_key_and_model(ask, headers, "embedContent")
    body = camel(body)
    requests = body.get("requests") if ask.extra["method"] == "batchEmbedContents" else [body]
    if not isinstance(requests, list) or not requests:
        raise Refuse(400, "* BatchEmbedContentsRequest.requests: requests is not specified")
    for one in requests:
        refuse_unknown(one, {"model", "content", "taskType", "title", "outputDimensionality"}, " at 'requests[0]'")
        if ask.extra["method"] == "batchEmbedContents" and one.get("model") != "models/" + ask.model:
            raise Refuse(400, "* BatchEmbedContentsRequest.requests[0].model: unexpected model name format")
        ask.inputs.append("\n".join(p.get("text", "") for p in (one.get("content") or {}).get("parts") or []))
        ask.dimensions = one.get("outputDimensionality") or ask.dimensions
    ask.user_text = ask.inputs[-1]
    ask.extra["tokens"] = sum(max(1, -(-len(t.encode("utf-8", "replace")) // 4)) for t in ask.inputs)


def plain_embeddings(ask, answer, vectors):
    if ask.extra["method"] == "embedContent":
        value = {"embedding": {"values": vectors[0]}}
    else:
        value = {"embeddings": [{"values": v} for v in vectors]}
    if answer.usage_mode != "missing":
        value["usageMetadata"] = {"promptTokenCount": answer.usage["input"]}
    return value
