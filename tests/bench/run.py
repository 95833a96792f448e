#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Measures the gateway and prints tables: what a call costs beside the same call to the upstream and beside a FastCGI program that does
nothing (null.c), what GET /v1/me costs, how late the events of a stream arrive, through each surface and each provider's format, what a hedge costs, how fast
streams are translated, and what a thousand streams at once take.

    make bench                              everything, about six minutes
    make bench BENCHFLAGS=--quick           one short round of everything, about two minutes
    tests/bench/run.py --build=DIR --only=latency,rate,me,stream,providers,hedge,translate,streams

All runs on this machine: MariaDB, gateway, lighttpd, upstream and the load share its cores, so ratios within one run mean more than
figures. Times are never asserted; the exit status is 1 only when the ledger does not agree with what was answered. Needs what `make bench`
builds (libevent) and what tests/env/stack.py needs. Standard library only.
"""

import argparse
import http.client
import json
import os
import pathlib
import platform
import re
import resource
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "env"))
from process import Daemon, StackError, clean_environment, find_program  # noqa: E402
from stack import Stack  # noqa: E402

PATH = "/api/v1/chat/completions"
MODEL = "gpt-4o-mini"
ACCOUNTS = 100
STREAMS = 1000
THREADS = 256
STREAM_THREADS = 1100
LOAD_LIMIT_S = 120
PARTS = ("latency", "rate", "me", "stream", "providers", "hedge", "translate", "streams")
SURFACES = {"chat": "/api/v1/chat/completions", "responses": "/api/v1/responses", "messages": "/api/v1/messages"}
# A model of each provider's format, and the longest recorded stream of each.
ROUTES = {"openai": "gpt-4o-mini", "openai-responses": "gpt-5.4", "anthropic": "claude-sonnet-4-6", "google": "gemini-3.5-flash", "openrouter": "grok-4.3"}
RECORDINGS = {"openai": "openai/prefect.multiple-agents.3", "openai-responses": "openai/openai.openai-instructions-with-responses-logprobs-streaming.0",
              "anthropic": "anthropic/anthropic.pause-turn-web-search-streaming-vcr.0", "google": "google/google.google-model-thinking-part-iter.0",
              "openrouter": "openrouter/openrouter.openrouter-stream-with-reasoning.0"}
TICK_US = 1e6 / os.sysconf("SC_CLK_TCK")


# --- The machine and its processes -------------------------------------------------------------------


def read(path):
    try:
        return pathlib.Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def cpu_us(pids):
    """CPU time of processes so far."""
    ticks = 0
    for pid in pids:
        fields = read(f"/proc/{pid}/stat").rsplit(")", 1)[-1].split()
        ticks += int(fields[11]) + int(fields[12]) if len(fields) > 12 else 0
    return ticks * TICK_US


def busy_us():
    """CPU time of everything on the machine so far."""
    fields = [int(f) for f in read("/proc/stat").split("\n", 1)[0].split()[1:9]]
    return (sum(fields) - fields[3] - fields[4]) * TICK_US


def used_share(seconds=2):
    """Share of the machine that is used while nothing is measured."""
    before = busy_us()
    time.sleep(seconds)
    return (busy_us() - before) / (seconds * 1e6 * os.cpu_count())


def rss_kib(pids):
    return sum(int(m[1]) for pid in pids if (m := re.search(r"^VmRSS:\s+(\d+)", read(f"/proc/{pid}/status"), re.M)))


def thread_count(pids):
    return sum(len(os.listdir(f"/proc/{pid}/task")) for pid in pids)


def first_line(*command):
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=10)
    except OSError:
        return "?"
    return ((done.stdout or done.stderr).splitlines() or ["?"])[0].strip()


def fsync_us(directory):
    """Median time of a write of 512 bytes with fdatasync where the database lies."""
    times = []
    with tempfile.TemporaryFile(dir=directory) as f:
        for _ in range(100):
            f.write(b"x" * 512)
            f.flush()
            start = time.perf_counter()
            os.fdatasync(f.fileno())
            times.append((time.perf_counter() - start) * 1e6)
    return statistics.median(times)


# --- Tables ------------------------------------------------------------------------------------------


def table(title, heads, rows, notes=(), left=(0,)):
    """A Markdown table; the columns in `left` are texts."""
    rows = [[str(c) for c in row] for row in rows]
    widths = [max(len(r[i]) for r in [heads] + rows) for i in range(len(heads))]
    rule = ["-" * (w + 1) + ("-" if i in left else ":") for i, w in enumerate(widths)]
    lines = ["| " + " | ".join(c.ljust(w) if i in left else c.rjust(w) for i, (c, w) in enumerate(zip(row, widths))) + " |" for row in [heads] + rows]
    print(f"\n### {title}\n")
    print("\n".join([lines[0], "|" + "|".join(rule) + "|"] + lines[1:]))
    if notes:
        print()
    for note in notes:
        print(note)
    sys.stdout.flush()


def ms(us):
    return f"{us / 1000:.2f}"


def median(values):
    return statistics.median(values) if values else 0.0


# --- Programs ----------------------------------------------------------------------------------------


class NullStack(Stack):
    """The same web server with the same configuration in front of null.c."""

    def __init__(self, program, **more):
        super().__init__(upstream=False, database=False, healthy=False, **more)
        self.program = program

    def start_gateway(self):
        self.gateway_socket.unlink(missing_ok=True)
        self.gateway = Daemon(self.pid_file("gateway"))
        with socket.socket(socket.AF_UNIX) as listener, open(self.log("gateway"), "ab") as log:
            listener.bind(str(self.gateway_socket))
            listener.listen(4096)
            self.gateway.process = subprocess.Popen([str(self.program), str(THREADS)], stdin=listener, stdout=log, stderr=log,
                                                    env=clean_environment(), start_new_session=True)


class Target:
    """Something to load: where it is, with which keys, and whose CPU time it takes."""

    def __init__(self, name, port, processes, path=PATH, keys=None, surface="chat", model=MODEL):
        self.name, self.port, self.processes, self.path, self.keys = name, port, processes, path, keys
        self.surface, self.model = surface, model

    @property
    def paid(self):
        return self.keys is not None


class Cell:
    """The rounds of one measurement."""

    def __init__(self):
        self.results = []

    def value(self, *names):
        def one(result):
            for name in names:
                result = result[name]
            return result
        return median([one(r) for r in self.results])

    def count(self, name):
        return sum(r[name] for r in self.results)

    def cpu(self, process):
        """Microseconds a request."""
        return sum(r["cpu"].get(process, 0) for r in self.results) / max(1, self.count("ok"))

    def others(self):
        """Share of the machine that other processes took."""
        return sum(r["others"] for r in self.results) / sum(r["machine"] for r in self.results)

    def errors(self):
        return ", ".join(f"{self.count(n)} {n}" for n in ("failed", "wrong", "lost") if self.count(n)) or "0"


class Bench:
    def __init__(self, options):
        self.options = options
        self.build = pathlib.Path(options.build).resolve()
        self.programs = self.build / "tests/bench"
        self.answered = {"ok": 0, "failed": 0, "wrong": 0, "lost": 0}
        self.open = []
        self.work = pathlib.Path(tempfile.mkdtemp(prefix="aig-bench-"))

    # Start and stop

    def start(self):
        for name in ("null", "upstream", "load", "translate"):
            if not (self.programs / name).exists():
                raise StackError(f"{self.programs / name} is missing: `make bench` builds it")
        self.upstream = subprocess.Popen([str(self.programs / "upstream")], stdout=subprocess.PIPE, text=True)
        self.open.append(self.stop_upstream)
        self.upstream_port = int(self.upstream.stdout.readline().split()[1])
        url = f"http://127.0.0.1:{self.upstream_port}"
        providers = {f"{p}_{k}": v for p in ("openai", "anthropic", "google", "openrouter") for k, v in (("url", url), ("key", "bench"))}
        self.stack = Stack(builddir=self.build, upstream=False, say=self.say, config=dict(providers, threads=THREADS, threads_reserved=8))
        self.open.append(self.stack.stop)
        self.stack.start()
        self.null = NullStack(self.programs / "null", builddir=self.build)
        self.open.append(self.null.stop)
        self.null.start()
        self.say("making accounts")
        self.make_accounts()
        upstream = {"upstream": lambda: [self.upstream.pid]}
        paid = {"lighttpd": lambda: [self.stack.server.pid], "app": self.stack.gateway_pids, "MariaDB": lambda: [self.stack.database.daemon.pid]}
        null = {"lighttpd": lambda: [self.null.server.pid], "app": lambda: [self.null.gateway.pid]}
        self.direct = Target("upstream, direct", self.upstream_port, upstream, path=PATH.removeprefix("/api"))
        self.nothing = Target("null handler", self.null.port, null)
        self.hot = Target("paid call, one account", self.stack.port, paid | upstream, keys=self.work / "hot")
        self.spread = Target(f"paid call, {ACCOUNTS} accounts", self.stack.port, paid | upstream, keys=self.work / "spread")

    def stop_upstream(self):
        self.upstream.kill()
        self.upstream.wait()
        self.upstream.stdout.close()

    def stop(self):
        for stop in reversed(self.open):
            stop()
        shutil.rmtree(self.work, ignore_errors=True)

    def make_accounts(self):
        calls = []
        for i in range(ACCOUNTS + 1):
            email = f"bench{i}@example.org"
            calls.append(f"CALL create_account('{email}', 'Bench {i}'); CALL credit_purchase('{email}', 100000, 'bench-{i}'); "
                         f"CALL create_key('{email}', 'bench');")
        done = self.stack.database.client("\n".join(calls))
        keys = re.findall(r"sk-aig-[0-9a-f]{48}", done.stdout)
        if done.returncode or len(keys) != ACCOUNTS + 1:
            raise StackError(f"the accounts could not be made: {done.stderr.strip()}")
        (self.work / "hot").write_text(keys[0] + "\n")
        (self.work / "spread").write_text("\n".join(keys[1:]) + "\n")

    def say(self, line):
        print(f"bench: {line}", file=sys.stderr, flush=True)

    # One load

    def load(self, target, connections, seconds, warmup=0.5, sampler=None, **more):
        arguments = {"port": target.port, "path": target.path, "surface": target.surface, "model": target.model, "connections": connections, "ms": int(seconds * 1000),
                     "warmup-ms": int(warmup * 1000), **more}
        if target.keys:
            arguments["keys"] = target.keys
        command = [str(self.programs / "load")] + [f"--{k.replace('_', '-')}={v}" for k, v in arguments.items()]
        pids = {name: find() for name, find in target.processes.items()}
        before = {name: cpu_us(p) for name, p in pids.items()}
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        busy, start = busy_us(), time.monotonic()
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        if sampler:
            sampler.start()
        try:
            text = process.communicate(timeout=LOAD_LIMIT_S)[0]
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            raise StackError(f"{' '.join(command)} did not end within {LOAD_LIMIT_S} s") from None
        finally:
            if sampler:
                sampler.stop()
        seconds, busy = time.monotonic() - start, busy_us() - busy
        if process.returncode:
            raise StackError(f"{' '.join(command)} ended with status {process.returncode}")
        result = json.loads(text)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        result["cpu"] = {name: cpu_us(p) - before[name] for name, p in pids.items()}
        result["cpu"]["load"] = (after.ru_utime + after.ru_stime - usage.ru_utime - usage.ru_stime) * 1e6
        result["machine"] = seconds * 1e6 * os.cpu_count()
        result["others"] = max(0.0, busy - sum(result["cpu"].values()))
        if target.paid:
            for name in self.answered:
                self.answered[name] += result[name]
        return result

    def rounds(self, number, plan):
        """Runs [(key, function)] round by round, so that a slow minute of the machine meets all of them."""
        cells = {key: Cell() for key, _ in plan}
        for n in range(number):
            self.say(f"round {n + 1} of {number}")
            for key, run in plan:
                cells[key].results.append(run())
        return cells

    # The figures

    def conditions(self):
        cpu = re.search(r"^model name\s*:\s*(.*)", read("/proc/cpuinfo"), re.M)
        names = ("version", "innodb_flush_log_at_trx_commit", "log_bin", "sync_binlog", "innodb_buffer_pool_size", "innodb_flush_method")
        v = {r["Variable_name"]: r["Value"] for r in
             self.stack.sql("SHOW VARIABLES WHERE Variable_name IN (%s)" % ", ".join(f"'{n}'" for n in names))}
        system = re.search(r'PRETTY_NAME="(.*)"', read("/etc/os-release"))
        flags = re.search(r"^CFLAGS = (.*)", read(self.build / "Makefile"), re.M)
        data = self.stack.database.data
        rows = [
            ("machine", f"{cpu[1] if cpu else platform.processor()}, {os.cpu_count()} cores; load generator and upstream on the same cores"),
            ("system", f"{system[1] if system else '?'}, Linux {platform.release()}"),
            ("versions", ", ".join(("MariaDB " + v["version"], first_line(find_program("lighttpd"), "-v").split(" (")[0],
                                    first_line("curl", "--version").split(" (")[0]))),
            ("build", f"CFLAGS {flags[1] if flags else '?'}"),
            ("database", f"innodb_flush_log_at_trx_commit={v['innodb_flush_log_at_trx_commit']}, log_bin={v['log_bin']}, "
                         f"buffer pool {int(v['innodb_buffer_pool_size']) >> 20} MiB, innodb_flush_method={v['innodb_flush_method']}; "
                         f"{first_line('findmnt', '-n', '-o', 'FSTYPE', '-T', str(data))}, fdatasync {fsync_us(data):.0f} us"),
            ("gateway", f"{THREADS} threads, db_pool default, behind lighttpd; model {MODEL}"),
            ("other work", f"{100 * used_share():.0f} % of the machine before the measurement"),
        ]
        table("Conditions", ("what", "value"), rows, left=(0, 1))

    def latency(self):
        seconds, number = (1.5, 1) if self.options.quick else (2, 4)
        targets = (self.direct, self.nothing, self.hot)
        self.load(self.hot, 1, 0.5)
        cells = self.rounds(number, [(t, lambda t=t: self.load(t, 1, seconds)) for t in targets])
        base = cells[self.direct]
        b50, b99 = base.value("whole", "p50_us"), base.value("whole", "p99_us")
        rows = []
        for t in targets:
            c = cells[t]
            p50, p99 = c.value("whole", "p50_us"), c.value("whole", "p99_us")
            added = ("", "", "") if c is base else (ms(p50 - b50), ms(p99 - b99), f"{p50 / b50:.1f}")
            rows.append((t.name, ms(p50), ms(p99), *added, c.errors()))
        added = cells[self.hot].value("whole", "p50_us") - base.value("whole", "p50_us")
        table("Latency at 1 client, ms", ("", "p50", "p99", "added p50", "added p99", "p50 / direct", "errors"), rows,
              [f"Goal: added p50 of a paid call below 1 ms; it is {ms(added)} ms."])

    def rate(self):
        seconds, number = (1.2, 2) if self.options.quick else (2.5, 5)
        targets = (self.nothing, self.hot, self.spread)
        self.load(self.spread, 16, 0.5)
        plan = [((n, t), lambda n=n, t=t: self.load(t, n, seconds)) for n in (16, 64) for t in targets]
        cells = self.rounds(number, plan)
        goals = {(64, self.hot): "0.08", (64, self.spread): "0.12"}
        rows = []
        for (n, t), c in cells.items():
            null = cells[n, self.nothing].value("per_second")
            rows.append((f"{n} clients, {t.name}", f"{c.value('per_second'):.0f}", f"{c.value('per_second') / null:.3f}", goals.get((n, t), ""),
                         ms(c.value("whole", "p50_us")), ms(c.value("whole", "p99_us")), c.errors()))
        table("Requests/s, ledger on and durable", ("", "requests/s", "/ null", "goal", "p50 ms", "p99 ms", "errors"), rows)
        names = ("lighttpd", "app", "MariaDB", "upstream", "load")
        rows = []
        for (n, t), c in cells.items():
            each = [c.cpu(name) for name in names]
            null = sum(cells[n, self.nothing].cpu(name) for name in names)
            rows.append((f"{n} clients, {t.name}", *(f"{v:.0f}" for v in each), f"{sum(each):.0f}", f"{null / sum(each):.3f}",
                         f"{100 * c.others():.0f} %"))
        table("CPU time a request, microseconds", ("",) + names + ("sum", "null / sum", "others"), rows,
              ["null / sum: the ratio of the rates if CPU time alone decided. others: share of the machine that went to other processes and",
               "the kernel's own threads; the more it is, the less the figures say."])

    def me(self):
        """GET /v1/me on a kept connection, alone and beside a load of paid calls, next to the same on the null handler."""
        count = 400 if self.options.quick else 3000
        key = (self.work / "hot").read_text().strip()
        rows = []
        for name, busy in (("alone", False), ("beside 16 paying clients", True)):
            for target, path, headers in ((self.nothing, PATH, {}), (self.hot, "/api/v1/me", {"Authorization": f"Bearer {key}"})):
                load = threading.Thread(target=self.load, args=(self.spread, 16, 0.003 * count + 1))
                if busy:
                    load.start()
                    time.sleep(0.7)
                times = self.get(target.port, path, headers, count)
                if busy:
                    load.join()
                rows.append((f"{'null handler' if target is self.nothing else 'GET /v1/me'}, {name}", ms(median(times)), ms(times[int(0.99 * len(times))]), len(times)))
        table("GET /v1/me, one connection, ms", ("", "p50", "p99", "answers"), rows, ["The client is Python's, on the same cores; the null handler says what it takes."])

    @staticmethod
    def get(port, path, headers, count):
        """Sorted times of so many requests, microseconds."""
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        times = []
        for _ in range(count):
            start = time.perf_counter()
            connection.request("GET", path, headers=headers)
            answer = connection.getresponse()
            answer.read()
            times.append((time.perf_counter() - start) * 1e6)
            if answer.status != 200:
                raise StackError(f"GET {path} answered {answer.status}")
        connection.close()
        return sorted(times)

    def stream(self):
        seconds, number = (1.5, 1) if self.options.quick else (3, 3)
        events = {"stream": 1, "events": 20, "interval_ms": 20, "ramp_ms": 237}
        first = {"stream": 1, "events": 1, "interval_ms": 1}
        plan = []
        for t in (self.direct, self.hot):
            plan += [((t, "event"), lambda t=t: self.load(t, 20, seconds, warmup=1, **events)),
                     ((t, "first"), lambda t=t: self.load(t, 1, seconds, **first))]
        cells = self.rounds(number, plan)
        rows = []
        for kind, what in (("event", "event, 20 streams of an event every 20 ms"), ("first", "first token, 1 client")):
            figure = [cells[t, kind].value(kind, p) for t in (self.direct, self.hot) for p in ("p50_us", "p99_us")]
            rows.append((what, *(ms(f) for f in figure), ms(figure[2] - figure[0]), ms(figure[3] - figure[1]),
                         cells[self.direct, kind].errors() + " / " + cells[self.hot, kind].errors()))
        table("Streams: from the upstream's event to the client's, and time to the first token, ms",
              ("", "direct p50", "p99", "gateway p50", "p99", "added p50", "added p99", "errors"), rows,
              ["Goal: event p50 below 1 ms. The first token includes the authorization, so one durable transaction."])

    def providers(self):
        """Each surface on each provider's format, beside the upstream itself."""
        seconds, number = (1.2, 1) if self.options.quick else (2.5, 3)
        events = {"stream": 1, "events": 20, "interval_ms": 20, "ramp_ms": 237}
        first = {"stream": 1, "events": 1, "interval_ms": 1}
        targets = {(s, p): Target(f"{s} on {p}", self.stack.port, self.hot.processes, path=path, keys=self.work / "hot", surface=s, model=model)
                   for s, path in SURFACES.items() for p, model in ROUTES.items()}
        plan = [(("direct", "event"), lambda: self.load(self.direct, 20, seconds, warmup=1, **events)),
                (("direct", "first"), lambda: self.load(self.direct, 1, seconds, **first))]
        for key, t in targets.items():
            plan += [((key, "event"), lambda t=t: self.load(t, 20, seconds, warmup=1, **events)),
                     ((key, "first"), lambda t=t: self.load(t, 1, seconds, **first))]
        cells = self.rounds(number, plan)
        direct = cells["direct", "first"].value("first", "p50_us")
        rows = [("upstream, direct", ms(direct), "", ms(cells["direct", "event"].value("event", "p50_us")),
                 ms(cells["direct", "event"].value("event", "p99_us")), "", "", cells["direct", "event"].errors())]
        for key, t in targets.items():
            c, f = cells[key, "event"], cells[key, "first"]
            each = [sum(r["cpu"][n] for r in c.results) / max(1, sum(r["ok"] for r in c.results)) / events["events"] for n in ("app", "lighttpd")]
            rows.append((t.name, ms(f.value("first", "p50_us")), ms(f.value("first", "p50_us") - direct), ms(c.value("event", "p50_us")),
                         ms(c.value("event", "p99_us")), f"{each[0]:.0f}", f"{each[1]:.0f}", f"{f.errors()} / {c.errors()}"))
        table("Surfaces and providers: first token at 1 client, events of 20 streams every 20 ms, ms",
              ("", "first token p50", "added", "event p50", "p99", "CPU us an event, app", "lighttpd", "errors"), rows,
              ["CPU an event: that of the whole call (20 events, authorization and settlement) by its events."])

    def hedge(self):
        """OpenAI answers 500, and OpenAI is marked down: beside a call that OpenRouter serves anyway."""
        rounds = 15 if self.options.quick else 60
        first = {"stream": 1, "events": 1, "interval_ms": 1, "once": 1}
        plain = Target("OpenRouter's own model", self.stack.port, self.hot.processes, keys=self.work / "hot", model=ROUTES["openrouter"])
        failing = Target("hedged: OpenAI answers 500", self.stack.port, self.hot.processes, keys=self.work / "hot")
        down = Target("hedged: OpenAI is marked down", self.stack.port, self.hot.processes, keys=self.work / "hot")
        self.stack.restart_gateway(openai_url=f"http://127.0.0.1:{self.upstream_port}/fail")
        cells = {t: Cell() for t in (plain, failing, down)}
        for n in range(rounds + 1):
            for t in (plain, failing, down):
                self.stack.sql("DELETE FROM upstream_health")
                if t is down:
                    self.stack.sql("INSERT INTO upstream_health (provider, failures, down_until) VALUES ('openai', 9, '2999-01-01')")
                time.sleep(1.1)    # the gateway's copy of it lives for a second
                result = self.load(t, 1, 1, warmup=0, **first)
                if n > 0:          # the first round opens the connections
                    cells[t].results.append(result)
        base = cells[plain].value("first", "p50_us")
        rows = [(t.name, ms(c.value("first", "p50_us")), "" if t is plain else ms(c.value("first", "p50_us") - base), c.errors()) for t, c in cells.items()]
        table(f"Hedging: time to the first token, ms, median of {rounds} calls", ("", "first token", "added", "errors"), rows,
              ["Added to the failing case: OpenAI's answer, its report and the extended hold. Goal with OpenAI marked down: none."])
        self.stack.restart_gateway(openai_url=f"http://127.0.0.1:{self.upstream_port}")

    def translate(self):
        """A recorded stream to chat completions, without network."""
        recordings = HERE.parent / "upstream/recordings"
        files = [f"{p}={recordings / case / 'response.sse'}" for p, case in RECORDINGS.items()]
        done = subprocess.run([str(self.programs / "translate"), *files], capture_output=True, text=True, check=True)
        rows = [(r["provider"], r["bytes"], r["events"], f"{r['mb_per_s']:.0f}", f"{r['us_per_event']:.1f}") for r in map(json.loads, done.stdout.splitlines())]
        table("Translation of the longest recorded stream, one thread", ("", "bytes", "events with content", "MB/s", "us an event"), rows)

    def streams(self):
        events, ramp = (40, 2000) if self.options.quick else (100, 3000)
        self.say(f"{STREAMS} streams")
        self.stack.restart_gateway(threads=STREAM_THREADS)
        app, server = self.stack.gateway_pids(), [self.stack.server.pid]
        self.wait_idle(app)
        idle = rss_kib(app), rss_kib(server)
        sampler = RssSampler(app, server)
        r = self.load(self.spread, STREAMS, 1, warmup=0, sampler=sampler, stream=1, events=events, interval_ms=100, once=1, ramp_ms=ramp)
        total = r["event"]["count"]
        rows = [(name, f"{before / 1024:.1f}", f"{peak / 1024:.1f}", f"{(peak - before) / STREAMS:.1f}", goal,
                 f"{r['cpu'][name] / max(1, total):.1f}")
                for name, before, peak, goal in zip(("app", "lighttpd"), idle, sampler.peak, ("64", ""))]
        table(f"{STREAMS} streams at once, 10 events/s each, one process, {STREAM_THREADS} threads",
              ("", "RSS idle MiB", "RSS with streams MiB", "KiB a stream", "goal", "CPU us an event"), rows,
              [f"Streams complete {r['ok']}, wrong {r['wrong']}, refused {r['failed']}, lost {r['lost']}; {total} of {STREAMS * events} events; "
               f"event p50 {ms(r['event']['p50_us'])} ms, p99 {ms(r['event']['p99_us'])} ms; "
               f"first token p50 {ms(r['first']['p50_us'])} ms, p99 {ms(r['first']['p99_us'])} ms."])

    @staticmethod
    def wait_idle(pids):
        last = -1
        for _ in range(50):
            now = (thread_count(pids), rss_kib(pids))
            if now == last:
                return
            last = now
            time.sleep(0.3)

    def check_ledger(self):
        """Every answered call has its usage row, and the ledger agrees with itself."""
        a = self.answered
        uncertain = a["wrong"] + a["lost"]
        for _ in range(50):
            counts = self.stack.sql("SELECT (SELECT COUNT(*) FROM usage_log WHERE status = 'ok') AS ok, "
                                    "(SELECT COUNT(*) FROM hold WHERE state = 'open') AS open")[0]
            if int(counts["open"]) == 0:
                break
            time.sleep(0.1)
        broken = self.stack.sql("SELECT * FROM v_ledger_check")
        spooled = len([f for f in pathlib.Path(self.stack.dir, "spool").rglob("*") if f.is_file()])
        rows = int(counts["ok"])
        good = a["ok"] <= rows <= a["ok"] + uncertain and not broken and not int(counts["open"]) and not spooled
        table("The ledger afterwards", ("answered calls", "usage rows with status ok", "errors", "open holds", "spooled", "rows of v_ledger_check"),
              [(a["ok"], rows, a["failed"] + uncertain, counts["open"], spooled, len(broken))],
              ["Nothing is lost." if good else
               "SOMETHING IS LOST: the two counts must agree, and there must be no open hold, no spooled settlement and no such row."])
        for row in broken[:10]:
            print(row)
        return good

    def run(self):
        self.start()
        self.conditions()
        for part in PARTS:
            if part in self.options.only:
                getattr(self, part)()
        return self.check_ledger()


