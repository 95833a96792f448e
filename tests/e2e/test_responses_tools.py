# SPDX-License-Identifier: Apache-2.0
"""Tools that OpenAI runs itself, on POST /v1/responses: passed through with recorded traffic, held, counted and charged; refused elsewhere."""

import json
import pathlib
from decimal import Decimal

import pytest
from client import Stream
from fake import new_word, script
from money import check_charge
from test_responses import TOOL, good, post, stream

RECORDINGS = pathlib.Path(__file__).resolve().parent.parent / "upstream" / "recordings" / "openai"
WEB, FILES = {"type": "web_search"}, {"type": "file_search", "vector_store_ids": ["vs_1"]}
CODE = {"type": "code_interpreter", "container": {"type": "auto"}}
SECRET, KEY = "tok-3f9c2a7e51", "hdr-77b0de94c2"
MCP = {"type": "mcp", "server_label": "wiki", "server_url": "https://wiki.example/mcp", "authorization": SECRET, "headers": {"X-Key": KEY},
       "require_approval": "never"}
# case: tools of the request, what is charged as (kind, count, price)
PLAIN = {
    "web-search-tool-six-searches.0": ([WEB], [("web_search", 6, "0.01")]),
    "web-search-tool-with-allowed-domains.0": ([WEB], [("web_search", 2, "0.01")]),
    "thinking-with-code-execution-tool.0": ([CODE], [("code_interpreter", 1, "0.03")]),
    "mcp-server-tool.0": ([MCP], []),
}
STREAMED = {
    "web-search-tool-stream.0": ([WEB, TOOL], [("web_search", 1, "0.01")]),
    "file-search-tool-stream.3": ([FILES, CODE], [("file_search", 1, "0.0025"), ("code_interpreter", 1, "0.03")]),
    "thinking-with-code-execution-tool-stream.0": ([dict(CODE, container={"type": "auto", "memory_limit": "4g"})], [("code_interpreter", 1, "0.12")]),
}


def recorded(case):
    return RECORDINGS / f"openai-responses.{case}"


def replay(word, case, **more):
    return script(word, dict({"replay": f"openai/openai-responses.{case}"}, **more))


def recorded_events(case):
    text = (recorded(case) / "response.sse").read_text()
    return [json.loads(line.removeprefix("data:")) for line in text.split("\n") if line.startswith("data:")]


def check_tools(usage, fees):
    """The arithmetic of the usage object holds, and shows just these tools; the charge."""
    tools = usage["arithmetic"].get("tools", [])
    assert [(t["kind"], t["count"], t["unit_usd"]) for t in tools] == [(kind, count, Decimal(price)) for kind, count, price in fees], usage
    assert all(t["subtotal_usd"] == t["count"] * t["unit_usd"] for t in tools)
    assert ("tools x price" in usage["arithmetic"]["rule"]) == bool(fees)
    return check_charge(usage)


def check_sent(world, word, tools, limit=8):
    sent = world.fake.one(word)["json"]
    assert sent["tools"] == tools and sent["max_tool_calls"] == limit and sent["store"] is False
    return sent


@pytest.mark.parametrize("model", ["gpt-4o", "gpt-5.4"])
@pytest.mark.parametrize("case", PLAIN)
def test_recorded_answers(account, world, case, model):
    tools, fees = PLAIN[case]
    word = new_word()
    want = json.loads((recorded(case) / "response.json").read_text())
    answer = post(account.api, replay(word, case), model=model, tools=tools)
    assert answer.status == 200 and answer.headers["x-aig-tool-call-limit"] == "8", answer
    for member in ("output", "status", "tool_choice"):
        assert answer.json[member] == want[member], member
    assert answer.json["usage"]["input_tokens"] == want["usage"]["input_tokens"]
    check_sent(world, word, tools)
    usage = account.usage(answer)
    charge = check_tools(usage, fees)
    assert usage["estimated"] is False and charge == Decimal(answer.headers["x-ai-credits-charged"]) == Decimal("10") - account.balance()
    assert {line["kind"]: line["tokens"] for line in usage["arithmetic"]["lines"]}["output"] == want["usage"]["output_tokens"]
    assert account.holds() == []


