#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Measures webhooks and prints a line a part: deliveries a second of drain-webhooks to a server on this machine, its memory over many
due rows, what a run with nothing due costs, what arrives when it is killed again and again, and how long after a provider's callback
the first delivery is there.

    tests/bench/webhooks.py --build=DIR               everything, about two minutes
    tests/bench/webhooks.py --build=DIR --quick       a tenth of the rows
    tests/bench/webhooks.py --build=DIR --only=rate,memory,idle,kill,first

For figures to be kept: on a machine that does nothing else, `make` without sanitizers, then `python3 tests/bench/webhooks.py` three
times; take the run in the middle. The receiver is a Python process on the same cores, so the rate is a lower bound. Times are never
asserted; the exit status is 1 only when a webhook was lost, or arrived under two ids. Standard library only, but `first` runs the fake
upstream, which needs aiohttp.
"""

import argparse
import asyncio
import base64
import collections
import hashlib
import hmac
import http.client
import json
import multiprocessing
import os
import pathlib
import random
import re
import resource
import signal
import statistics
import subprocess
import sys
import time
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "env"))
from process import StackError, clean_environment, free_port  # noqa: E402
from stack import Stack  # noqa: E402

PARTS = ("rate", "memory", "idle", "kill", "first")
BODY_BYTES = 1500


# --- The customer's server ---------------------------------------------------------------------------


class Peer(asyncio.Protocol):
    """Answers every POST with 200 and notes its webhook-id by path, and when the first came; GET tells what has come."""

    seen = collections.defaultdict(set)
    first_at = {}
    total = 0

    def connection_made(self, transport):
        self.transport, self.data = transport, b""

    def data_received(self, data):
        self.data += data
        while (end := self.data.find(b"\r\n\r\n")) >= 0:
            head = self.data[:end]
            length = int(m[1]) if (m := re.search(rb"(?i)content-length: (\d+)", head)) else 0
            if len(self.data) < end + 4 + length:
                return
            self.data = self.data[end + 4 + length:]
            if head.startswith(b"GET"):
                self.tell(head.startswith(b"GET /forget"), head.startswith(b"GET /times"))
            else:
                at, path = head.index(b"webhook-id: ") + 12, head[6:head.index(b" ", 6)]
                self.first_at.setdefault(path, time.monotonic())
                self.seen[path].add(head[at:at + 30])
                Peer.total += 1
                self.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    def tell(self, forget, times):
        many = sum(len(ids) > 1 for ids in self.seen.values()) if forget else 0
        body = json.dumps({"tasks": len(self.seen), "total": self.total, "many_ids": many,
                           "times": {k.decode(): v for k, v in self.first_at.items()} if times else None}).encode()
        self.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
        if forget:
            self.seen.clear()
            self.first_at.clear()
            Peer.total = 0


def serve(pipe):
    async def run():
        server = await asyncio.get_running_loop().create_server(Peer, "127.0.0.1", 0, backlog=4096)
        pipe.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()
    asyncio.run(run())


class Receiver:
    def __init__(self):
        ours, theirs = multiprocessing.Pipe()
        self.process = multiprocessing.Process(target=serve, args=(theirs,), daemon=True)
        self.process.start()
        self.port = ours.recv()

    def ask(self, path="/"):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=60) as answer:
            return json.load(answer)

    def stop(self):
        self.process.terminate()
        self.process.join()


# --- The program -------------------------------------------------------------------------------------


class Bench:
    def __init__(self, build):
        self.stack = Stack(builddir=build, upstream=False, config={"allow_private_webhooks": "yes"})
        self.stack.prepare()
        self.stack.write_config()
        self.account = self.stack.open_account("bench@example.org", "Bench", None, "")
        self.receiver = Receiver()

    def stop(self):
        self.receiver.stop()
        self.stack.stop()

    def enqueue(self, count):
        """So many rows, each for a path of its own; what came before is forgotten."""
        self.stack.sql("DELETE FROM webhook_delivery")
        self.receiver.ask("/forget")
        step = 2000
        for first in range(0, count, step):
            last = min(first + step, count) - 1
            self.stack.sql(
                f"DELIMITER //\nBEGIN NOT ATOMIC START TRANSACTION; FOR i IN {first}..{last} DO CALL webhook_enqueue_inner({self.account}, 'job.completed', "
                f"CONCAT('task_', i), CONCAT('http://127.0.0.1:{self.receiver.port}/', i), REPEAT('x', {BODY_BYTES}), @id); END FOR; COMMIT; END //\nDELIMITER ;")

    def start(self):
        env = clean_environment(AIG_CONFIG=str(self.stack.config_file))
        return subprocess.Popen([str(self.stack.builddir / "drain-webhooks"), "--watch=600"], env=env)

    def left(self):
        return int(self.stack.sql("SELECT COUNT(*) AS n FROM webhook_delivery WHERE state = 'pending'")[-1]["n"])

    def drain(self, count, sample=None):
        """Starts it on `count` due rows and waits until none is left; seconds."""
        began = time.perf_counter()
        process = self.start()
        while self.receiver.ask()["tasks"] < count:
            if sample:
                sample(process.pid)
            time.sleep(0.05)
        seconds = time.perf_counter() - began
        if sample:
            sample(process.pid)
        process.terminate()
        if process.wait() != 0:
            raise StackError("drain-webhooks failed")
        return seconds

    def once(self):
        """One run; its time in ms, its CPU time in ms."""
        env = clean_environment(AIG_CONFIG=str(self.stack.config_file))
        before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        subprocess.run([str(self.stack.builddir / "drain-webhooks"), "--once"], env=env, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return (time.perf_counter() - began) * 1000, (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) * 1000


def status_kib(pid, name):
    try:
        text = pathlib.Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    found = re.search(rf"^{name}:\s+(\d+)", text, re.M)
    return int(found[1]) if found else 0


# --- Parts -------------------------------------------------------------------------------------------


def rate(bench, quick):
    count = 2000 if quick else 20000
    bench.enqueue(count)
    seconds = bench.drain(count)
    print(f"rate: {count:,} deliveries of {BODY_BYTES:,} bytes in {seconds:.2f} s: {count / seconds:,.0f} a second (goal: over 2,000)")
    return bench.receiver.ask()["total"] == count


def memory(bench, quick):
    count = 10000 if quick else 100000
    bench.enqueue(count)
    samples, peak = [], 0

    def sample(pid):
        nonlocal peak
        samples.append(status_kib(pid, "VmRSS"))
        peak = max(peak, status_kib(pid, "VmHWM"))
    seconds = bench.drain(count, sample)
    samples = [s for s in samples if s]
    tenth = max(1, len(samples) // 10)
    early, late = statistics.median(samples[tenth:3 * tenth] or samples), statistics.median(samples[-tenth:])
    print(f"memory: {count:,} due rows in {seconds:.1f} s ({count / seconds:,.0f} a second): RSS {early / 1024:.1f} MiB early, {late / 1024:.1f} MiB "
          f"late, at most {peak / 1024:.1f} MiB")
    return bench.receiver.ask()["tasks"] == count


def idle(bench, quick):
    bench.enqueue(0)
    runs = [bench.once() for _ in range(10 if quick else 50)]
    wall, cpu = (statistics.median(column) for column in zip(*runs, strict=True))
    print(f"idle: a run with nothing due takes {wall:.1f} ms, {cpu:.1f} ms of CPU (median of {len(runs)}; goal: under 20 ms)")
    return True


def kill(bench, quick):
    count, rng, kills = 1000 if quick else 10000, random.Random(1), 0
    bench.enqueue(count)
    while bench.left() > 0:
        process = bench.start()
        target = bench.receiver.ask()["total"] + rng.randrange(1, count // 10)
        while bench.receiver.ask()["total"] < target and bench.left() > 0:
            time.sleep(0.001)
        process.send_signal(signal.SIGKILL)
        process.wait()
        kills += 1
        # as if the leases were over
        bench.stack.sql("UPDATE webhook_delivery SET due = UTC_TIMESTAMP(6) WHERE state = 'pending'")
    got = bench.receiver.ask("/forget")
    print(f"kill: {count:,} deliveries under {kills} x kill -9: {count - got['tasks']} lost, {got['total'] - got['tasks']:,} arrived twice, "
          f"{got['many_ids']} under two ids")
    return got["tasks"] == count and got["many_ids"] == 0


# --- From the provider's callback to the customer, through the gateway -----------------------------------


def percentiles(values):
    values = sorted(values)
    return f"p50 {values[len(values) // 2] * 1000:.2f} ms, p99 {values[int(len(values) * 0.99)] * 1000:.2f} ms"


def send(port, method, path, body=None, headers=None):
    """One request on a connection of its own; when it was begun."""
    began = time.monotonic()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request(method, path, body, headers or {})
    answer = connection.getresponse()
    answer.read()
    connection.close()
    if answer.status != 200:
        raise StackError(f"{method} {path}: {answer.status}")
    return began


def signed(task):
    """A callback as kie.ai signs it: (body, headers)."""
    stamp = str(int(time.time()))
    mac = hmac.new(b"fake-kie-webhook-key", f"{task}.{stamp}".encode(), hashlib.sha256).digest()
    return json.dumps({"code": 200, "data": {"taskId": task}}), {
        "Content-Type": "application/json", "X-Webhook-Timestamp": stamp, "X-Webhook-Signature": base64.b64encode(mac).decode()}


def first(bench, quick):
    """Jobs that have ended at the provider, whose callbacks come one after the other. The gateway checks the signature, asks the provider
    what became of the task, settles, and delivers: all of it, with two durable transactions, lies between the two moments."""
    count, port = 200 if quick else 1000, free_port()
    with Stack(builddir=bench.stack.builddir, port=port, config={"allow_private_webhooks": "yes", "public_url": f"http://127.0.0.1:{port}"}) as stack:
        account = stack.account("1000")
        bench.receiver.ask("/forget")
        for i in range(count):
            status, _, body = stack.call("POST", "/v1/jobs/createTask", key=account.key, body={
                "model": "suno-v6", "callBackUrl": f"http://127.0.0.1:{bench.receiver.port}/{i}", "input": {"prompt": '[[fake:{"callback":false}]]'}})
            if status != 200:
                raise StackError(f"createTask: {status} {body}")
        jobs = stack.sql("SELECT id, upstream_id FROM job ORDER BY id")
        began = {i: send(port, "POST", f"/api/v1/callbacks/kie/{job['id']}", *signed(job["upstream_id"])) for i, job in enumerate(jobs)}
        end = time.monotonic() + 60
        while bench.receiver.ask()["tasks"] < count and time.monotonic() < end:
            time.sleep(0.05)
        got, bare, question = bench.receiver.ask("/times")["times"], [], []
        for i, job in enumerate(jobs):
            at = send(bench.receiver.port, "POST", f"/bare{i}", "x" * 600, {"webhook-id": job["id"]})
            bare.append((f"bare{i}", at))
            asked = send(stack.upstream.port, "GET", f"/kie/api/v1/jobs/recordInfo?taskId={job['upstream_id']}", None, {"Authorization": "Bearer fake-kie-key"})
            question.append(time.monotonic() - asked)
        times = bench.receiver.ask("/times")["times"]
    lost = [i for i in began if str(i) not in got]
    print(f"first: {count:,} callbacks of a provider, to the customer's first delivery: {percentiles([got[str(i)] - at for i, at in began.items() if str(i) in got])}")
    print(f"       beside it: the same server asked directly, {percentiles([times[name] - at for name, at in bare])}; "
          f"the provider's answer about a task, {percentiles(question)}")
    return not lost


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default=os.environ.get("top_builddir", str(HERE.parents[1])))
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", default=",".join(PARTS))
    options = parser.parse_args()
    bench, right = None, True
    try:
        bench = Bench(options.build)
        for part in options.only.split(","):
            right = {"rate": rate, "memory": memory, "idle": idle, "kill": kill, "first": first}[part](bench, options.quick) and right
            sys.stdout.flush()
    except StackError as problem:
        sys.exit(f"webhooks.py: {problem}")
    finally:
        if bench:
            bench.stop()
    sys.exit(0 if right else 1)


if __name__ == "__main__":
    main()
