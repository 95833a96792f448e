#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The fake upstream of every provider. README.md beside this file explains what it does and how to script it."""

import argparse
import asyncio
import collections
import json
import os
import pathlib
import re
import signal
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from aiohttp import web  # noqa: E402
from aiohttp.web_protocol import RequestHandler  # noqa: E402

import formats  # noqa: E402
from answer import Answer, Ask, Refuse, compose, dumps, usage_of  # noqa: E402
from faults import Ended, PeerGone, Sender, put, split_events  # noqa: E402
from script import PROVIDERS, BadScript, Rules, pick  # noqa: E402

MAX_BODY = 256 * 1024 * 1024
MAX_RECORDS = 20000

PATHS = (   # path under a provider's prefix, provider without a prefix, providers that have it, api
    (re.compile(r"/v1/chat/completions"), "openai", ("openai", "openrouter"), "chat"),
    (re.compile(r"/api/v1/chat/completions"), "openrouter", ("openrouter",), "chat"),
    (re.compile(r"/v1/responses"), "openai", ("openai",), "responses"),
    (re.compile(r"/v1/embeddings"), "openai", ("openai", "openrouter"), "embeddings"),
    (re.compile(r"/api/v1/embeddings"), "openrouter", ("openrouter",), "embeddings"),
    (re.compile(r"/v1/messages"), "anthropic", ("anthropic",), "messages"),
    (re.compile(r"/v1/messages/count_tokens"), "anthropic", ("anthropic",), "count"),
    (re.compile(r"/v1beta/models/(?P<model>[^:]+):(?P<method>generateContent|streamGenerateContent)"), "google", ("google",), "generate"),
    (re.compile(r"/v1beta/models/(?P<model>[^:]+):(?P<method>embedContent|batchEmbedContents)"), "google", ("google",), "embeddings"),
    (re.compile(r"/api/v1/(?P<family>jobs/createTask|veo/generate|generate|runway/generate|aleph/generate|flux/kontext/generate|gpt4o-image/generate)"),
     "kie", ("kie",), "task"),
    (re.compile(r"/api/v1/(jobs/recordInfo|(veo|generate|aleph|flux/kontext|gpt4o-image)/record-info|runway/record-detail)"), "kie", ("kie",), "record"),
    (re.compile(r"/v1/images/generations"), "recraft", ("recraft",), "task"),
    (re.compile(r"/v1/song/generate"), "mureka", ("mureka",), "task"),
    (re.compile(r"/v1/song/query/(?P<id>[^/]+)"), "mureka", ("mureka",), "record"),
    (re.compile(r"/v1/predictions"), "replicate", ("replicate",), "task"),
    (re.compile(r"/v1/predictions/(?P<id>[^/]+)"), "replicate", ("replicate",), "record"),
)
MODELS = {"openai": ("gpt-4o", "gpt-4o-mini", "gpt-5", "text-embedding-3-small"), "anthropic": ("claude-sonnet-4-6", "claude-haiku-4-5"),
          "google": ("gemini-3.5-flash",), "openrouter": ("anthropic/claude-sonnet-4.6", "deepseek/deepseek-chat")}


class Connections:
    """Numbers the connections and tells at once when the peer has closed one."""

    def __init__(self):
        self.known = {}
        self.last = 0

    def of(self, protocol):
        if id(protocol) not in self.known:
            self.last += 1
            self.known[id(protocol)] = [self.last, asyncio.Event(), None]
        return self.known[id(protocol)]

    def lost(self, protocol):
        entry = self.known.pop(id(protocol), None)
        if entry is None:
            return
        entry[1].set()
        record = entry[2]
        if record is not None and record["ended"] is None:
            record["closed_by_peer"], record["closed_at"] = True, time.time()


CONNECTIONS = Connections()
original_connection_lost = RequestHandler.connection_lost


def connection_lost(self, exc):
    CONNECTIONS.lost(self)
    original_connection_lost(self, exc)


RequestHandler.connection_lost = connection_lost


def route(path):
    """(provider, api, match) of a path, or None."""
    provider, rest = None, path
    for name in PROVIDERS:
        if path.startswith(f"/{name}/"):
            provider, rest = name, path[len(name) + 1:]
    for pattern, owner, having, api in PATHS:
        found = pattern.fullmatch(rest)
        if found and (provider is None or provider in having):
            return provider or owner, api, found
    return None


