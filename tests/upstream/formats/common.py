# SPDX-License-Identifier: Apache-2.0
"""What the OpenAI-like formats share: keys, errors, checks, model names."""

import re

from answer import Refuse, dumps

OPENAI_NAMES = re.compile(r"(gpt-|chatgpt-|o[134](-|$)|text-embedding-|codex-)")
ERROR_TYPES = {400: "invalid_request_error", 401: "invalid_request_error", 403: "invalid_request_error",
               404: "invalid_request_error", 409: "invalid_request_error", 413: "invalid_request_error",
               422: "invalid_request_error", 429: "requests"}
ERROR_CODES = {401: "invalid_api_key", 404: "model_not_found", 429: "rate_limit_exceeded"}
ERROR_TEXTS = {
    401: "Incorrect API key provided: $KEY. You can find your API key at https://platform.openai.com/account/api-keys.",
    429: "Rate limit reached for $MODEL in organization org-FAKEfakeFAKEfake on requests per min (RPM): Limit 3, Used 3, "
         "Requested 1. Please try again in 20s.",
    500: "The server had an error while processing your request. Sorry about that!",
    503: "The engine is currently overloaded, please try again later.",
}


def bearer(headers):
    value = headers.get("authorization", "")
    return value[7:].strip() if value[:7].lower() == "bearer " else ""


def check_bearer(ask, headers):
    key = ask.extra["key"] = bearer(headers)
    if not key:
        if ask.provider == "openrouter":
            raise Refuse(401, "No auth credentials found")
        raise Refuse(401, "You didn't provide an API key. You need to provide your API key in an Authorization header using Bearer "
                     "auth (i.e. Authorization: Bearer YOUR_KEY).", code=None)
    if key == "bad-key":
        raise Refuse(401, "User not found." if ask.provider == "openrouter" else ERROR_TEXTS[401])


def check_model(ask, model, wanted=None):
    if not isinstance(model, str) or not model:
        raise Refuse(400, "you must provide a model parameter", code=None)
    if ask.provider == "openrouter":
        if "/" not in model or "unknown-model" in model:
            raise Refuse(400, f"{model} is not a valid model ID")
    elif "unknown-model" in model or not OPENAI_NAMES.match(model):
        if ask.api == "responses":
            raise Refuse(400, f"The requested model '{model}' does not exist.", param="model", code="model_not_found")
        raise Refuse(404, f"The model `{model}` does not exist or you do not have access to it.", code="model_not_found")
    if wanted == "chat" and ("text-embedding" in model or "codex" in model or model.endswith("-pro")) and ask.provider == "openai":
        raise Refuse(404, "This is not a chat model and thus not supported in the v1/chat/completions endpoint. Did you mean to use "
                     "v1/completions?", param="model", code=None)
    if wanted == "embedding" and ask.provider == "openai" and "embedding" not in model:
        raise Refuse(403, "You are not allowed to generate embeddings from this model", code=None)
    ask.model = model


TYPE_NAMES = ((bool, "a boolean"), (int, "an integer"), (float, "a decimal"), (str, "a string"), (list, "an array"), (dict, "an object"))


def type_name(value):
    return "null" if value is None else next(name for kind, name in TYPE_NAMES if isinstance(value, kind))


def check_type(body, name, kinds, wanted, lowest=None, highest=None):
    """The value of a field that may be absent or null."""
    value = body.get(name)
    if value is None:
        return None
    if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in (kinds if isinstance(kinds, tuple) else (kinds,))):
        raise Refuse(400, f"Invalid type for '{name}': expected {wanted}, but got {type_name(value)} instead.",
                     param=name, code="invalid_type")
    noun = "integer" if isinstance(value, int) else "decimal"
    if lowest is not None and value < lowest:
        raise Refuse(400, f"Invalid '{name}': {noun} below minimum value. Expected a value >= {lowest}, but got {value} instead.",
                     param=name, code=f"{noun}_below_min_value")
    if highest is not None and value > highest:
        raise Refuse(400, f"Invalid '{name}': {noun} above maximum value. Expected a value <= {highest}, but got {value} instead.",
                     param=name, code=f"{noun}_above_max_value")
    return value


def refuse_unknown(body, names):
    for name in names:
        if name in body:
            raise Refuse(400, f"Unknown parameter: '{name}'.", param=name, code="unknown_parameter")


def is_reasoning(model):
    name = model.rsplit("/", 1)[-1]
    return bool(re.match(r"(o[134](-|$)|gpt-([5-9]))", name)) and "chat" not in name


def error(ask, status, fields):
    fields = {k: v for k, v in fields.items() if v is not None or k in ("code", "param")}
    message = fields.get("message") or ERROR_TEXTS.get(status, f"The fake upstream answers {status}.")
    if ask.provider == "openrouter":
        body = {"message": message, "code": fields.get("code", status)}
        if status in (429, 502, 503) or "metadata" in fields:
            body["metadata"] = fields.get("metadata", {"provider_name": "Fake", "raw": "account acct_FAKEfake is over its limit"})
        return {"error": body, "user_id": "user_FAKEfakeFAKEfake"}
    return {"error": {"message": message, "type": fields.get("type") or ERROR_TYPES.get(status, "server_error"),
                      "param": fields.get("param"), "code": fields["code"] if "code" in fields else ERROR_CODES.get(status)}}


def sse(value, name=None):
    head = b"event: " + name.encode() + b"\n" if name else b""
    return head + b"data: " + dumps(value) + b"\n\n"


def text_of(content):
    """All text in a message's content: a string, or parts."""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "\n".join(p.get("text") or p.get("refusal") or "" for p in content
                         if isinstance(p, dict) and isinstance(p.get("text") or p.get("refusal") or "", str))
    return ""


def count_images(content):
    return sum(1 for p in content if isinstance(p, dict) and "image" in str(p.get("type"))) if isinstance(content, list) else 0
