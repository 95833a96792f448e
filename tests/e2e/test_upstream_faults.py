# SPDX-License-Identifier: Apache-2.0
"""Everything that a provider can do wrong: the client gets the right status, nothing is charged, nothing stays held."""

import json

import pytest
from fake import new_word, script
from money import check_charge

MODELS = {"openai": "gpt-4o-mini", "openrouter": "deepseek-v3.2"}


@pytest.fixture(scope="module")
def hasty(world):
    """A gateway with short timeouts: those of the provider's silence are the only times that matter here."""
    with world.front("lighttpd", first_byte_timeout="0.4", idle_timeout="0.4", connect_timeout="1", max_call_time="3600") as front:
        yield front


@pytest.fixture(params=MODELS)
def model(request):
    return MODELS[request.param]


def plain(api, rule, model="gpt-4o-mini", **fields):
    return api.chat(script(new_word(), rule), model=model, **fields)


def streamed(api, rule, model="gpt-4o-mini", **fields):
    """(first answer or None, chunks, done): an answer if it failed before the stream began."""
    stream = api.chat_stream(script(new_word(), rule), model=model, **fields)
    with stream:
        if stream.status != 200:
            body = json.loads(stream.read_rest())
            return (stream.status, body["error"], stream.headers), None, None
        chunks, done = stream.chunks()
        return None, chunks, done


def check_nothing_charged(account):
    assert account.spent() == 0
    row = account.db.rows("SELECT charge_usd, status FROM usage_log WHERE account_id = %s", account.id)
    assert row and all(r["charge_usd"] == 0 for r in row)
    assert not any(r["status"] == "ok" for r in row)
    account.check()


STATUSES = {
    # provider's status: ours, code
    400: (400, None), 403: (403, None), 404: (404, "model_not_found"), 408: (408, None), 409: (409, None), 413: (413, None),
    422: (422, None), 429: (429, "rate_limit_exceeded"),
    401: (502, "upstream_unavailable"), 402: (502, "upstream_unavailable"),
    500: (502, "upstream_error"), 502: (502, "upstream_error"), 503: (503, "upstream_overloaded"), 504: (504, "upstream_timeout"),
    529: (503, "upstream_overloaded"), 301: (502, "upstream_error"), 307: (502, "upstream_error"),
}


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("stream", [False, True])
def test_status(account, status, stream):
    answer = plain(account.api, {"status": status}, stream=stream)
    ours, code = STATUSES[status]
    assert answer.status == ours, answer
    assert set(answer.error) == {"message", "type", "param", "code"}
    assert answer.headers["content-type"] == "application/json"
    if code:
        assert answer.error["code"] == code
    if ours >= 500:
        assert answer.error["type"] == "server_error"
    check_nothing_charged(account)
    assert account.wait_usage(answer)["http_status"] == status


class TestMeaning:
    def test_message_code_and_param_of_a_4xx(self, account):
        answer = plain(account.api, {"status": 400, "error": {"message": "bad tool", "type": "invalid_request_error", "param": "tools[0]",
                                                              "code": "invalid_function_parameters"}})
        assert answer.status == 400
        assert answer.error == {"message": "bad tool", "type": "invalid_request_error", "param": "tools[0]", "code": "invalid_function_parameters"}

    @pytest.mark.parametrize("wait", ["1", "7", "120"])
    def test_retry_after(self, account, wait):
        for rule in ({"status": 429, "headers": {"retry-after": wait}}, {"status": 503, "headers": {"retry-after": wait}}):
            assert plain(account.api, rule).headers["retry-after"] == wait

    def test_neither_our_key_nor_our_account_leaks(self, account):
        """A provider quotes the key and names the organisation in its errors."""
        body = {"error": {"message": "Incorrect API key provided: $KEY, sk-proj-abcdefghijklmnop0123456789, org-AbCdEfGh0123456789, "
                                     "project proj_ABCDEF0123456789 user-AbCdEfGh12345678, Bearer $KEY", "type": "x", "code": "y", "param": "$KEY"}}
        for status in (400, 401, 403, 404, 429, 500):
            for stream in (False, True):
                text = plain(account.api, {"status": status, "body": body}, stream=stream).body.decode()
                for secret in ("fake-openai-key", "abcdefghijklmnop0123456789", "AbCdEfGh0123456789", "ABCDEF0123456789", "AbCdEfGh12345678"):
                    assert secret not in text, (status, text)

    @pytest.mark.parametrize("body", ["", "not json", "<html><h1>Bad gateway</h1></html>", "[]", "null", "7", '{"error":null}', '{"error":"text"}',
                                      '{"error":{}}', '{"error":{"message":5,"type":[],"code":{},"param":1}}', "{", "x" * 200000], ids=lambda b: repr(b[:30]))
    def test_any_body_of_an_error(self, account, body):
        for status, ours in ((400, 400), (500, 502)):
            answer = plain(account.api, {"status": status, "body": body[:200000], "content_type": "text/html"})
            assert answer.status == ours, answer
            assert answer.error["message"] and "<html" not in answer.error["message"]
        check_nothing_charged(account)

    def test_a_numeric_code_of_openrouter(self, account):
        answer = plain(account.api, {"status": 429, "body": {"error": {"code": 429, "message": "Rate limited", "metadata": {"raw": "x"}}}},
                       model="deepseek-v3.2")
        assert answer.status == 429 and answer.error["message"] == "Rate limited"


