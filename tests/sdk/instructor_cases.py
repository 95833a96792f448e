# SPDX-License-Identifier: Apache-2.0
"""Cases of Instructor: reads a line {"mode", "base_url", "key", ...} of JSON after the other and prints what it saw as a line of JSON.
test_instructor.py looks at the results. Instructor has LlamaIndex's environment, as it asks for an older openai, too."""

import json
import sys

import instructor
import openai
from pydantic import BaseModel


class Person(BaseModel):
    """A person."""

    name: str
    age: int


def client(asked):
    plain = openai.OpenAI(base_url=asked["base_url"], api_key=asked["key"], max_retries=0, timeout=60)
    return instructor.from_openai(plain, mode=getattr(instructor.Mode, asked["mode"]))


def one(asked):
    messages = [{"role": "user", "content": asked["text"]}]
    person = client(asked).chat.completions.create(model=asked["model"], messages=messages, response_model=Person, max_retries=0)
    return {"person": person.model_dump()}


for line in sys.stdin:
    asked = json.loads(line)
    try:
        seen = one(asked)
    except Exception as problem:  # pylint: disable=broad-except
        seen = {"error": f"{type(problem).__name__}: {problem}"}
    print(json.dumps(seen), flush=True)
