# SPDX-License-Identifier: Apache-2.0
"""Instructor on POST /v1/responses and on chat completions. Its cases are in instructor_cases.py."""

import json
import os
import pathlib
import subprocess

import pytest

CASES = pathlib.Path(__file__).with_name("instructor_cases.py")


@pytest.fixture(scope="module")
def cases():
    python = os.environ.get("AIG_TEST_LLAMAINDEX") or pytest.skip("Instructor is not installed (tests/env/venv.sh)")
    env = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/")}
    with subprocess.Popen([python, "-B", CASES], env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield process
        process.stdin.close()


@pytest.mark.parametrize("mode", ["RESPONSES_TOOLS", "TOOLS", "JSON_SCHEMA"])
@pytest.mark.parametrize("model", ["gpt-4o-mini", "gpt-5.4", "claude-sonnet-4-6", "gemini-3.5-flash", "deepseek-v3.2"])
def test_a_person(account, cases, mode, model):
    asked = {"mode": mode, "model": model, "base_url": account.api.url + "/v1", "key": account.key, "text": "a person"}
    print(json.dumps(asked), file=cases.stdin, flush=True)
    assert set(json.loads(cases.stdout.readline()).get("person", ())) == {"name", "age"}
    assert account.spent() > 0
