#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What `./autogen.sh run` and `stop` do once the programs are built: a stack under run/ that keeps its data."""

import argparse
import contextlib
import fcntl
import json
import os
import re
import signal
import subprocess
import sys
import time

from process import SRCDIR, Daemon, StackError, find_program, port_is_free, process_facts
from stack import Stack

RUN = SRCDIR / "run"
EMAIL = "demo@example.org"
CREDIT = "10"
KEY_VARIABLES = {"openai": "OPENAI_API_KEY", "anthropic": "ANTHROPIC_API_KEY", "google": "GEMINI_API_KEY",
                 "openrouter": "OPENROUTER_API_KEY", "kie": "KIE_API_KEY", "recraft": "RECRAFT_API_KEY",
                 "mureka": "MUREKA_API_KEY", "replicate": "REPLICATE_API_TOKEN"}
DAEMONS = ("server", "gateway", "upstream", "mariadb")
NAMES = {"server": "the web server", "gateway": "the gateway", "upstream": "the fake upstream", "mariadb": "MariaDB"}


def say(line="", end="\n"):
    try:
        print(line, end=end, flush=True)
    except BrokenPipeError:      # | head
        sys.stdout = open(os.devnull, "w", encoding="utf-8")


class DemoStack(Stack):
    """Passes the caller's whole environment on, so that every AIG_* setting and proxy reaches the gateway."""

    def gateway_environment(self):
        env = dict(os.environ, AIG_CONFIG=str(self.config_file), **self.env)
        if any(env.get(name) for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY")):
            for name in ("no_proxy", "NO_PROXY"):
                env[name] = ",".join(filter(None, [env.get(name), "127.0.0.1", "localhost"]))
        return env


def providers():
    """({setting: value}, {AIG_ variable: value}, lines for the user, providers that the fake upstream plays)"""
    config, env, lines, fake = {}, {}, [], set()
    for provider, variable in KEY_VARIABLES.items():
        upper = provider.upper()
        key = os.environ.get(variable, "")
        if key.startswith("sk-aig-"):
            key = ""             # our own key, from run/demo.env
        own_url = os.environ.get(f"AIG_{upper}_URL")
        if os.environ.get(f"AIG_{upper}_KEY"):
            config.update({f"{provider}_url": None, f"{provider}_key": None})
            text = f"key from AIG_{upper}_KEY"
        elif key:
            config.update({f"{provider}_url": None, f"{provider}_key": None})
            env[f"AIG_{upper}_KEY"] = key
            text = f"key from {variable}"
        elif own_url:
            text = "no key"
        else:
            fake.add(provider)
            text = f"no {variable} in the environment: the fake upstream answers"
        if own_url:
            text += f", at {own_url}"
        lines.append(f"  {provider:<11}{text}")
    return config, env, lines, fake


def demo_model(fake):
    """(provider, model): with a real key, if there is one that the demo can use."""
    return ("openrouter", "llama-3.3-70b") if "openai" in fake and "openrouter" not in fake else ("openai", "gpt-4o-mini")


def known_key(stack):
    """The key of run/demo.env if the gateway still takes it."""
    with contextlib.suppress(OSError):
        found = re.search(r"^export OPENAI_API_KEY=(\S+)$", (RUN / "demo.env").read_text(), re.M)
        if found and stack.call("GET", "/v1/me", key=found[1])[0] == 200:
            return found[1]
    return None


def demo_key(stack):
    key = known_key(stack)
    if key is None:
        if not stack.sql(f"SELECT id FROM account WHERE email = '{EMAIL}'"):
            say(f"opening a demo account with ${CREDIT}")
            stack.open_account(EMAIL, "Demo", CREDIT, "demo")
        key = stack.key(EMAIL, "demo")[0]
    path = RUN / "demo.env"
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    path.write_text(f"# Made by ./autogen.sh run; read it with: . run/demo.env\nexport OPENAI_BASE_URL={stack.base_url}\nexport OPENAI_API_KEY={key}\n")
    return key


def completion(stack, key, model):
    """One streamed chat completion with curl, printed as it comes; (problem or None, cost or None)."""
    body = {"model": model, "stream": True, "stream_options": {"include_usage": True},
            "messages": [{"role": "user", "content": "Say hello to whoever runs this demo, in one short sentence."}]}
    command = [find_program("curl"), "-sS", "-N", "--max-time", "120", "--noproxy", "*", f"{stack.base_url}/chat/completions", "-H",
               "Content-Type: application/json", "-H", "@-", "-d", json.dumps(body)]
    curl = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    curl.stdin.write(f"Authorization: Bearer {key}\n")
    curl.stdin.close()
    say(f"\n  you: {body['messages'][0]['content']}")
    say(f"  {model}: ", end="")
    done, cost, problem, other = False, None, None, ""
    for line in curl.stdout:
        if not line.startswith("data:"):
            other += line
            continue
        data = line[5:].strip()
        if data == "[DONE]":
            done = True
            continue
        with contextlib.suppress(ValueError):
            event = json.loads(data)
            problem = (event.get("error") or {}).get("message", problem)
            cost = (event.get("usage") or {}).get("cost", cost)
            for choice in event.get("choices") or []:
                say((choice.get("delta") or {}).get("content") or "", end="")
    say()
    error = curl.stderr.read()
    curl.wait()
    if problem is None and not done:
        with contextlib.suppress(ValueError, AttributeError):
            problem = json.loads(other)["error"]["message"]
        problem = problem or error.strip() or other.strip()[:200] or "the stream ended early"
    return problem, cost


def money(text):
    """$0.000012, without zeros at the end but with two decimals at least."""
    text = f"{float(text):.9f}" if "e" in str(text).lower() else str(text)
    whole, _, rest = text.partition(".")
    return f"${whole}.{rest.rstrip('0').ljust(2, '0')}"


def show_demo(stack, key, model, lines):
    say(f"\nAI Generate answers at {stack.base_url}")
    for line in lines:
        say(line)
    problem, cost = completion(stack, key, model)
    if problem:
        say(f"  the call failed: {problem}")
    me = stack.call("GET", "/v1/me", key=key)[2]
    balance = me.get("balance_usd", me.get("balance")) if isinstance(me, dict) else None
    if isinstance(balance, dict):
        balance = balance.get("usd") or balance.get("balance_usd")
    if cost is not None:
        say(f"  charged {money(cost)}" + (f", balance {money(balance)}" if balance is not None else ""))
    say(f"""
Try it with curl:
  curl -N {stack.base_url}/chat/completions \\
    -H 'Authorization: Bearer {key}' -H 'Content-Type: application/json' \\
    -d '{{"model": "{model}", "stream": true, "messages": [{{"role": "user", "content": "Hello!"}}]}}'

or with OpenAI's Python SDK (pip install openai):
  from openai import OpenAI
  client = OpenAI(base_url="{stack.base_url}", api_key="{key}")
  answer = client.chat.completions.create(model="{model}", messages=[{{"role": "user", "content": "Hello!"}}])
  print(answer.choices[0].message.content, answer.usage)

`. run/demo.env` sets OPENAI_BASE_URL and OPENAI_API_KEY, which the SDKs read. Logs are in run/log/.""")
    return problem


def running():
    """The daemons of run/ that live."""
    return [name for name in DAEMONS if Daemon(RUN / "pid" / f"{name}.pid").pid]


def interrupted(*_):
    raise KeyboardInterrupt


def watch(stack):
    """Until Ctrl-C, or until something ends by itself."""
    parts = {"server": stack.server, "gateway": stack.gateway, "mariadb": stack.database.daemon}
    if stack.upstream:
        parts["upstream"] = stack.upstream.daemon
    while True:
        for name, daemon in parts.items():
            if daemon.pid is None:
                raise StackError(f"{NAMES[name]} has ended by itself; see run/log/{name}.log")
        time.sleep(0.5)


def command_run(options):
    RUN.mkdir(exist_ok=True)
    lock = open(RUN / "lock", "w", encoding="utf-8")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        raise StackError("it is being started or runs already in another terminal; ./autogen.sh stop ends it") from None
    if running():
        raise StackError("it runs already (./autogen.sh stop ends it); the address is in run/demo.env")
    if not port_is_free(options.port):
        raise StackError(f"port {options.port} is taken by another program; choose another: PORT={options.port + 1} ./autogen.sh run")
    config, env, lines, fake = providers()
    config["public_url"] = f"http://127.0.0.1:{options.port}"
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupted)
    own = Daemon(RUN / "pid/demo.pid")
    stack = None
    try:
        stack = DemoStack(front={"lighttpd": "lighttpd", "apache": "apache-proxy"}[options.server], config=config, env=env, builddir=options.builddir,
                          directory=RUN, port=options.port, upstream=bool(fake), persistent=True, say=say)
        own.pid_file.write_text(f"{os.getpid()} {process_facts(os.getpid())[2]}\n")
        stack.start()
        key = demo_key(stack)
        provider, model = demo_model(fake)
        problem = show_demo(stack, key, model, lines)
        if problem and provider in fake:
            raise StackError(f"the demo's own completion failed: {problem}")
        if options.detach:
            say("\nIt goes on in the background; ./autogen.sh stop ends it.")
            stack = None
            return
        say("\nCtrl-C stops everything.")
        watch(stack)
    except KeyboardInterrupt:
        say("\nstopping")
    finally:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        if stack is not None:
            stack.stop()
        own.pid_file.unlink(missing_ok=True)


def command_stop(options):
    foreground = Daemon(RUN / "pid/demo.pid")
    had = bool(foreground.pid or running())
    if foreground.pid:
        os.kill(foreground.pid, signal.SIGTERM)
        end = time.monotonic() + 90
        while foreground.pid and time.monotonic() < end:
            time.sleep(0.1)
    for name in DAEMONS:
        Daemon(RUN / "pid" / f"{name}.pid").stop(60)
    Stack.remove_outer_run(RUN)
    say("stopped" if had else "nothing was running")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run")
    run.add_argument("--builddir", default=str(SRCDIR))
    run.add_argument("--port", type=int, default=8080)
    run.add_argument("--server", choices=("lighttpd", "apache"), default="lighttpd")
    run.add_argument("--detach", action="store_true")
    commands.add_parser("stop")
    options = parser.parse_args()
    try:
        (command_run if options.command == "run" else command_stop)(options)
    except StackError as problem:
        sys.exit(f"autogen.sh: {problem}")


if __name__ == "__main__":
    main()
