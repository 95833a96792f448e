# SPDX-License-Identifier: Apache-2.0
"""Sending an answer, with the script's timing and faults."""

import asyncio
import json
import re
import socket
import struct
import time

from aiohttp import web

EVENT = re.compile(rb".*?(?:\r\n\r\n|\n\n|\r\r)", re.S)


class PeerGone(Exception):
    """The peer closed the connection before the end."""


class Ended(Exception):
    """A fault ended the answer."""


def split_events(data):
    """A recorded stream as events, byte for byte (a rest without its blank line is the last)."""
    events, at = [], 0
    for found in EVENT.finditer(data):
        events.append(found.group())
        at = found.end()
    if at < len(data):
        events.append(data[at:])
    return events


def put(value, script):
    """Applies `set` and `unset` where the parent exists."""
    changed = False
    jobs = [(path, new, True) for path, new in (script.get("set") or {}).items()]
    jobs += [(path, None, False) for path in script.get("unset") or []]
    for path, new, setting in jobs:
        parts = [p.replace("~1", "/").replace("~0", "~") for p in path.split("/")[1:]]
        if not parts:
            if setting:
                return new, True
            continue
        at = value
        for part in parts[:-1]:
            if isinstance(at, list) and part.isdigit() and int(part) < len(at):
                at = at[int(part)]
            else:
                at = at.get(part) if isinstance(at, dict) else None
        last = parts[-1]
        if isinstance(at, dict) and (setting or last in at):
            if setting:
                at[last] = new
            else:
                del at[last]
            changed = True
        elif isinstance(at, list) and last.isdigit() and int(last) < len(at):
            if setting:
                at[int(last)] = new
            else:
                del at[int(last)]
            changed = True
    return value, changed


def change_event(event, script):
    """`set`, `unset` and `crlf` on one event."""
    if ("set" in script or "unset" in script) and b"data:" in event:
        head, _, rest = event.partition(b"data:")
        try:
            value, changed = put(json.loads(rest), script)
        except ValueError:
            changed = False
        if changed:
            end = re.search(rb"[\r\n]*$", rest).group()
            event = head + b"data: " + json.dumps(value, separators=(",", ":")).encode() + end
    if script.get("crlf") and b"\r\n" not in event:
        event = event.replace(b"\n", b"\r\n")
    return event


