# SPDX-License-Identifier: Apache-2.0
"""Anthropic's counting of a prompt's tokens."""

from answer import Refuse

from . import messages

TAKEN = set("model messages system tools tool_choice thinking output_config cache_control context_management".split())
error = messages.error
error_event = messages.error_event
text_event = messages.text_event


def read(ask, body, headers):
    for name in body:
        if name not in TAKEN:
            raise Refuse(400, f"{name}: Extra inputs are not permitted")
    messages.read(ask, dict(body, max_tokens=64000), headers)


def plain(ask, answer):
    return {"input_tokens": answer.usage["input"]}


def events(ask, answer):
    yield messages.event("error")
