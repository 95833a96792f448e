# SPDX-License-Identifier: Apache-2.0
"""Media tasks: kie.ai (createTask and its old families), Recraft, Mureka, Replicate. README.md, "Media", explains the scripts."""

import asyncio
import base64
import hashlib
import hmac
import json
import secrets
import time

from answer import Refuse

from . import common

CALLBACK_KEY = "fake-kie-webhook-key"
MARK = "[[fake:"
STATES = ("waiting", "queuing", "generating", "success", "fail")
TASKS = {}
WORDS = {   # of the neutral states, elsewhere
    "mureka": {"waiting": "preparing", "queuing": "queued", "generating": "running", "success": "succeeded", "fail": "failed"},
    "replicate": {"waiting": "starting", "queuing": "starting", "generating": "processing", "success": "succeeded", "fail": "failed"},
    "suno": {"waiting": "PENDING", "queuing": "PENDING", "generating": "TEXT_SUCCESS", "success": "SUCCESS", "fail": "GENERATE_AUDIO_FAILED"},
    "runway": {"waiting": "wait", "queuing": "queueing", "generating": "generating", "success": "success", "fail": "fail"},
}
KIE_MESSAGES = {401: "You do not have access permissions", 402: "Credits insufficient : Your current balance isn't enough to run this request.",
                422: "The model name you specified is not supported.", 429: "Your call frequency is too high. Please try again later.",
                433: "The sub-key usage exceeds the limit.", 455: "The website is being maintained.", 500: "Server exception, please try again later.",
                501: "Generation failed.", 505: "The feature is disabled."}


def texts_of(value):
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for member in value.values():
            yield from texts_of(member)
    elif isinstance(value, list):
        for member in value:
            yield from texts_of(member)


class Task:
    def __init__(self, provider, family, model, body, script):
        self.provider, self.family, self.model, self.body, self.script = provider, family, model, body, script
        self.id = {"kie": secrets.token_hex(16), "mureka": str(10**15 + secrets.randbelow(10**15)),
                   "replicate": secrets.token_hex(13)}.get(provider, secrets.token_hex(8))
        self.file = hashlib.sha256(self.id.encode()).hexdigest()[:20]
        self.state, self.asked, self.callbacks = script.get("state", "success"), 0, []
        self.record = script.get("record")
        self.created = int(time.time() * 1000)
        self.callback_url = body.get("callBackUrl")
        TASKS[self.id] = self

    def record_script(self):
        """The script of the next question how the task is: lists go on with each one."""
        at, self.asked = self.asked, self.asked + 1
        record = self.record
        if isinstance(record, list):
            record = record[min(at, len(record) - 1)] if record else {}
        return {"state": record} if isinstance(record, str) else dict(record or {})

    def urls(self):
        kind = {"suno": "mp3", "flux": "png", "4o": "png"}.get(self.family, {"recraft": "webp", "mureka": "mp3", "replicate": "wav"}.get(
            self.provider, "mp4" if "video" in self.model or self.family != "kie" else "png"))
        return [f"https://files.example.org/{self.file}/{i}.{kind}" for i in range(int(self.script.get("files", 1)))]

    def show(self):
        return {"id": self.id, "provider": self.provider, "family": self.family, "model": self.model, "state": self.state,
                "asked": self.asked, "callBackUrl": self.callback_url, "body": self.body, "callbacks": self.callbacks}


# --- Requests