class Fake:
    def __init__(self, log=None):
        self.rules = Rules()
        self.records = collections.deque(maxlen=MAX_RECORDS)
        self.changed = asyncio.Event()
        self.last_id = 0
        self.log = log

    # What was received

    def open_record(self, request, raw, ask):
        self.last_id += 1
        connection = CONNECTIONS.of(request.protocol)
        record = {"id": self.last_id, "provider": ask.provider, "api": ask.api, "model": None, "stream": None, "method": request.method,
                  "path": request.path, "query": dict(request.query), "headers": {k.lower(): v for k, v in request.headers.items()},
                  "raw": raw, "connection": connection[0], "started": time.time(), "head": None, "ended": None, "status": None,
                  "events": 0, "bytes": 0, "closed_by_peer": None, "closed_at": None, "script": None}
        connection[2] = record
        self.records.append(record)
        self.notify()
        return record, connection[1]

    def close_record(self, record):
        if record["closed_by_peer"] is None:
            record["closed_by_peer"] = False
        if record["ended"] is None:
            record["ended"] = record["closed_at"] or time.time()
        self.notify()
        if self.log:
            print(f"{record['method']} {record['path']} {record['status']} events={record['events']} bytes={record['bytes']}"
                  f" closed_by_peer={record['closed_by_peer']}", file=self.log, flush=True)

    def notify(self):
        self.changed.set()
        self.changed = asyncio.Event()

    @staticmethod
    def show(record):
        shown = {k: v for k, v in record.items() if k != "raw"}
        shown["body"] = record["raw"].decode("utf-8", "replace")
        try:
            shown["json"] = json.loads(record["raw"]) if record["raw"] else None
        except (ValueError, RecursionError):
            shown["json"] = None
        return shown

    async def list_requests(self, request):
        query = request.query
        word, after = query.get("contains", "").encode(), int(query.get("after", 0))
        end = time.monotonic() + float(query.get("wait", 0))
        wanted = int(query.get("count", 1))
        while True:
            found = [r for r in self.records if r["id"] > after and word in r["raw"]
                     and all(query.get(k, r[k]) == r[k] for k in ("provider", "api"))]
            ready = len(found) >= wanted and (query.get("until") == "start" or all(r["ended"] is not None for r in found[-wanted:]))
            left = end - time.monotonic()
            if ready or left <= 0:
                return web.json_response({"requests": [self.show(r) for r in found]})
            try:
                await asyncio.wait_for(self.changed.wait(), left)
            except asyncio.TimeoutError:
                pass

    async def forget_requests(self, request):
        self.records.clear()
        return web.json_response({"ok": True})

    # Scripts

    async def add_script(self, request):
        try:
            return web.json_response({"id": self.rules.add(await request.json())})
        except (BadScript, ValueError, TypeError) as problem:
            return web.json_response({"error": f"bad script: {problem}"}, status=400)

    async def list_scripts(self, request):
        return web.json_response({"scripts": self.rules.rules})

    async def remove_script(self, request):
        number = request.match_info.get("id")
        self.rules.remove(int(number) if number else None)
        return web.json_response({"ok": True})

    async def health(self, request):
        return web.json_response({"ok": True})

    # Media tasks

    async def list_tasks(self, request):
        word = request.query.get("contains", "")
        return web.json_response({"tasks": [t.show() for t in list(formats.media.TASKS.values()) if word in json.dumps(t.body)]})

    async def change_task(self, request):
        """{"state":..., "record":...}: what the questions that come now are answered with."""
        task, change = formats.media.TASKS.get(request.match_info["id"]), await request.json()
        if task is None or set(change) - {"state", "record"}:
            return web.json_response({"error": "no such task, or not state and record"}, status=400)
        task.state, task.record, task.asked = change.get("state", task.state), change.get("record"), 0
        return web.json_response(task.show())

    async def call_back(self, request):
        """{"kind":..., "age":..., "times":n, "at_once":true}: sends callbacks now (the same bytes each time); their statuses."""
        task, want = formats.media.TASKS.get(request.match_info["id"]), await request.json()
        if task is None or not task.callback_url:
            return web.json_response({"error": "no such task, or it has no callBackUrl"}, status=400)
        headers, body = formats.media.callback(task, want.get("kind", "right"), int(want.get("age", 0)))
        calls = [formats.media.send_callback(task, headers, body) for _ in range(int(want.get("times", 1)))]
        statuses = await asyncio.gather(*calls) if want.get("at_once") else [await call for call in calls]
        return web.json_response({"statuses": statuses})

    # The providers

    async def provider(self, request):
        where = route(request.path)
        if request.method == "GET" and request.path.endswith("/v1/models"):
            return self.models(request)
        if where is None:
            return web.json_response({"error": {"message": f"Invalid URL ({request.method} {request.path})", "type":
                                                "invalid_request_error", "param": None, "code": None}}, status=404)
        raw = await request.read()
        ask = Ask(provider=where[0], api=where[1])
        ask.extra.update(query=dict(request.query), **where[2].groupdict())
        ask.model = ask.extra.get("model") or ""
        record, closed = self.open_record(request, raw, ask)
        try:
            return await self.answer(request, raw, ask, record, closed)
        except (PeerGone, asyncio.CancelledError):
            if record["closed_by_peer"] is None:
                record["closed_by_peer"], record["closed_at"] = True, time.time()
        except Ended:
            pass
        finally:
            self.close_record(record)
        # aiohttp wants a response; what was begun is not begun again
        return request.get("response") or web.Response(status=499)

    def models(self, request):
        provider = next((p for p in PROVIDERS if request.path.startswith(f"/{p}/")), "openai")
        return web.json_response({"object": "list", "data": [{"id": m, "object": "model", "created": 1700000000, "owned_by": provider}
                                                             for m in MODELS.get(provider, ())]})

    async def answer(self, request, raw, ask, record, closed):
        fmt = formats.BY_API[ask.api]
        refusal, script = None, {}
        try:
            self.read(request, raw, ask, fmt)
        except Refuse as problem:
            refusal = problem
        record["model"], record["stream"] = ask.model, ask.stream
        facts = {"provider": ask.provider, "api": ask.api, "model": ask.model, "stream": ask.stream}
        try:
            chosen, text = self.rules.choose(facts, raw, ask.user_text)
            if chosen is None and ask.api == "record":
                chosen = pick(formats.media.record_script(ask), ask.provider, 0)
        except BadScript as problem:
            chosen, text = None, ""
            refusal = Refuse(418, f"fake upstream: bad script: {problem}")
        script = record["script"] = chosen
        script = script or {}
        sender = Sender(request, record, script, closed)
        headers = self.headers(ask, script)
        try:
            if refusal and not ("status" in script or "replay" in script or "body" in script):
                raise refusal
            return await self.send(sender, ask, fmt, script, text, headers)
        except Refuse as problem:
            body = dumps(fmt.error(ask, problem.status, problem.fields))
            return await self.send_whole(sender, problem.status, dict(headers, **{"Content-Type": "application/json"}), body, ask)

    @staticmethod
    def read(request, raw, ask, fmt):
        try:
            body = json.loads(raw) if ask.api != "record" else {}
        except (ValueError, RecursionError):
            raise Refuse(400, "We could not parse the JSON body of your request. (HINT: This likely means you aren't using your HTTP "
                         "library correctly. The OpenAI API expects a JSON payload, but what was sent was not valid JSON.)", code=None) from None
        if not isinstance(body, dict):
            raise Refuse(400, "Invalid type for request body: expected an object.", code=None)
        fmt.read(ask, body, {k.lower(): v for k, v in request.headers.items()})
        if ask.api == "generate":
            ask.stream = ask.extra["method"] == "streamGenerateContent"

    @staticmethod
    def headers(ask, script):
        own = {"openai": {"openai-organization": "org-FAKEfakeFAKEfake", "openai-processing-ms": "7", "openai-version": "2020-10-01",
                          "x-request-id": "req_fakeupstream0001", "x-ratelimit-limit-requests": "10000",
                          "x-ratelimit-remaining-requests": "9999", "x-ratelimit-reset-requests": "6ms"},
               "anthropic": {"request-id": "req_fakeupstream0001", "anthropic-organization-id": "FAKEfake-0000-1111"}}
        headers = dict(own.get(ask.provider, {}))
        headers.update({k: str(v) for k, v in (script.get("headers") or {}).items()})
        return headers

    async def send_whole(self, sender, status, headers, body, ask):
        key, model = ask.extra.get("key") or "", ask.model or ""
        body = body.replace(b"$KEY", key.encode("utf-8", "replace")).replace(b"$MODEL", model.encode("utf-8", "replace"))
        await sender.send_plain(status, headers, body)
        return sender.response

    async def send(self, sender, ask, fmt, script, text, headers):
        kind = script.get("content_type")
        if "replay" in script:
            return await self.replay(sender, ask, fmt, script, headers)
        if "body" in script or script.get("status", 200) >= 300:
            status = int(script.get("status", 200))
            body = script["body"] if "body" in script else fmt.error(ask, status, script.get("error") or {})
            body = body.encode("utf-8", "surrogatepass") if isinstance(body, str) else dumps(body)
            return await self.send_whole(sender, status, dict(headers, **{"Content-Type": kind or "application/json"}), body, ask)
        if ask.api in ("task", "record"):
            body = dumps(put(fmt.plain(ask, script), script)[0])
            await sender.send_plain(int(script.get("status", 200)), dict(headers, **{"Content-Type": kind or "application/json"}), body)
            return sender.response
        if ask.api == "embeddings":
            counts = formats.embeddings.compose_usage(ask)
            answer = Answer([], *usage_of(script, counts))
        else:
            answer = compose(ask, script, text)
        status = int(script.get("status", 200))
        if not ask.stream:
            body = dumps(put(fmt.plain(ask, answer), script)[0])
            await sender.send_plain(status, dict(headers, **{"Content-Type": kind or "application/json"}), body)
        else:
            events = fmt.events(ask, answer)
            stream_headers = {"Content-Type": kind or "text/event-stream; charset=utf-8", "Cache-Control": "no-cache"}
            await sender.send_stream(status, dict(headers, **stream_headers), events, fmt, ask)
        return sender.response

    async def replay(self, sender, ask, fmt, script, headers):
        case = HERE / "recordings" / script["replay"]
        if ".." in script["replay"] or not (case / "meta.json").is_file():
            raise Refuse(418, f"fake upstream: no recording {script['replay']!r}")
        meta = json.loads((case / "meta.json").read_text())
        headers = dict(meta.get("headers") or {}, **headers)
        headers = {k: v for k, v in headers.items() if k.lower() not in ("content-length", "content-encoding", "transfer-encoding", "connection")}
        headers = {k: v for k, v in headers.items() if k.lower() != "content-type"}
        headers["Content-Type"] = script.get("content_type") or meta["content_type"]
        status = int(script.get("status", meta["status"]))
        if (case / "response.sse").is_file():
            await sender.send_stream(status, headers, split_events((case / "response.sse").read_bytes()), fmt, ask)
        else:
            body = (case / "response.json").read_bytes()
            if "set" in script or "unset" in script:
                body = dumps(put(json.loads(body), script)[0])
            await sender.send_plain(status, headers, body)
        return sender.response


