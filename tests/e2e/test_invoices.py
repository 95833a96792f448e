# SPDX-License-Identifier: Apache-2.0
"""Invoice vectors: what a provider counts, and what a customer at 40 % pays for it, worked out by hand from the catalog of November 2026."""

from decimal import Decimal

import pytest
from client import chat_body
from fake import new_word, script
from money import check_charge, tokens_of

# model, counts of the provider (input includes what was cached or written to a cache), US dollars. The sums are per million tokens, before 40 %.
VECTORS = [
    # OpenAI, chat completions: 600 x 1.25 + 400 x 0.125 + 77 x 10
    ("gpt-5", {"input": 1000, "cached": 400, "output": 77, "reasoning": 33}, "0.002198"),
    # OpenAI, Responses: 600 x 2.5 + 400 x 0.25 + 77 x 15
    ("gpt-5.4", {"input": 1000, "cached": 400, "output": 77, "reasoning": 33}, "0.003857"),
    # 272000 x 2.5 + 15; one token more, and all of it costs more: 272001 x 5 + 22.5
    ("gpt-5.4", {"input": 272000, "output": 1}, "0.952021"),
    ("gpt-5.4", {"input": 272001, "output": 1}, "1.9040385"),
    # 200000 x 5 + 100000 x 0.5 + 100 x 22.5
    ("gpt-5.4", {"input": 300000, "cached": 100000, "output": 100}, "1.47315"),
    # A cache is written (4012 x 2.5 + 12), then read (4012 x 0.2 + 12).
    ("gpt-5.6-terra", {"input": 4012, "cache_write": 4012, "output": 1}, "0.0140588"),
    ("gpt-5.6-terra", {"input": 4012, "cached": 4012, "output": 1}, "0.00114016"),
    # Anthropic counts caches beside the input: 500 x 3 + 300 x 0.3 + 150 x 3.75 + 50 x 6 + 77 x 15
    ("claude-sonnet-4-6", {"input": 1000, "cached": 300, "cache_write": 200, "cache_write_1h": 50, "output": 77, "reasoning": 20}, "0.0050505"),
    # 100000 x 0.1 + 10 x 0.5; 100001 x 0.5 + 10 x 2.5
    ("claude-haiku-5-5", {"input": 100000, "output": 10}, "0.014007"),
    ("claude-haiku-5-5", {"input": 100001, "output": 10}, "0.0700357"),
    # Google: 600 x 2 + 400 x 0.2 + 77 x 12, thoughts are output; 200001 x 4 + 10 x 18
    ("gemini-3-pro", {"input": 1000, "cached": 400, "output": 77, "reasoning": 33}, "0.0030856"),
    ("gemini-3-pro", {"input": 200001, "output": 10}, "1.1202576"),
    # OpenRouter says what it took; without that, 1000 x 0.2288 + 10 x 0.3432, rounded half up
    ("grok-4.3", {"input": 1000, "output": 10, "cost": "0.0012"}, "0.00168"),
    ("deepseek-v3.2", {"input": 1000, "output": 10, "cost": None}, "0.000325125"),
    # A reported zero is a zero.
    *[(model, "zero", "0") for model in ("gpt-5", "gpt-5.4", "claude-sonnet-4-6", "gemini-3-pro")],
]


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
@pytest.mark.parametrize("model,counts,usd", VECTORS, ids=lambda v: str(v).replace(" ", "") if isinstance(v, dict) else v)
def test_invoice(account, model, counts, usd, stream):
    size = counts["input"] if isinstance(counts, dict) else 0
    before = account.balance()
    rule = {"usage": counts, "unset": ["/usage/cost"] if isinstance(counts, dict) and counts.get("cost", 0) is None else []}
    body = chat_body("x" * size + script(new_word(), rule), model=model, max_tokens=2000)
    if stream:
        with account.api.chat_stream(**body) as answer:
            _, done = answer.chunks()
            assert done
            usage = account.usage(answer.headers["x-request-id"])
    else:
        answer = account.api.post("/v1/chat/completions", body)
        assert answer.status == 200, answer
        usage = account.usage(answer)
    assert check_charge(usage) == before - account.balance() == Decimal(usd)
    assert usage["arithmetic"]["absorbed_usd"] == 0
    if size:
        assert sum(n for kind, n in tokens_of(usage).items() if kind not in ("output", "reasoning")) == size