def read(ask, body, headers):
    common.check_bearer(ask, headers)
    if ask.api == "record":
        task = TASKS.get(ask.extra.get("id") or ask.extra["query"].get("taskId"))
        ask.extra["task"] = task
        ask.model = task.model if task else ""
        return
    ask.extra["body"] = body
    family = ask.extra.get("family", "jobs/createTask")
    ask.extra["form"] = {"jobs/createTask": "kie", "generate": "suno", "flux/kontext/generate": "flux", "gpt4o-image/generate": "4o"}.get(
        family, family.split("/")[0])
    ask.model = str(body.get("version") if ask.provider == "replicate" else body.get("model") or "")
    found = list(texts_of(body))
    ask.user_text = next((t for t in found if MARK in t), "")
    if ask.provider == "kie" and ask.extra["form"] == "kie" and not isinstance(body.get("input"), dict):
        ask.extra["refuse"] = (422, "The input cannot be empty.")
    if ask.provider == "kie" and ask.extra["form"] == "suno" and not body.get("callBackUrl"):
        ask.extra["refuse"] = (422, "Please enter callBackUrl.")
    if "unknown-model" in ask.model:
        ask.extra["refuse"] = (422, KIE_MESSAGES[422])


def record_script(ask):
    """The task's own script for this question."""
    task = ask.extra.get("task")
    return task.record_script() if task else {}


# --- Answers


def kie_code(code, msg=None, data=None):
    return {"code": code, "msg": msg or KIE_MESSAGES.get(code, "success" if code == 200 else "error"), "data": data}


def created(ask, script):
    if "code" in script and ask.provider == "kie":
        return kie_code(script["code"], script.get("msg"))
    if "refuse" in ask.extra:
        if ask.provider == "kie":
            return kie_code(*ask.extra["refuse"])
        raise Refuse(*ask.extra["refuse"])
    task = Task(ask.provider, ask.extra["form"], ask.model, ask.extra["body"], script)
    callback_soon(task, script)
    if ask.provider == "recraft":
        number = int(ask.extra["body"].get("n", 1))
        return {"created": int(time.time()), "credits": script.get("credits", 40 * number),
                "data": [{"image_id": secrets.token_hex(16), "url": f"https://files.example.org/{task.file}/{i}.webp"} for i in range(number)]}
    if ask.provider == "mureka":
        return {"id": task.id, "created_at": int(time.time()), "model": task.model, "status": "preparing", "trace_id": secrets.token_hex(8)}
    if ask.provider == "replicate":
        return prediction(task, "waiting", {})
    return kie_code(200, None, {"taskId": task.id, "recordId": task.id})


def prediction(task, state, script):
    done = state == "success"
    return {"id": task.id, "version": task.model, "input": task.body.get("input"), "status": WORDS["replicate"][state], "error":
            script.get("msg", "CUDA out of memory") if state == "fail" else None, "logs": "", "created_at": "2026-01-31T12:00:00Z",
            "output": task.urls()[0] if done else None, "metrics": {"predict_time": script.get("took", 12.5)} if state in ("success", "fail") else {},
            "urls": {"get": f"https://api.replicate.com/v1/predictions/{task.id}", "cancel": f"https://api.replicate.com/v1/predictions/{task.id}/cancel"}}