class TestNoAnswer:
    @pytest.mark.parametrize("how", ["close", "hard"])
    @pytest.mark.parametrize("stream", [False, True])
    def test_connection_dropped(self, account, model, how, stream):
        answer = plain(account.api, {"drop": how}, model, stream=stream)
        assert answer.status == 502 and answer.error["code"] == "upstream_error", answer
        check_nothing_charged(account)

    @pytest.mark.parametrize("stream", [False, True])
    def test_nobody_listens(self, world, stream):
        with world.front("lighttpd", openai_url="http://127.0.0.1:1") as front, world.account(front.api) as account:
            answer = account.api.chat(stream=stream)
            assert answer.status == 502 and answer.error["code"] == "upstream_error", answer
            check_nothing_charged(account)

    def test_name_does_not_resolve_and_no_key(self, world):
        with world.front("lighttpd", openai_url="http://no-such-host.invalid", openrouter_key=None) as front, world.account(front.api) as account:
            answer = account.api.chat()
            assert answer.status == 502 and answer.error["code"] == "upstream_error", answer
            assert "no-such-host" not in answer.error["message"]
            check_nothing_charged(account)
            answer = account.api.chat(model="deepseek-v3.2")
            assert answer.status == 502 and answer.error["code"] == "upstream_unavailable", answer
            assert account.holds() == []

    @pytest.mark.parametrize("stream", [False, True])
    def test_first_byte_timeout(self, world, hasty, model, stream):
        with world.account(hasty.api) as account:
            answer = plain(account.api, {"delay": 3600}, model, stream=stream)
            assert answer.status == 504 and answer.error["code"] == "upstream_timeout", answer
            check_nothing_charged(account)

    def test_the_upstream_call_is_closed_after_a_timeout(self, world, hasty):
        word = new_word()
        with world.account(hasty.api) as account:
            assert account.api.chat(script(word, {"delay": 3600})).status == 504
        assert world.fake.ended(word)[-1]["closed_by_peer"] is True

    def test_body_of_a_plain_answer_stalls(self, world, hasty):
        with world.account(hasty.api) as account:
            answer = plain(account.api, {"stall": {"after": 20}, "body_bytes": 1000})
            assert answer.status == 504, answer
            check_nothing_charged(account)


class TestNonsense:
    BODIES = {"nothing": "", "html": "<html>oops</html>", "broken": '{"choices":[', "array": "[]", "null": "null", "text": '"hello"', "number": "5",
              "empty object": "{}", "choices null": '{"choices":null}', "choices object": '{"choices":{}}', "choices text": '{"choices":"x"}',
              "NaN": '{"choices":[],"x":NaN}', "two values": '{"choices":[]}{"choices":[]}', "bad utf-8": '{"choices":[],"x":"\ud800"}',
              "deep": "[" * 100000, "error in 200": {"error": {"message": "upstream exploded", "code": 500}},
              "html with 200 and json type": "<html>"}

    @pytest.mark.parametrize("name", BODIES)
    def test_plain(self, account, model, name):
        answer = plain(account.api, {"body": self.BODIES[name]}, model)
        assert answer.status == 502 and answer.error["code"] == "upstream_error", answer
        check_nothing_charged(account)

    @pytest.mark.parametrize("name", BODIES)
    def test_instead_of_a_stream(self, account, model, name):
        """A whole body where a stream was asked for."""
        for kind in ("application/json", "text/html", "text/event-stream"):
            answer = plain(account.api, {"body": self.BODIES[name], "content_type": kind}, model, stream=True)
            assert answer.status == 502, (kind, answer)
            assert answer.error["code"] == "upstream_error"
        check_nothing_charged(account)

    @pytest.mark.parametrize("change", [
        {"/choices/0": None}, {"/choices/0": 5}, {"/choices/0/message": None}, {"/choices/0/message": []}, {"/choices/0/message/content": 5},
        {"/choices/0/message/content": {"a": 1}}, {"/choices/0/message/tool_calls": "x"}, {"/choices/0/message/tool_calls": [None, 5, {}]},
        {"/choices/0/finish_reason": 5}, {"/id": None}, {"/model": 7}, {"/usage": []}, {"/created": "yesterday"}, {"/choices": []}], ids=str)
    def test_odd_members_pass(self, account, model, change):
        """What the gateway does not need is not its business: the client gets it as it is."""
        answer = plain(account.api, {"set": change}, model)
        assert answer.status == 200, answer
        check_charge(account.usage(answer))
        failure, chunks, done = streamed(account.api, {"set": {k.replace("message", "delta"): v for k, v in change.items()}}, model)
        assert failure is None and done, (failure, chunks)


