# SPDX-License-Identifier: Apache-2.0
"""Embeddings of OpenAI and OpenRouter, and Google's :embedContent and :batchEmbedContents."""

import base64
import hashlib
import struct

from answer import Refuse

from . import common, gemini
from .common import check_type

DEFAULT_SIZE = {"text-embedding-3-large": 3072, "gemini-embedding-2": 3072, "qwen/qwen3-embedding-8b": 4096}


def read(ask, body, headers):
    if ask.provider == "google":
        return gemini.read_embeddings(ask, body, headers)
    common.check_bearer(ask, headers)
    common.check_model(ask, body.get("model"), "embedding")
    value = body.get("input")
    if value is None or value == "" or value == []:
        raise Refuse(400, "'$.input' is invalid. Please check the API reference: https://platform.openai.com/docs/api-reference.", code=None)
    if isinstance(value, str) or (isinstance(value, list) and isinstance(value[0], int)):
        value = [value]
    if not isinstance(value, list):
        raise Refuse(400, "'$.input' is invalid. Please check the API reference: https://platform.openai.com/docs/api-reference.", code=None)
    ask.inputs = value
    ask.dimensions = check_type(body, "dimensions", int, "an integer", 1)
    if ask.dimensions and ask.model == "text-embedding-ada-002":
        raise Refuse(400, "This model does not support specifying dimensions.", code=None)
    form = check_type(body, "encoding_format", str, "a string") or "float"
    if form not in ("float", "base64"):
        raise Refuse(400, f"Invalid value: '{form}'. Supported values are: 'float' and 'base64'.", param="encoding_format",
                     code="invalid_value")
    ask.base64 = form == "base64"
    texts = [t for t in value if isinstance(t, str)]
    ask.user_text = texts[-1] if texts else ""
    ask.extra["tokens"] = sum(max(1, -(-len(t.encode("utf-8", "replace")) // 4)) if isinstance(t, str) else len(t) for t in value)
    return None


def vector(ask, text):
    """Numbers that depend on the text alone, of length one or so."""
    size = ask.dimensions or DEFAULT_SIZE.get(ask.model, 1536)
    seed = hashlib.sha256(repr(text).encode("utf-8", "replace")).digest()
    numbers = [(seed[i % 32] - 127.5) / 127.5 * (1 + i % 7) for i in range(size)]
    norm = sum(x * x for x in numbers) ** 0.5
    return [struct.unpack("<f", struct.pack("<f", x / norm))[0] for x in numbers]


def compose_usage(ask):
    return {"input": ask.extra["tokens"], "cached": 0, "cache_write": 0, "output": 0, "reasoning": 0, "cost": None}


def plain(ask, answer):
    vectors = [vector(ask, text) for text in ask.inputs]
    usage = answer.usage
    if ask.provider == "google":
        return gemini.plain_embeddings(ask, answer, vectors)
    if ask.base64:
        vectors = [base64.b64encode(struct.pack(f"<{len(v)}f", *v)).decode() for v in vectors]
    value = {"object": "list", "data": [{"object": "embedding", "index": i, "embedding": v} for i, v in enumerate(vectors)],
             "model": ask.model}
    if answer.usage_mode != "missing":
        value["usage"] = {"prompt_tokens": usage["input"], "total_tokens": usage["input"]}
        if ask.provider == "openrouter":
            value["usage"]["cost"] = usage["cost"]
            value["id"], value["provider"] = "gen-emb-fake", "Fake"
    return value


def events(ask, answer):
    raise Refuse(400, "embeddings are not streamed")


def error(ask, status, fields):
    return (gemini if ask.provider == "google" else common).error(ask, status, fields)


def error_event(ask, fields):
    return b""


text_event = error_event