@pytest.mark.parametrize("case", STREAMED)
def test_recorded_streams(account, world, case):
    tools, fees = STREAMED[case]
    word = new_word()
    with stream(account.api, replay(word, case), tools=tools) as answer:
        assert answer.status == 200 and answer.headers["x-aig-tool-call-limit"] == "8"
        request_id, (events, _) = answer.headers["x-request-id"], answer.chunks()
    want = recorded_events(case)
    assert [e["type"] for e in events] == [e["type"] for e in want]
    for got, sent in zip(events, want):
        if "response" not in sent:
            assert got == sent
    assert events[-1]["response"]["output"] == want[-1]["response"]["output"]
    check_sent(world, word, tools)
    charge = check_tools(account.usage(request_id), fees)
    assert Decimal(str(events[-1]["response"]["usage"]["cost"])) == charge == Decimal("10") - account.balance()


def test_the_preview_has_a_price_of_its_own(account):
    for model, price in (("gpt-4o", "0.025"), ("gpt-5.4", "0.01")):
        answer = post(account.api, replay(new_word(), "web-search-tool-six-searches.0"), model=model, tools=[{"type": "web_search_preview"}])
        check_tools(account.usage(answer), [("web_search_preview", 6, price)])
    for model, price in (("gpt-4o-mini", "0.0112"), ("gpt-4.1-mini", "0.0132")):
        answer = post(account.api, replay(new_word(), "web-search-tool-six-searches.0"), model=model, tools=[WEB])
        check_tools(account.usage(answer), [("web_search", 6, price)])


def test_a_limit_of_the_client(account, world):
    for limit in (1, 128):
        word = new_word()
        answer = post(account.api, word, model="gpt-4o-mini", tools=[WEB], max_tool_calls=limit)
        assert answer.status == 200 and "x-aig-tool-call-limit" not in answer.headers
        check_sent(world, word, [WEB], limit)
        usage = account.usage(answer)
        check_tools(usage, [])
        # Every turn may read the whole context, then the answer, then the fees: 40 % on top.
        worst = ((limit + 1) * 128000 * Decimal("0.15") + 2000 * Decimal("0.6")) / 1000000 + limit * Decimal("0.0112")
        assert usage["arithmetic"]["hold_usd"] == worst * Decimal("1.4")
    word = new_word()
    assert post(account.api, word, tools=[TOOL]).status == 200 and "max_tool_calls" not in world.fake.one(word)["json"]


def test_all_that_is_left_is_held(account):
    """The worst case of a large context does not fit, the likely one does."""
    answer = post(account.api, replay(new_word(), "web-search-tool-six-searches.0"), tools=[WEB])
    assert account.usage(answer)["arithmetic"]["hold_usd"] == Decimal("10")


@pytest.mark.parametrize("tools", [[WEB], [CODE], [FILES, MCP]])
def test_402(account, world, tools):
    account.set_cap("key", "0.02")
    word = new_word()
    answer = post(account.api, word, model="gpt-4o", tools=tools)
    assert answer.status == 402 and answer.error["code"] == "key_cap_exceeded" and "A lower max_tool_calls needs less." in answer.error["message"], answer
    assert world.fake.requests(word) == [] and account.holds() == [] and account.spent() == 0
    # Without the tools the same call fits.
    assert post(account.api, new_word(), model="gpt-4o", max_output_tokens=500).status == 200


def leave_after(account, word, case, tools, kind):
    """Leaves a stream once the first item of this kind is done; the usage row."""
    events = recorded_events(case)
    done = next(i for i, e in enumerate(events) if e["type"] == "response.output_item.done" and e["item"]["type"] == kind)
    with stream(account.api, replay(word, case, stall={"after": done + 1}), tools=tools) as answer:
        request_id = answer.headers["x-request-id"]
        for _ in range(done + 1):
            answer.next_data()
    return account.wait_usage(request_id)