class RssSampler:
    """Largest RSS, in KiB, of two groups of processes while something runs."""

    def __init__(self, *groups):
        self.groups, self.peak, self.ended = groups, [0] * len(groups), threading.Event()
        self.thread = threading.Thread(target=self.sample)

    def sample(self):
        while not self.ended.wait(0.25):
            self.peak = [max(p, rss_kib(g)) for p, g in zip(self.peak, self.groups)]

    def start(self):
        self.thread.start()

    def stop(self):
        self.ended.set()
        self.thread.join()


def main():
    parser = argparse.ArgumentParser(description="Measures the gateway and prints tables.")
    parser.add_argument("--build", default=os.environ.get("top_builddir", str(HERE.parents[1])),
                        help="where `make bench` built (default: the source tree)")
    parser.add_argument("--quick", action="store_true", help="one short round of everything")
    parser.add_argument("--only", default=",".join(PARTS), help="parts, of " + ", ".join(PARTS))
    options = parser.parse_args()
    options.only = options.only.split(",")
    if set(options.only) - set(PARTS):
        parser.error("--only takes " + ", ".join(PARTS))
    bench = Bench(options)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    start = time.monotonic()
    try:
        good = bench.run()
    except StackError as problem:
        sys.exit(f"bench: {problem}")
    except KeyboardInterrupt:
        sys.exit("bench: interrupted")
    finally:
        bench.stop()
    print(f"\nMeasured in {time.monotonic() - start:.0f} s.")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