def record(ask, script):
    task = ask.extra.get("task")
    if "code" in script and ask.provider == "kie":
        return kie_code(script["code"], script.get("msg"))
    if task is None:
        if ask.provider == "kie":
            return kie_code(422, "recordInfo is null")
        raise Refuse(404, "The task does not exist.")
    state = task.state = script.get("state", task.state)
    script = {**task.script, **script}
    if ask.provider == "replicate":
        return prediction(task, state, script)
    if ask.provider == "mureka":
        value = {"id": task.id, "status": WORDS["mureka"][state], "model": task.model, "created_at": task.created // 1000}
        if state == "success":
            value["choices"] = [{"index": i, "id": task.id, "url": url, "flac_url": url[:-3] + "flac", "duration": 181000}
                                for i, url in enumerate(task.urls())]
        if state == "fail":
            value["failed_reason"] = script.get("msg", "content risk")
        return value
    return kie_code(200, None, kie_data(task, state, script))


def kie_data(task, state, script):
    done, failed = state == "success", state == "fail"
    code, msg = str(script.get("fail_code", "500")), script.get("msg", "Internal error, please try again later.")
    ended = int(time.time() * 1000) if done or failed else None
    result = script.get("result", {"resultUrls": task.urls()})
    data = {"taskId": task.id, "createTime": task.created, "completeTime": ended}
    if task.family == "kie":
        return {**data, "model": task.model, "state": state, "param": json.dumps(task.body), "resultJson": json.dumps(result) if done else "",
                "failCode": code if failed else None, "failMsg": msg if failed else None, "costTime": 9, "updateTime": ended,
                **({"creditsConsumed": script["credits"]} if "credits" in script else {})}
    if task.family == "runway":
        return {**data, "parentTaskId": "", "state": WORDS["runway"][state], "generateTime": ended, "videoInfo": {
            "videoId": secrets.token_hex(8), "taskId": task.id, "videoUrl": task.urls()[0], "imageUrl": task.urls()[0] + ".jpg"} if done else None,
            "failCode": code if failed else 0, "failMsg": msg if failed else "", "expireFlag": 0}
    data.update(paramJson=json.dumps(task.body), errorCode=code if failed else None, errorMessage=msg if failed else None)
    if task.family == "suno":
        songs = [{"id": secrets.token_hex(16), "audioUrl": u, "title": "Song", "duration": 198.4} for u in task.urls()]
        return {**data, "status": WORDS["suno"][state], "response": {"taskId": task.id, "sunoData": songs} if done else None}
    answers = {"flux": {"resultImageUrl": task.urls()[0], "originImageUrl": "https://files.example.org/origin.jpg"},
               "aleph": {"taskId": task.id, "resultVideoUrl": task.urls()[0]}}
    return {**data, "successFlag": 1 if done else 3 if failed else 0, "response": answers.get(task.family, result) if done else None}


def plain(ask, script):
    return record(ask, script) if ask.api == "record" else created(ask, script)


def error(ask, status, fields):
    msg = fields.get("message", KIE_MESSAGES.get(status, "error"))
    return {"kie": {"code": status, "msg": msg, "data": None}, "recraft": {"code": "invalid_request", "message": msg},
            "mureka": {"error": {"message": msg}, "trace_id": "0"}}.get(ask.provider, {"detail": msg, "status": status, "title": "error"})


# --- Callbacks


def callback(task, kind="right", age=0):
    """(headers, body) of a callback of kie.ai: kind is right, wrong (signature), unsigned, or other (signed for another task)."""
    stamp = str(int(time.time()) - age)
    name = secrets.token_hex(16) if kind == "other" else task.id
    body = {"code": 200, "msg": "success", "data": {"taskId": name, "state": "success", "resultJson": '{"resultUrls":["https://forged.example.org/"]}'}}
    mac = hmac.new(CALLBACK_KEY.encode() if kind != "wrong" else b"another key", f"{name}.{stamp}".encode(), hashlib.sha256).digest()
    headers = {"Content-Type": "application/json"}
    if kind != "unsigned":
        headers.update({"X-Webhook-Timestamp": stamp, "X-Webhook-Signature": base64.b64encode(mac).decode()})
    return headers, json.dumps(body)


async def send_callback(task, headers, body):
    import aiohttp  # the client is needed for this alone

    timeout = aiohttp.ClientTimeout(total=60)
    try:
        async with aiohttp.ClientSession(timeout=timeout) as session, session.post(task.callback_url, data=body, headers=headers) as answer:
            status = answer.status
            await answer.read()
    except (aiohttp.ClientError, asyncio.TimeoutError) as problem:
        status = type(problem).__name__
    task.callbacks.append(status)
    return status


def callback_soon(task, script):
    """Without a script: one, rightly signed, a moment after the answer to the creation."""
    kinds = script.get("callback", "right")
    if not task.callback_url or not kinds:
        return
    loop = asyncio.get_running_loop()

    async def send():
        await asyncio.sleep(script.get("callback_delay", 0.05))
        for kind in kinds if isinstance(kinds, list) else [kinds]:
            await send_callback(task, *callback(task, kind))

    task.sending = loop.create_task(send())