def test_a_client_that_leaves_pays_for_the_tools_so_far(account, world):
    for case, tools, kind, fees in (
            ("web-search-tool-stream.0", [WEB], "web_search_call", [("web_search", 1, "0.01")]),
            ("web-search-tool-stream.0", [WEB, CODE], "web_search_call", [("web_search", 1, "0.01"), ("code_interpreter", 1, "0.03")]),
            ("file-search-tool-stream.3", [FILES], "file_search_call", [("file_search", 1, "0.0025")])):
        word = new_word()
        usage = leave_after(account, word, case, tools, kind)
        assert usage["status"] == "client_gone" and usage["estimated"] is True
        assert check_tools(usage, fees) > 0
        world.fake.ended(word)


def test_a_failure_costs_nothing(account, world):
    for rule in ({"status": 500}, {"status": 400}, {"body": "<html>", "content_type": "text/html"}):
        word = new_word()
        answer = post(account.api, script(word, {"openai": rule}), tools=[WEB])
        assert answer.status >= 400 and account.spent() == 0 and account.holds() == []
    case = "web-search-tool-stream.0"
    with stream(account.api, replay(new_word(), case, cut={"after": len(recorded_events(case)) - 1, "how": "close"}), tools=[WEB]) as answer:
        events, _ = answer.chunks()
    assert events[-1]["type"] == "response.failed" and account.spent() == 0


@pytest.mark.parametrize("tools", [[WEB], [MCP]])
def test_nobody_else_serves_them(account, world, tools):
    word = new_word()
    answer = post(account.api, script(word, {"openai": {"status": 503}}), model="test-hedged-tools", tools=tools)
    assert answer.status == 503 and [r["provider"] for r in world.fake.requests(word)] == ["openai"]
    # The same call without them is hedged.
    answer = post(account.api, script(new_word(), {"openai": {"status": 503}}), model="test-hedged-tools")
    assert answer.status == 200 and answer.headers["x-aig-hedged-from"] == "openai-responses", answer


@pytest.mark.parametrize("model", ["claude-sonnet-4-6", "gemini-3.5-flash", "deepseek-v3.2"])
@pytest.mark.parametrize("tool", [WEB, {"type": "web_search_preview_2025_03_11"}, FILES, CODE, MCP])
def test_refused_on_other_models(account, world, model, tool):
    word = new_word()
    answer = post(account.api, word, model=model, tools=[TOOL, tool])
    assert answer.status == 400 and answer.error["param"] == "tools[1]", answer
    assert model in answer.error["message"] and tool["type"] in answer.error["message"]
    assert world.fake.requests(word) == [] and account.spent() == 0


@pytest.mark.parametrize("tools,param", [
    ([{"type": "image_generation"}], "tools[0]"), ([TOOL, {"type": "computer_use_preview"}], "tools[1]"), ([{"type": "shell"}], "tools[0]"),
    ([{"type": "code_interpreter", "container": "cntr_1"}], "tools[0].container"),
    ([{"type": "code_interpreter", "container": {"type": "auto", "file_ids": ["file-1"]}}], "tools[0].container.file_ids"),
    ([WEB, {"type": "web_search_preview"}], "tools[1]"), ([{"type": "namespace", "name": "n", "tools": [WEB]}], "tools[0]")])
def test_refused_everywhere(account, world, tools, param):
    word = new_word()
    answer = post(account.api, word, tools=tools)
    assert answer.status == 400 and answer.error["param"] == param and world.fake.requests(word) == [], answer
    answer = post(account.api, word, tools=[WEB], max_tool_calls=129)
    assert answer.status == 400 and answer.error["param"] == "max_tool_calls"


def test_a_tool_without_a_price(account, world):
    """A model whose price version has none does not offer it, though its provider would."""
    for tool, name in ((FILES, "file_search"), (CODE, "code_interpreter with a memory_limit of 1g"), ({"type": "web_search_preview"}, "web_search_preview")):
        word = new_word()
        answer = post(account.api, word, model="test-hedged-tools", tools=[tool])
        assert answer.status == 400 and answer.error["param"] == "tools" and name in answer.error["message"], answer
        assert account.holds() == [] and world.fake.requests(word) == []
    assert post(account.api, new_word(), model="test-hedged-tools", tools=[WEB, MCP]).status == 200


