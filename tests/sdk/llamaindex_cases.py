# SPDX-License-Identifier: Apache-2.0
"""Cases of LlamaIndex: reads a line {"case", "base_url", "key", ...} of JSON after the other and prints what it saw as a line of JSON.
test_llamaindex.py looks at the results. LlamaIndex has an environment of its own, and takes seconds to start."""

import asyncio
import json
import sys

import openai
from llama_index.core.base.llms.types import ChatMessage, ImageBlock, TextBlock
from llama_index.core.prompts import PromptTemplate
from llama_index.core.tools import FunctionTool
from llama_index.embeddings.openai_like import OpenAILikeEmbedding
from llama_index.llms.openai_like import OpenAILike
from pydantic import BaseModel

asked = {}
PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


class Person(BaseModel):
    """A person."""

    name: str
    age: int


def weather(city: str) -> str:
    """Says the weather of a city."""
    return f"sunny in {city}"


def llm(**more):
    return OpenAILike(model=asked["model"], api_base=asked["base_url"], api_key=asked["key"], is_chat_model=True,
                      is_function_calling_model=True, context_window=100000, max_retries=asked.get("retries", 0), timeout=60, **more)


def user(text):
    return ChatMessage(role="user", content=text)


def calls_of(model, answer):
    return [{"id": c.tool_id, "name": c.tool_name, "arguments": c.tool_kwargs} for c in model.get_tool_calls_from_response(answer, error_on_no_tool_call=False)]


def chat():
    answer = llm().chat([ChatMessage(role="system", content="be brief"), user(asked["text"])])
    return {"text": answer.message.content, "usage": answer.raw.usage.model_dump()}


def complete():
    return {"text": llm().complete(asked["text"]).text}


def stream():
    pieces = list(llm().stream_chat([user(asked["text"])]))
    return {"text": pieces[-1].message.content, "pieces": len(pieces), "joined": "".join(p.delta or "" for p in pieces)}


def asynchronous():
    async def work():
        one = await llm().achat([user(asked["text"])])
        text = ""
        async for piece in await llm().astream_chat([user(asked["text"])]):
            text += piece.delta or ""
        return {"text": one.message.content, "joined": text}
    return asyncio.run(work())


def tools():
    model, tool = llm(), FunctionTool.from_defaults(weather)
    answer = model.chat_with_tools([tool], user_msg=asked["text"], allow_parallel_tool_calls=True)
    calls = calls_of(model, answer)
    history = [user(asked["text"]), answer.message]
    history += [ChatMessage(role="tool", content=str(tool(**c["arguments"])), additional_kwargs={"tool_call_id": c["id"]}) for c in calls]
    return {"calls": calls, "text": model.chat_with_tools([tool], chat_history=history).message.content}


def streamed_tools():
    model = llm()
    pieces = list(model.stream_chat_with_tools([FunctionTool.from_defaults(weather)], user_msg=asked["text"], allow_parallel_tool_calls=True))
    return {"calls": calls_of(model, pieces[-1])}


def structured():
    person = llm().structured_predict(Person, PromptTemplate("{text}"), text=asked["text"])
    schema = llm(should_use_structured_outputs=True).structured_predict(Person, PromptTemplate("{text}"), text=asked["text"])
    return {"by_tool": isinstance(person, Person), "by_schema": isinstance(schema, Person)}


def json_mode():
    return {"text": llm(additional_kwargs={"response_format": {"type": "json_object"}}).chat([user(asked["text"])]).message.content}


def vision():
    blocks = [TextBlock(text=asked["text"]), ImageBlock(image=PNG.encode(), image_mimetype="image/png")]
    return {"text": llm().chat([ChatMessage(role="user", blocks=blocks)]).message.content}


def embeddings():
    model = OpenAILikeEmbedding(model_name=asked["model"], api_base=asked["base_url"], api_key=asked["key"], max_retries=0)
    return {"sizes": [len(v) for v in [model.get_text_embedding("one"), *model.get_text_embedding_batch(["two", "three"])]]}


for line in sys.stdin:
    asked = json.loads(line)
    try:
        seen = globals()[asked["case"]]()
    except openai.APIError as error:
        seen = {"error": {"class": type(error).__name__, "status": getattr(error, "status_code", None), "code": error.code, "message": error.message}}
    print(json.dumps(seen), flush=True)