class TestBrokenStream:
    """After the first byte an error is an event, and no [DONE] follows. Before the first content it is a plain error."""

    AFTER_CONTENT = 4

    @pytest.mark.parametrize("how", ["clean", "close", "hard"])
    @pytest.mark.parametrize("after", [0, 1, AFTER_CONTENT])
    def test_cut(self, account, model, how, after):
        failure, chunks, done = streamed(account.api, {"words": 8, "cut": {"after": after, "how": how}}, model)
        if after < 2:
            assert failure and failure[0] == 502 and failure[1]["code"] == "upstream_error", (failure, chunks)
        else:
            assert not done and chunks[-1]["error"]["code"] == "upstream_error"
            assert all("error" not in c for c in chunks[:-1]) and len(chunks) > 1
        check_nothing_charged(account)

    @pytest.mark.parametrize("after", [1, AFTER_CONTENT])
    def test_error_event(self, account, model, after):
        rule = {"words": 8, "error_event": {"after": after, "error": {"message": "Provider disconnected unexpectedly"}}}
        failure, chunks, done = streamed(account.api, rule, model)
        error = failure[1] if failure else chunks[-1]["error"]
        assert bool(failure) == (after == 1)
        assert set(error) == {"message", "type", "param", "code"} and "Provider disconnected unexpectedly" in error["message"]
        assert not done
        check_nothing_charged(account)

    def test_error_event_and_done(self, account):
        """OpenRouter sends [DONE] after its error."""
        failure, chunks, done = streamed(account.api, {"words": 8, "error_event": {"after": 4}, "done": True}, MODELS["openrouter"])
        assert failure is None and not done and chunks[-1]["error"]["message"]
        check_nothing_charged(account)

    @pytest.mark.parametrize("after", [0, AFTER_CONTENT])
    def test_malformed_event(self, account, model, after):
        failure, chunks, done = streamed(account.api, {"words": 8, "malformed": {"after": after}}, model)
        error = failure[1] if failure else chunks[-1]["error"]
        assert error["code"] == "upstream_error" and not done
        check_nothing_charged(account)

    @pytest.mark.parametrize("data", ["data: 5\n\n", "data: null\n\n", "data: []\n\n", "data: {\"choices\": 5}\n\n", "data: \"text\"\n\n"], ids=lambda v: repr(v)[:40])
    def test_event_of_another_type(self, account, data):
        failure, chunks, done = streamed(account.api, {"words": 8, "raw": {"after": 4, "data": data}})
        if "choices" in data:
            return      # an object is passed on, whatever is in it
        assert failure is None and not done and chunks[-1]["error"]["code"] == "upstream_error"
        check_nothing_charged(account)

    @pytest.mark.parametrize("data", [": comment\n\n", "event: ping\ndata:\n\n", "id: 7\nretry: 100\n\n", "unknown: field\n\n", "\n\n\n", "data\n\n",
                                      "\r\n", ":\n", "data: {\"id\":\"x\",\n"  "data: \"choices\":[]}\n\n"], ids=lambda v: repr(v)[:40])
    def test_what_the_format_allows_passes(self, account, model, data):
        failure, chunks, done = streamed(account.api, {"words": 8, "raw": {"after": 4, "data": data}}, model)
        assert failure is None and done, (failure, chunks)

    @pytest.mark.parametrize("stall", [0, 1])
    def test_silence_before_content(self, world, hasty, model, stall):
        with world.account(hasty.api) as account:
            failure, _, _ = streamed(account.api, {"words": 8, "stall": {"after": stall}}, model)
            assert failure and failure[0] == 504 and failure[1]["code"] == "upstream_timeout"
            check_nothing_charged(account)

    def test_silence_after_content(self, world, hasty, model):
        with world.account(hasty.api) as account:
            failure, chunks, done = streamed(account.api, {"words": 8, "stall": {"after": 4}}, model)
            assert failure is None and not done and chunks[-1]["error"]["code"] == "upstream_timeout"
            check_nothing_charged(account)

    def test_no_done_at_the_end(self, account, model):
        failure, chunks, done = streamed(account.api, {"words": 8, "done": False}, model)
        assert failure is None and not done and chunks[-1]["error"]["code"] == "upstream_error"
        check_nothing_charged(account)

    def test_comments_keep_a_slow_stream_alive(self, world, hasty):
        """The provider's own keep-alive comments count as signs of life."""
        with world.account(hasty.api) as account:
            failure, chunks, done = streamed(account.api, {"words": 4, "stall": {"after": 3, "seconds": 1.5}, "comment": 0.1}, MODELS["openrouter"])
            assert failure is None and done, (failure, chunks)

    @pytest.mark.parametrize("size", [65536, 70000, 1000000, 15 * 1024 * 1024])
    def test_long_lines_pass(self, account, size):
        failure, chunks, done = streamed(account.api, {"words": 3, "long_line": {"after": 2, "bytes": size}})
        assert failure is None and done
        assert max(len(c["choices"][0]["delta"].get("content") or "") for c in chunks) >= size

    def test_a_line_beyond_the_limit_is_an_error(self, account):
        failure, chunks, done = streamed(account.api, {"words": 3, "long_line": {"after": 3, "bytes": 17 * 1024 * 1024}})
        assert failure is None and not done and chunks[-1]["error"]["code"] == "upstream_error"
        check_nothing_charged(account)

    @pytest.mark.parametrize("rule", [{"drip": {"bytes": 1, "interval": 0}}, {"drip": {"bytes": 7, "interval": 0}}, {"split": 1}, {"split": 3},
                                      {"crlf": True}, {"crlf": True, "split": 1}], ids=str)
    def test_cut_into_pieces(self, account, model, rule):
        failure, chunks, done = streamed(account.api, dict(rule, text="Grüße 😀 an alle"), model)
        assert failure is None and done
        assert "".join(c["choices"][0]["delta"].get("content") or "" for c in chunks) == "Grüße 😀 an alle"

    def test_a_refusal_and_a_length_stop_are_answers(self, account):
        for rule, reason in (({"refusal": "I cannot"}, "stop"), ({"finish": "content_filter"}, "content_filter"), ({"finish": "length"}, "length")):
            failure, chunks, done = streamed(account.api, rule)
            assert failure is None and done and [c["choices"][0]["finish_reason"] for c in chunks if c["choices"]][-1] == reason
        assert account.spent() > 0


