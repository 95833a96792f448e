#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A whole private installation: MariaDB, the fake upstream, the gateway and a web server in front of it.

Used by `autogen.sh run` (through demo.py) and by the tests. Everything lies in one directory and listens on free ports of
127.0.0.1, so several stacks can run at once. Standard library only.

    with Stack(front="apache-proxy", config={"threads": 8}) as stack:
        account = stack.account(credit="10")
        status, headers, body = stack.call("GET", "/v1/me", key=account.key)

README.md beside this file has the rest, and the command line.
"""

import argparse
import collections
import contextlib
import grp
import http.client
import json
import os
import pathlib
import pwd
import secrets
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import webserver
from database import Database
from process import (SRCDIR, Daemon, StackError, clean_environment, free_port, others_can_reach, port_is_free, session_members, tail,
                     wait_for_port)
from upstream import Upstream

FRONTS = ("lighttpd", "lighttpd-spawn", "lighttpd-cgi", "apache-proxy", "apache-fcgid", "apache-cgi")
PROVIDERS = ("openai", "openrouter", "anthropic", "google", "kie", "recraft", "mureka", "replicate")
Account = collections.namedtuple("Account", "email id key key_id")


class Stack:
    """One installation. All arguments are optional:

    front      one of FRONTS (default lighttpd: the gateway by itself, lighttpd in front)
    config     settings of the gateway (keys of ai-generate.conf); None leaves one out
    env        environment of the gateway beside the configuration file
    builddir   where gateway.fcgi was built (default: $top_builddir, else the source tree)
    directory  where everything goes (default: a new one, removed by stop())
    port       of the web server (default: a free one)
    upstream   True: start a fake upstream; an Upstream: share that one; False: none
    database   True: a new database; a Database: share that one; False: none
    mariadb    more options of mariadbd
    persistent keep data between runs: no template, migrations at each start
    healthy    wait until /v1/health answers 200
    say        called with a line for each step
    """

    def __init__(self, front="lighttpd", config=None, env=None, builddir=None, directory=None, port=None, upstream=True, database=True,
                 mariadb=(), persistent=False, healthy=True, say=None):
        if front not in FRONTS:
            raise StackError(f"no such front: {front} (there are {', '.join(FRONTS)})")
        self.front, self.env, self.want_healthy = front, dict(env or {}), healthy
        self.overrides, self.wish_port, self.port = dict(config or {}), port, port
        self.builddir = pathlib.Path(builddir or os.environ.get("top_builddir") or SRCDIR).resolve()
        self.temporary = directory is None
        self.persistent, self.mariadb_options = persistent, list(mariadb)
        self.say = say or (lambda line: None)
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="aig-") if self.temporary else directory).resolve()
        self.as_root = os.getuid() == 0
        self.prepare_directories()
        self.own_database, self.own_upstream = database is True, upstream is True
        self.database = Database(self.dir / "db", self.run, self.log("mariadb"), self.pid_file("mariadb")) if database is True else database or None
        self.upstream = Upstream(self.log("upstream"), self.pid_file("upstream")) if upstream is True else upstream or None
        self.gateway, self.server = Daemon(self.pid_file("gateway")), Daemon(self.pid_file("server"))
        self.prepared = False

    # Places

    def prepare_directories(self):
        self.dir.mkdir(mode=0o711, parents=True, exist_ok=True)
        for name, mode in (("log", 0o755), ("pid", 0o755), ("spool", 0o770), ("etc", 0o711)):
            (self.dir / name).mkdir(mode=mode, exist_ok=True)
        if self.temporary:
            self.dir.chmod(0o711)
        self.run = self.dir / "run"
        # a socket's path has at most 107 characters, and Apache's processes must reach it
        fits = len(str(self.run)) < 70 and (not self.as_root or others_can_reach(self.run))
        if not fits and not (self.run.is_symlink() and self.run.exists()):
            self.run.unlink(missing_ok=True)
            self.run.symlink_to(tempfile.mkdtemp(prefix="aig-run-", dir="/tmp"))
        self.run = self.run.resolve()
        self.run.mkdir(exist_ok=True)
        self.run.chmod(0o711)
        (self.run / "ai-generate").mkdir(exist_ok=True)
        (self.run / "ai-generate").chmod(0o711)

    def log(self, name):
        return self.dir / "log" / f"{name}.log"

    def pid_file(self, name):
        return self.dir / "pid" / f"{name}.pid"

    @property
    def config_file(self):
        return self.dir / "etc/ai-generate.conf"

    @property
    def gateway_socket(self):
        return self.run / "ai-generate/gateway.sock"

    @property
    def gateway_program(self):
        return self.libexec / "gateway.fcgi"

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    @property
    def base_url(self):
        """What an SDK takes as base_url."""
        return f"{self.url}/api/v1"

    # Start and stop

    def __enter__(self):
        return self.start()

    def __exit__(self, *exc):
        self.stop()

    def start(self):
        try:
            self.prepare()
            self.start_gateway()
            self.start_server()
        except BaseException:
            self.stop(keep=True)
            raise
        return self

    def prepare(self):
        """Everything but the gateway and the web server."""
        self.prepare_programs()
        if self.own_database:
            self.say("starting MariaDB")
            self.start_database()
        if self.own_upstream:
            self.say("starting the fake upstream")
            self.upstream.start()
        self.prepared = True

    def prepare_programs(self):
        self.libexec, self.share = self.builddir, SRCDIR
        program = self.builddir / "gateway.fcgi"
        if not program.exists():
            raise StackError(f"{program} is missing: it was not built")
        if self.as_root and not others_can_reach(program):
            # Apache's processes are not root
            self.libexec = self.dir / "libexec"
            self.libexec.mkdir(exist_ok=True)
            shutil.copy2(program, self.libexec / "gateway.fcgi")
        if self.as_root and not others_can_reach(SRCDIR / "apache-conf"):
            self.share = self.dir / "share"
            shutil.copytree(SRCDIR / "apache-conf/htdocs", self.share / "apache-conf/htdocs", dirs_exist_ok=True)

    def start_database(self):
        if self.persistent:
            fresh = not (self.database.data / "mysql").is_dir()
            if fresh:
                shutil.rmtree(self.database.data, ignore_errors=True)
                self.database.install()
            self.database.start(self.mariadb_options)
            self.database.migrate()
        else:
            self.database.copy_template()
            self.database.start(self.mariadb_options)
        secrets_file = self.dir / "etc/secrets.json"
        if secrets_file.exists():
            self.secrets = json.loads(secrets_file.read_text())
        else:
            self.secrets = {"secret_key": secrets.token_hex(32), "db_password": secrets.token_hex(16), "cron_password": secrets.token_hex(16)}
            secrets_file.touch(mode=0o600)
            secrets_file.write_text(json.dumps(self.secrets))
        self.database.set_passwords({"aigenerate": ("aig_app", self.secrets["db_password"]),
                                     "aigenerate_cron": ("aig_cron", self.secrets["cron_password"])})

    def settings(self):
        """The configuration: defaults for a private installation, then what was asked for."""
        values = {"threads": 64, "threads_reserved": 4, "spool_dir": self.dir / "spool"}
        if self.database:
            values.update(db_socket=self.database.socket, db_user="aigenerate", db_name=self.database.name, **{
                k: v for k, v in self.secrets.items() if k in ("secret_key", "db_password")})
        if self.upstream:
            for provider in PROVIDERS:
                values[f"{provider}_url"] = self.upstream.provider_url(provider)
                values[f"{provider}_key"] = f"fake-{provider}-key"
            values["kie_webhook_key"] = "fake-kie-webhook-key"
        values.update(self.overrides)
        return {k: v for k, v in values.items() if v is not None}

    def write_config(self):
        lines = [f"{key} = {value}\n" for key, value in self.settings().items()]
        self.config_file.unlink(missing_ok=True)
        self.config_file.touch(mode=0o640)
        self.config_file.write_text("".join(lines))
        if self.as_root:
            web = grp.getgrnam(webserver.WEB_USER).gr_gid if self.has_web_user() else -1
            os.chown(self.config_file, -1, web)
            for place in (self.dir / "spool", self.run / "ai-generate"):
                os.chown(place, -1, web)
            (self.dir / "spool").chmod(0o770)

    @staticmethod
    def has_web_user():
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(webserver.WEB_USER) is not None
        return False

    def gateway_environment(self):
        return clean_environment(AIG_CONFIG=str(self.config_file), **self.env)

    @property
    def runs_by_itself(self):
        return self.front in ("lighttpd", "apache-proxy")

    def start_gateway(self):
        self.write_config()
        if not self.runs_by_itself:
            return
        self.say("starting the gateway")
        group = webserver.WEB_USER if self.as_root and self.has_web_user() else None
        self.gateway_socket.unlink(missing_ok=True)
        self.gateway = Daemon(self.pid_file("gateway")).start(
            [str(self.gateway_program), f"--listen={self.gateway_socket}"], self.log("gateway"), self.gateway_environment(), group)
        end = time.monotonic() + 30
        while time.monotonic() < end:
            if self.gateway.pid is None:
                raise StackError(f"the gateway ended at once: {tail(self.log('gateway'), 1) or 'no message'}")
            if self.gateway_socket.exists():
                return
            time.sleep(0.01)
        raise StackError(f"the gateway does not open its socket; see {self.log('gateway')}")

    def start_server(self):
        self.say(f"starting {self.front.split('-')[0]}")
        for attempt in range(5):
            self.port = self.wish_port or free_port()
            if not port_is_free(self.port):
                raise StackError(f"port {self.port} is taken")
            configure = webserver.lighttpd if self.front.startswith("lighttpd") else webserver.apache
            command, env = configure(self)
            self.server = Daemon(self.pid_file("server")).start(command, self.log("server"), env)
            if wait_for_port(self.port, 20, lambda: self.server.pid is not None):
                break
            self.server.stop()
            if self.wish_port or attempt == 4:
                raise StackError(f"{self.front.split('-')[0]} did not start: {tail(self.log('server'), 1)}")
        if self.want_healthy:
            self.wait_healthy()

    def wait_healthy(self, seconds=30):
        end, status, body = time.monotonic() + seconds, None, None
        while time.monotonic() < end:
            with contextlib.suppress(OSError, http.client.HTTPException):
                status, _, body = self.call("GET", "/v1/health", timeout=10)
                if status == 200:
                    return
            if self.runs_by_itself and self.gateway.pid is None:
                break
            time.sleep(0.05)
        raise StackError(f"the gateway is not healthy (/v1/health: {status} {body}); see {self.log('gateway')}")

    def stop(self, keep=False):
        """Stops what was started here; a temporary directory is removed unless `keep`."""
        self.server.stop()
        self.gateway.stop()
        if self.own_upstream:
            self.upstream.stop()
        if self.own_database:
            self.database.stop()
        if self.temporary and not keep:
            self.remove_outer_run(self.dir)
            shutil.rmtree(self.dir, ignore_errors=True)
        elif not self.temporary:
            self.remove_outer_run(self.dir)

    @staticmethod
    def remove_outer_run(directory):
        """The directory for sockets, where it had to lie elsewhere."""
        link = pathlib.Path(directory, "run")
        if link.is_symlink():
            shutil.rmtree(link.resolve(), ignore_errors=True)
            link.unlink()

    def restart_gateway(self, **config):
        """With other settings, web server included (it starts the program in some fronts)."""
        self.overrides.update(config)
        self.server.stop()
        self.gateway.stop()
        self.wish_port = self.port
        self.start_gateway()
        self.start_server()

    def gateway_pids(self):
        """The processes that serve requests (without the parent that only keeps the socket)."""
        leader = self.gateway.pid if self.runs_by_itself else self.server.pid
        found = []
        for pid in session_members(leader) if leader else []:
            with contextlib.suppress(OSError):
                if os.readlink(f"/proc/{pid}/exe").startswith(str(self.gateway_program.resolve())):
                    found.append(pid)
        return found

    def kill_gateway(self, number=signal.SIGKILL):
        """A signal for all processes that serve; returns them."""
        pids = self.gateway_pids()
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
        return pids

    # For tests

    def call(self, method, path, body=None, key=None, headers=None, timeout=60):
        """One request below /api: (status, headers with names in lower case, body: JSON value if it is one, else bytes)."""
        send = dict(headers or {})
        if key:
            send["Authorization"] = f"Bearer {key}"
        if body is not None and not isinstance(body, (bytes, str)):
            body = json.dumps(body)
            send.setdefault("Content-Type", "application/json")
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            connection.request(method, "/api" + path, body, send)
            answer = connection.getresponse()
            data = answer.read()
        finally:
            connection.close()
        with contextlib.suppress(ValueError):
            data = json.loads(data)
        return answer.status, {k.lower(): v for k, v in answer.getheaders()}, data

    def sql(self, text):
        return self.database.sql(text)

    def account(self, credit="10", email=None, name="Test"):
        """A new account with credit and one key."""
        email = email or f"{secrets.token_hex(6)}@example.org"
        number = self.open_account(email, name, credit, "test")
        key = self.key(email)
        return Account(email, number, key[0], key[1])

    def open_account(self, email, name, credit, note):
        """An account without a key; its number."""
        number = self.sql(f"CALL create_account('{email}', '{name}')")[-1]["account_id"]
        if credit is not None:
            self.sql(f"CALL grant_credit('{email}', {credit}, '{note}')")
        return int(number)

    def key(self, email, name="test"):
        """Another key for an account: (key, its number)."""
        row = self.sql(f"CALL create_key('{email}', '{name}')")[-1]
        return row["api_key"], int(row["key_id"])

    def cron(self, name, *arguments, timeout=60):
        """Runs one of the cron programs once, as the cron user of the database."""
        env = clean_environment(AIG_CONFIG=str(self.config_file), AIG_DB_USER="aigenerate_cron", AIG_DB_PASSWORD=self.secrets["cron_password"])
        return subprocess.run([str(self.builddir / name), "--once", *arguments], capture_output=True, text=True, env=env, timeout=timeout, check=False)


# --- Command line -----------------------------------------------------------------------------------


def command_up(options):
    config = dict(pair.split("=", 1) for pair in options.set)
    only = options.only
    stack = Stack(front=options.front, config=config, builddir=options.builddir, directory=options.dir, port=options.port,
                  database=only != "upstream", upstream=only != "database")
    facts = {}
    try:
        if only is None:
            stack.start()
            facts.update(STACK_BASE_URL=stack.base_url, STACK_PORT=stack.port, STACK_CONFIG=stack.config_file)
        elif only == "database":
            stack.start_database()
        else:
            stack.upstream.start()
    except BaseException:
        stack.stop(keep=True)
        raise
    if stack.database:
        facts.update(STACK_DB_SOCKET=stack.database.socket, STACK_DB_NAME=stack.database.name,
                     STACK_DB_USER="aigenerate", STACK_DB_PASSWORD=stack.secrets["db_password"],
                     STACK_CRON_USER="aigenerate_cron", STACK_CRON_PASSWORD=stack.secrets["cron_password"])
    if stack.upstream:
        facts.update(STACK_UPSTREAM=stack.upstream.url)
    for key, value in facts.items():
        print(f"export {key}={shlex.quote(str(value))}")


def command_down(options):
    directory = pathlib.Path(options.dir)
    for name in ("server", "gateway", "upstream", "mariadb"):
        Daemon(directory / "pid" / f"{name}.pid").stop(60)
    Stack.remove_outer_run(directory)


def main():
    parser = argparse.ArgumentParser(description="Starts and stops a private installation for tests.")
    commands = parser.add_subparsers(dest="command", required=True)
    up = commands.add_parser("up", help="start, print `export` lines for the shell, leave it running")
    up.add_argument("--dir", required=True, help="a new or empty directory")
    up.add_argument("--front", default="lighttpd", choices=FRONTS)
    up.add_argument("--only", choices=("database", "upstream"))
    up.add_argument("--builddir")
    up.add_argument("--port", type=int)
    up.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="a setting of the gateway")
    down = commands.add_parser("down", help="stop what `up` started")
    down.add_argument("--dir", required=True)
    options = parser.parse_args()
    try:
        (command_up if options.command == "up" else command_down)(options)
    except StackError as problem:
        sys.exit(f"stack.py: {problem}")


if __name__ == "__main__":
    main()