def test_messages_keeps_refusing(account):
    answer = account.api.post("/v1/messages", {"model": "claude-sonnet-4-6", "max_tokens": 10, "messages": [{"role": "user", "content": "x"}],
                                               "tools": [{"type": "web_search_20250305", "name": "web_search"}]})
    assert answer.status == 400, answer
    assert account.spent() == 0


def test_earlier_items_go_along(account, world):
    """A conversation that is kept, and one that the client sends: to OpenAI with the items of tools, to others without them."""
    case = "web-search-tool-stream.0"
    with stream(account.api, replay(new_word(), case), tools=[WEB], store=True) as answer:
        events, _ = answer.chunks()
    first, word = events[-1]["response"], new_word()
    second = good(account.api, word, previous_response_id=first["id"], tools=[WEB])
    kinds = [item.get("type", "message") for item in world.fake.one(word)["json"]["input"]]
    assert "web_search_call" in kinds and second["previous_response_id"] == first["id"]
    assert account.api.get(f"/v1/responses/{first['id']}").json["output"] == first["output"]
    items = [{"role": "user", "content": "hi"}, {"type": "code_interpreter_call", "id": "ci_1", "code": "1", "container_id": "cntr_1", "status": "completed", "outputs": None},
             {"type": "mcp_list_tools", "id": "mcpl_1", "server_label": "wiki", "tools": [{"name": "ask", "input_schema": {}}]},
             {"type": "mcp_call", "id": "mcp_1", "server_label": "wiki", "name": "ask", "arguments": "{}", "output": "x"},
             {"role": "assistant", "content": "there"}]
    for model in ("gpt-5.4", "claude-sonnet-4-6"):
        word = new_word()
        good(account.api, [*items, {"role": "user", "content": word}], model=model)
        assert ("mcp_list_tools" in world.fake.one(word)["body"]) == (model == "gpt-5.4")
    approval = {"type": "mcp_approval_response", "approval_request_id": "mcpr_1", "approve": True}
    word = new_word()
    good(account.api, [approval, {"role": "user", "content": word}])
    assert approval in world.fake.one(word)["json"]["input"]
    answer = post(account.api, [approval, {"role": "user", "content": "x"}], model="claude-sonnet-4-6")
    assert answer.status == 400 and answer.error["param"] == "input[0].type"


def test_secrets_of_a_server_stay_out(account, world):
    """The fake sends the tools back as they came, which OpenAI does not."""
    word = new_word()
    first = good(account.api, word, tools=[MCP], store=True)
    assert world.fake.one(word)["json"]["tools"] == [MCP]
    assert first["tools"] == [dict(MCP, authorization="<redacted>", headers={"X-Key": "<redacted>"})]
    kept = account.api.get(f"/v1/responses/{first['id']}")
    assert kept.status == 200 and kept.json["tools"] == first["tools"]
    with stream(account.api, new_word(), tools=[MCP]) as answer:
        text = answer.read_rest().decode()
    answer = post(account.api, script(new_word(), {"openai": {"status": 400, "error": {"message": f"server said no to {SECRET} and {KEY}"}}}), tools=[MCP])
    assert answer.status == 400 and "server said no" in answer.error["message"]
    for seen in (json.dumps(first), kept.body, text, answer.body, world.main.log()):
        assert SECRET not in str(seen) and KEY not in str(seen)


def test_models_show_what_tools_cost(account):
    tools = account.api.get("/v1/models/gpt-4o").json["pricing"]["tools"]
    markup = Decimal("1.4")
    assert {k: Decimal(str(v)) for k, v in tools.items()} == {k: Decimal(v) * markup for k, v in {
        "web_search": "0.01", "web_search_preview": "0.025", "file_search": "0.0025", "container_1g": "0.03", "container_4g": "0.12",
        "container_16g": "0.48", "container_64g": "1.92"}.items()}
    assert "tools" not in account.api.get("/v1/models/claude-sonnet-4-6").json["pricing"]