class TestHugeAnswers:
    def test_headers_without_end(self, account):
        answer = plain(account.api, {"headers": {f"x-h{i}": "v" * 1000 for i in range(100)}})
        assert answer.status in (200, 502)
        if answer.status == 502:
            check_nothing_charged(account)

    def test_a_plain_answer_of_10_mib(self, account):
        answer = plain(account.api, {"body_bytes": 10 * 1024 * 1024})
        assert answer.status == 200 and len(answer.json["choices"][0]["message"]["content"]) > 9 * 1024 * 1024

    def test_a_plain_answer_beyond_the_limit(self, account):
        answer = plain(account.api, {"body_bytes": 70 * 1024 * 1024})
        assert answer.status == 502, answer
        check_nothing_charged(account)

    def test_a_call_that_never_ends(self, world):
        """max_call_time ends it."""
        with world.front("lighttpd", max_call_time="1") as front, world.account(front.api) as account:
            failure, chunks, done = streamed(account.api, {"endless": True, "interval": 0.02})
            assert failure is None and not done and chunks[-1]["error"]["code"] == "upstream_timeout"
            check_nothing_charged(account)


def test_the_next_call_on_the_same_worker_is_clean(world, hasty):
    """What a failed call left behind does not reach the next one (threads are few here, so they meet)."""
    with world.front("lighttpd", threads="3", threads_reserved="1") as front, world.account(front.api) as account:
        for k in range(6):
            streamed(account.api, {"words": 20, "cut": {"after": 10, "how": "hard"}})
            answer = account.api.chat(f"clean {k}")
            assert answer.status == 200 and f"clean {k}" in answer.json["choices"][0]["message"]["content"]
            failure, chunks, done = streamed(account.api, {"text": f"clean {k}"})
            assert done and "".join(c["choices"][0]["delta"].get("content") or "" for c in chunks) == f"clean {k}"