async def serve(options):
    fake = Fake(open(options.log, "a", encoding="utf-8") if options.log else None)
    app = web.Application(client_max_size=MAX_BODY)
    app.router.add_get("/_fake/requests", fake.list_requests)
    app.router.add_delete("/_fake/requests", fake.forget_requests)
    app.router.add_post("/_fake/script", fake.add_script)
    app.router.add_get("/_fake/script", fake.list_scripts)
    app.router.add_delete("/_fake/script", fake.remove_script)
    app.router.add_delete("/_fake/script/{id:\\d+}", fake.remove_script)
    app.router.add_get("/_fake/tasks", fake.list_tasks)
    app.router.add_post("/_fake/tasks/{id}", fake.change_task)
    app.router.add_post("/_fake/tasks/{id}/callback", fake.call_back)
    app.router.add_get("/_fake/health", fake.health)
    app.router.add_route("*", "/{path:.*}", fake.provider)
    runner = web.AppRunner(app, access_log=None, keepalive_timeout=300)
    await runner.setup()
    site = web.TCPSite(runner, options.host, options.port, backlog=4096)
    await site.start()
    print(f"http://{options.host}:{site._server.sockets[0].getsockname()[1]}", flush=True)
    # nothing to save: connections end with the process
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, os._exit, 0)
    await asyncio.Event().wait()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--log")
    asyncio.run(serve(parser.parse_args()))


if __name__ == "__main__":
    main()
