# SPDX-License-Identifier: Apache-2.0
"""The arithmetic of a charge, done again in Python from what the API tells (no code is shared with the ledger)."""

import json
from decimal import ROUND_HALF_UP, Decimal, getcontext

getcontext().prec = 60
NINE = Decimal("0.000000001")


def exact(answer_or_text):
    """JSON with its numbers as Decimal: an amount that went through a float would be another one."""
    text = getattr(answer_or_text, "body", answer_or_text)
    return json.loads(text, parse_float=Decimal, parse_int=Decimal)


def charge_of(usage):
    """The charge that follows from a usage object of GET /v1/usage/{id} (read with `exact`)."""
    sums = usage["arithmetic"]
    if sums["upstream_cost_usd"] is not None:
        cost = sums["upstream_cost_usd"]
    else:
        cost = sum((line["tokens"] * line["usd_per_million_tokens"] for line in sums["lines"]), Decimal(0)) / 1000000
        cost += sum(tool["count"] * tool["unit_usd"] for tool in sums.get("tools", []))
    raw = (cost * (1 + sums["markup"])).quantize(NINE, ROUND_HALF_UP)
    return min(raw, sums["hold_usd"]), raw


def tokens_of(usage):
    return {line["kind"]: int(line["tokens"]) for line in usage["arithmetic"]["lines"] if line["tokens"]}


def check_charge(usage):
    """Fails unless every figure of the usage object follows from the others; the charge."""
    charge, raw = charge_of(usage)
    assert usage["charge_usd"] == usage["arithmetic"]["charge_usd"] == charge, usage
    assert usage["arithmetic"]["absorbed_usd"] == raw - charge, usage
    assert charge <= usage["arithmetic"]["hold_usd"]
    return charge