class Sender:
    """Sends one answer on one request and keeps its record up to date."""

    def __init__(self, request, record, script, closed):
        self.request, self.record, self.script, self.closed = request, record, script, closed
        self.response = None

    async def wait(self, seconds):
        if seconds > 0.3:
            try:
                await asyncio.wait_for(self.closed.wait(), seconds)
            except asyncio.TimeoutError:
                pass
        elif seconds > 0:
            await asyncio.sleep(seconds)
        self.check_peer()

    def check_peer(self):
        if self.closed.is_set():
            raise PeerGone()

    def abort(self, how):
        """Ends the connection: hard = RST, close = FIN."""
        self.record["ended"] = time.time()
        transport = self.request.transport
        if transport is None:
            return
        if how == "hard":
            sock = transport.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            transport.abort()
        else:
            transport.close()

    async def start(self, status, headers, length=None):
        drop = self.script.get("drop")
        await self.wait(self.script.get("delay", 0))
        if drop:
            self.abort(drop)
            raise Ended()
        self.response = self.request["response"] = web.StreamResponse(status=status)
        for name, value in headers.items():
            self.response.headers[name] = value
        if length is not None:
            self.response.content_length = length
        elif self.request.version >= (1, 1):
            self.response.enable_chunked_encoding()
        await self.response.prepare(self.request)
        self.record["head"], self.record["status"] = time.time(), status

    async def write(self, data):
        self.check_peer()
        pieces, pause = [data], 0
        if "drip" in self.script:
            size, pause = int(self.script["drip"].get("bytes", 1)), self.script["drip"].get("interval", 0.001)
            pieces = [data[i:i + size] for i in range(0, len(data), size)]
        elif "split" in self.script:
            size = int(self.script["split"])
            pieces = [data[i:i + size] for i in range(0, len(data), size)]
        for piece in pieces:
            try:
                await self.response.write(piece)
            except (ConnectionError, RuntimeError):
                raise PeerGone() from None
            self.record["bytes"] += len(piece)
            if pause:
                await self.wait(pause)
            elif len(pieces) > 1:
                await asyncio.sleep(0)

    async def silence(self, seconds, comments):
        every = self.script.get("comment")
        if not every or not comments:
            return await self.wait(seconds)
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            await self.wait(min(every, left))
            await self.write(b": keep-alive\n\n")
        return None

    async def finish(self):
        self.check_peer()
        try:
            await self.response.write_eof()
        except (ConnectionError, RuntimeError):
            raise PeerGone() from None

    async def cut(self, how):
        if how == "clean":
            await self.finish()
        else:
            await self.wait(0.02)    # a reset would also destroy what the peer has not read yet
            self.abort(how)
        raise Ended()

    async def send_plain(self, status, headers, body):
        script = self.script
        if "malformed" in script:
            body = body[:max(1, len(body) * 2 // 3)]
        cut, stall = script.get("cut"), script.get("stall")
        chunked = cut is not None and cut.get("how", "clean") == "clean"
        await self.start(status, headers, None if chunked else len(body))
        await self.wait(script.get("first_delay", 0))
        at = 0
        for fault in sorted((f for f in (stall, cut) if f is not None), key=lambda f: f.get("after", len(body) // 2)):
            upto = min(len(body), int(fault.get("after", len(body) // 2)))
            await self.write(body[at:upto])
            at = upto
            if fault is stall:
                await self.silence(stall.get("seconds", 3600), False)
            else:
                await self.cut(cut.get("how", "clean"))
        await self.write(body[at:])
        await self.finish()

    async def faults_after(self, sent, fmt, ask):
        """The faults that come after `sent` events."""
        script = self.script
        due = [k for k in ("stall", "raw", "malformed", "long_line", "error_event", "cut") if k in script
               and int(script[k].get("after", 1)) == sent]
        for kind in due:
            fault = script[kind]
            if kind == "stall":
                await self.silence(fault.get("seconds", 3600), True)
            elif kind == "raw":
                await self.write(str(fault.get("data", "")).encode("utf-8", "surrogatepass"))
            elif kind == "malformed":
                await self.write(fmt.text_event(ask, "broken").rstrip()[:-3] + b"\n\n")
            elif kind == "long_line":
                await self.write(fmt.text_event(ask, "x" * int(fault.get("bytes", 70000))))
            elif kind == "error_event":
                await self.write(change_event(fmt.error_event(ask, fault.get("error") or {}), {"crlf": script.get("crlf")}))
                if script.get("done") is True:
                    await self.write(fmt.done_event(ask))
                await self.finish()
                raise Ended()
            else:
                await self.cut(fault.get("how", "clean"))

    async def send_stream(self, status, headers, events, fmt, ask):
        script = self.script
        await self.start(status, headers)
        await self.silence(script.get("first_delay", 0), True)
        interval = script.get("interval", 0.01 if script.get("endless") else 0)
        faulty = any(k in script for k in ("stall", "raw", "malformed", "long_line", "error_event", "cut"))
        changing = any(k in script for k in ("set", "unset", "crlf"))
        sent = 0
        for event in events:
            if event[:1] == b":":
                await self.write(event)
                continue
            if faulty:
                await self.faults_after(sent, fmt, ask)
            if interval and sent:
                await self.silence(interval, True)
            await self.write(change_event(event, script) if changing else event)
            sent += 1
            self.record["events"] = sent
        if faulty:
            await self.faults_after(sent, fmt, ask)
        await self.finish()
