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
import fcntl
import grp
import hashlib
import http.client
import json
import os
import pathlib
import pwd
import re
import resource
import secrets
import shlex
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
import urllib.parse

SRCDIR = pathlib.Path(__file__).resolve().parents[2]
FRONTS = ("lighttpd", "lighttpd-spawn", "lighttpd-cgi", "apache-proxy", "apache-fcgid", "apache-cgi")
PROVIDERS = ("openai", "openrouter", "anthropic", "google", "kie")
WEB_USER = "www-data"            # what Debian's Apache runs as when root starts it
KEPT_ENVIRONMENT = ("PATH", "HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "TZ", "TMPDIR", "ASAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS",
                    "LSAN_OPTIONS", "LD_LIBRARY_PATH", "PYTHONPATH")
Account = collections.namedtuple("Account", "email id key key_id")


class StackError(Exception):
    """Something did not start; the message is one sentence for the user."""


# --- Small things -----------------------------------------------------------------------------------


def find_program(name):
    path = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin")
    if path is None:
        raise StackError(f"{name} is not installed")
    return path


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def port_is_free(port):
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def wait_for_port(port, seconds, alive=lambda: True):
    end = time.monotonic() + seconds
    while time.monotonic() < end and alive():
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", port), 1).close()
            return True
        time.sleep(0.02)
    return False


def tail(path, lines=5):
    try:
        text = pathlib.Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    return "\n".join(text.splitlines()[-lines:])


def others_can_reach(path):
    """Whether every directory above `path` lets other users through."""
    return all(parent.stat().st_mode & stat.S_IXOTH for parent in pathlib.Path(path).resolve().parents)


def process_facts(pid):
    """(parent, session, start time) of a process, or None."""
    try:
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except (OSError, IndexError):
        return None
    return None if fields[0] == "Z" else (int(fields[1]), int(fields[3]), fields[19])


def session_members(session):
    """The processes of a session, its leader left out."""
    pids = [int(name) for name in os.listdir("/proc") if name.isdigit()]
    return sorted(pid for pid in pids if pid != session and (process_facts(pid) or (0, 0))[1] == session)


def python_with_aiohttp():
    for candidate in (os.environ.get("AIG_UPSTREAM_PYTHON"), sys.executable, "/usr/bin/python3", shutil.which("python3")):
        if candidate and subprocess.run([candidate, "-c", "import aiohttp"], capture_output=True, check=False).returncode == 0:
            return candidate
    raise StackError("no Python with aiohttp was found (Debian: apt-get install python3-aiohttp)")


# --- Daemons ----------------------------------------------------------------------------------------


class Daemon:
    """A program in a session of its own. Its pid file also has the start time, so that a reused pid is not taken for ours."""

    def __init__(self, pid_file):
        self.pid_file = pathlib.Path(pid_file)
        self.process = None

    def start(self, command, log, env, group=None, cwd=None):
        self.log = pathlib.Path(log)
        more = {"group": group, "extra_groups": []} if group else {}
        with open(log, "ab") as out:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=env, cwd=cwd,
                                            start_new_session=True, **more)
        facts = process_facts(self.process.pid)
        self.pid_file.write_text(f"{self.process.pid} {facts[2] if facts else 0}\n")
        return self

    @property
    def pid(self):
        """The pid if the process lives and is the one that was started."""
        if self.process is not None:
            return self.process.pid if self.process.poll() is None else None
        try:
            pid, started = self.pid_file.read_text().split()
        except (OSError, ValueError):
            return None
        facts = process_facts(int(pid))
        return int(pid) if facts and facts[2] == started else None

    def stop(self, seconds=10):
        """SIGTERM, then SIGKILL for the whole session."""
        pid = self.pid
        if pid is None:
            self.pid_file.unlink(missing_ok=True)
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
        end = time.monotonic() + seconds
        while self.pid is not None and time.monotonic() < end:
            time.sleep(0.01)
        for left in session_members(pid) + ([pid] if self.pid else []):
            with contextlib.suppress(ProcessLookupError):
                os.kill(left, signal.SIGKILL)
        if self.process is not None:
            self.process.wait()
        self.pid_file.unlink(missing_ok=True)

    def kill(self):
        """SIGKILL, as a crash."""
        pid = self.pid
        if pid is not None:
            os.kill(pid, signal.SIGKILL)
            if self.process is not None:
                self.process.wait()


# --- MariaDB ----------------------------------------------------------------------------------------


class Database:
    """A private MariaDB server that only listens on a socket; root is whoever runs this."""

    def __init__(self, data, run, log, pid_file, srcdir=SRCDIR):
        self.data, self.socket, self.log, self.srcdir = pathlib.Path(data), pathlib.Path(run) / "mariadb.sock", pathlib.Path(log), srcdir
        self.pid_file = pid_file
        self.name = "aigenerate"
        self.daemon = Daemon(pid_file)

    def install(self):
        """System tables into an empty data directory."""
        self.data.mkdir(parents=True, mode=0o700, exist_ok=True)
        user = pwd.getpwuid(os.getuid()).pw_name
        command = [find_program("mariadb-install-db"), "--no-defaults", f"--datadir={self.data}", "--skip-test-db",
                   "--auth-root-authentication-method=socket", f"--auth-root-socket-user={user}", "--innodb-log-file-size=32M"]
        if os.getuid() == 0:
            command.append("--user=root")
        with open(self.log, "ab") as out:
            if subprocess.run(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, check=False).returncode:
                raise StackError(f"mariadb-install-db failed; see {self.log}")

    def start(self, options=(), seconds=60):
        command = [find_program("mariadbd"), "--no-defaults", f"--datadir={self.data}", f"--socket={self.socket}", "--skip-networking",
                   f"--pid-file={self.data}/mariadbd.pid", "--innodb-flush-log-at-trx-commit=1", "--innodb-log-file-size=32M",
                   "--innodb-buffer-pool-size=128M", "--character-set-server=utf8mb4", "--max-connections=600",
                   "--performance-schema=OFF", "--skip-name-resolve", *options]
        if os.getuid() == 0:
            command.append("--user=root")
        self.daemon = Daemon(self.pid_file).start(command, self.log, clean_environment())
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if self.daemon.pid is None:
                raise StackError(f"MariaDB ended at once; see {self.log}")
            if self.socket.exists() and self.client("SELECT 1", database="").returncode == 0:
                return self
            time.sleep(0.05)
        self.daemon.stop()
        raise StackError(f"MariaDB did not answer within {seconds} s; see {self.log}")

    def stop(self):
        self.daemon.stop(60)

    def kill(self):
        self.daemon.kill()

    def client_options(self, database=None):
        user = "root"
        return ["--no-defaults", f"--socket={self.socket}", f"--user={user}"] + ([database] if database else [])

    def client(self, sql, database=None):
        database = self.name if database is None else database
        command = [find_program("mariadb"), *self.client_options(database), "--batch", "--default-character-set=utf8mb4"]
        return subprocess.run(command, input=sql, capture_output=True, text=True, check=False)

    def sql(self, sql, database=None):
        """Runs SQL; the rows of the (last) result as dicts of strings, NULL as None."""
        done = self.client(sql, database)
        if done.returncode:
            raise StackError(f"SQL failed: {done.stderr.strip()}")
        rows, names = [], None
        for line in done.stdout.splitlines():
            values = [None if v == "NULL" else re.sub(r"\\(.)", lambda m: {"n": "\n", "t": "\t", "0": "\0"}.get(m[1], m[1]), v)
                      for v in line.split("\t")]
            if names is None:
                names = values
            else:
                rows.append(dict(zip(names, values)))
        return rows

    def migrate(self):
        """The schema of this tree, and the users of the programs."""
        self.sql(f"CREATE DATABASE IF NOT EXISTS {self.name} CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci", "")
        with open(self.log, "ab") as out:
            done = subprocess.run(["sh", str(self.srcdir / "sql/migrate.sh"), *self.client_options(self.name)], stdin=subprocess.DEVNULL,
                                  stdout=out, stderr=out, check=False)
        if done.returncode:
            raise StackError(f"sql/migrate.sh failed; see {self.log}")
        grants = self.srcdir / "sql/grants.sql"
        if grants.exists():
            done = self.client(grants.read_text(encoding="utf-8"))
            if done.returncode:
                raise StackError(f"sql/grants.sql failed: {done.stderr.strip()}")

    def set_passwords(self, passwords):
        """Users of the programs with their role: {user: (role, password)}."""
        lines = []
        for user, (role, password) in passwords.items():
            lines += [f"CREATE USER IF NOT EXISTS '{user}'@'localhost'", f"ALTER USER '{user}'@'localhost' IDENTIFIED BY '{password}'",
                      f"GRANT {role} TO '{user}'@'localhost'", f"SET DEFAULT ROLE {role} FOR '{user}'@'localhost'"]
        self.sql(";\n".join(lines))

    def copy_template(self):
        """Data with the schema of this tree, made once for each state of sql/ and then copied."""
        template = make_template(self.srcdir)
        shutil.copytree(template, self.data)
        self.data.chmod(0o700)


def template_key(srcdir):
    digest = hashlib.sha256()
    version = subprocess.run([find_program("mariadbd"), "--version"], capture_output=True, check=False).stdout
    digest.update(version + str(os.getuid()).encode())
    for path in sorted(pathlib.Path(srcdir, "sql").rglob("*")):
        if path.is_file():
            digest.update(str(path.relative_to(srcdir)).encode() + b"\0" + path.read_bytes() + b"\0")
    digest.update(pathlib.Path(__file__).read_bytes())
    return digest.hexdigest()[:16]


def make_template(srcdir):
    """Path of a data directory to copy from. Kept in the temporary directory, one for each state of sql/."""
    cache = pathlib.Path(tempfile.gettempdir(), f"ai-generate-cache-{os.getuid()}")
    cache.mkdir(mode=0o700, exist_ok=True)
    facts = cache.lstat()
    if not stat.S_ISDIR(facts.st_mode) or facts.st_uid != os.getuid():
        raise StackError(f"{cache} is not ours; remove it or set TMPDIR")
    ready = cache / f"mariadb-{template_key(srcdir)}"
    with open(cache / "lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if ready.is_dir():
            os.utime(ready)
            return ready
        for old in sorted(cache.glob("mariadb-*"), key=lambda p: p.stat().st_mtime)[:-3]:
            if time.time() - old.stat().st_mtime > 3600:
                shutil.rmtree(old, ignore_errors=True)
        with tempfile.TemporaryDirectory(prefix="new-", dir=cache) as work:
            database = Database(pathlib.Path(work, "data"), work, pathlib.Path(cache, "template.log"), pathlib.Path(work, "pid"), srcdir)
            database.install()
            database.start()
            try:
                database.migrate()
            finally:
                database.stop()
            os.rename(database.data, ready)
    return ready


def clean_environment(**more):
    """Nothing of the caller's keys, proxies and AIG_* settings."""
    env = {k: v for k, v in os.environ.items() if k in KEPT_ENVIRONMENT}
    env.update(more)
    return env


# --- The fake upstream ------------------------------------------------------------------------------


class Upstream:
    """The fake upstream (tests/upstream/README.md) and its controls."""

    def __init__(self, log, pid_file, srcdir=SRCDIR):
        self.log, self.pid_file, self.srcdir = pathlib.Path(log), pid_file, srcdir
        self.daemon = Daemon(pid_file)
        self.port = None

    def start(self, port=0):
        self.port = port or free_port()
        script = self.srcdir / "tests/upstream/fake.py"
        self.daemon = Daemon(self.pid_file).start([python_with_aiohttp(), "-B", str(script), f"--port={self.port}"], self.log, clean_environment())
        if not wait_for_port(self.port, 20, lambda: self.daemon.pid is not None):
            self.daemon.stop()
            raise StackError(f"the fake upstream did not start; see {self.log}")
        return self

    def stop(self):
        self.daemon.stop(3)

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def provider_url(self, provider):
        return f"{self.url}/{provider}"

    def control(self, method, path, value=None, timeout=70):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            connection.request(method, path, None if value is None else json.dumps(value), {"Content-Type": "application/json"})
            answer = connection.getresponse()
            body = json.loads(answer.read())
        finally:
            connection.close()
        if answer.status != 200:
            raise StackError(f"fake upstream: {body}")
        return body

    def script(self, script, times=0, **match):
        """Lays a script down for requests that match (provider, api, model, stream, contains); its number."""
        return self.control("POST", "/_fake/script", {"match": match, "times": times, "script": script})["id"]

    def unscript(self, number=None):
        self.control("DELETE", "/_fake/script" + (f"/{number}" if number else ""))

    def requests(self, **filters):
        """What was received: contains, provider, api, after; wait=SECONDS, until="start", count."""
        return self.control("GET", "/_fake/requests?" + urllib.parse.urlencode(filters))["requests"]

    def forget(self):
        self.control("DELETE", "/_fake/requests")


# --- Everything together ----------------------------------------------------------------------------


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
        values.update(self.overrides)
        return {k: v for k, v in values.items() if v is not None}

    def write_config(self):
        lines = [f"{key} = {value}\n" for key, value in self.settings().items()]
        self.config_file.unlink(missing_ok=True)
        self.config_file.touch(mode=0o640)
        self.config_file.write_text("".join(lines))
        if self.as_root:
            web = grp.getgrnam(WEB_USER).gr_gid if self.has_web_user() else -1
            os.chown(self.config_file, -1, web)
            for place in (self.dir / "spool", self.run / "ai-generate"):
                os.chown(place, -1, web)
            (self.dir / "spool").chmod(0o770)

    @staticmethod
    def has_web_user():
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(WEB_USER) is not None
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
        group = WEB_USER if self.as_root and self.has_web_user() else None
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
            command, env = self.lighttpd() if self.front.startswith("lighttpd") else self.apache()
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

    # The web servers

    def operator_config(self, name):
        """apache-conf/NAME.in with the places of this stack, as `make install` writes it with those of the system."""
        text = (SRCDIR / "apache-conf" / f"{name}.in").read_text(encoding="utf-8")
        places = {"pkglibexecdir": self.libexec, "pkgdatadir": self.share, "sysconfdir": self.config_file.parent, "runstatedir": self.run,
                  "localstatedir": self.dir, "VERSION": "test"}
        for key, value in places.items():
            text = text.replace(f"@{key}@", str(value))
        return text

    def lighttpd(self):
        text = self.operator_config("lighttpd.conf")
        variant = {"lighttpd": "A", "lighttpd-spawn": "B", "lighttpd-cgi": "C"}[self.front]
        if variant != "A":
            # what its first lines tell the operator to do
            text = text.replace('server.modules += ("mod_fastcgi")\n', "", 1)
            text = re.sub(r'^    fastcgi\.server = .*?^    \)\)\)\n', "", text, count=1, flags=re.S | re.M)
            text = re.sub(rf"^#{variant} ", "", text, flags=re.M)
            if variant == "C":
                pairs = "".join(f', "{k}" => "{v}"' for k, v in self.env.items())
                text = text.replace('ai-generate.conf")\n', f'ai-generate.conf"{pairs})\n')
        fds = min(19900, resource.getrlimit(resource.RLIMIT_NOFILE)[1])
        uploads = self.dir / "uploads"
        uploads.mkdir(exist_ok=True)
        docroot = self.share / "apache-conf/htdocs"
        head = f'''server.bind = "127.0.0.1"
server.port = {self.port}
server.document-root = "{docroot}"
server.errorlog = "{self.log('server')}"
server.breakagelog = "{self.log('gateway')}"
server.upload-dirs = ("{uploads}")
server.max-fds = {fds}
server.max-connections = {fds // 2}
server.errorfile-prefix = "{docroot}/errors/"
mimetype.assign = (".html" => "text/html", ".js" => "text/javascript", ".css" => "text/css")
index-file.names = ("index.html")
'''
        config = self.dir / "etc/lighttpd.conf"
        config.write_text(head + text)
        return [find_program("lighttpd"), "-D", "-f", str(config)], self.gateway_environment()

    def apache(self):
        modules = pathlib.Path(os.environ.get("APACHE_MODULES", "/usr/lib/apache2/modules"))
        name = self.front
        wanted = ["mpm_event", "authz_core", "alias", "env", "setenvif", "mime", "dir", "reqtimeout", "rewrite"]
        wanted += {"apache-proxy": ["proxy", "proxy_fcgi"], "apache-fcgid": ["fcgid"], "apache-cgi": ["cgid"]}[name]
        missing = [m for m in wanted if not (modules / f"mod_{m}.so").exists()]
        if missing:
            raise StackError(f"Apache's mod_{missing[0]} is not installed" +
                             (" (Debian: apt-get install libapache2-mod-fcgid)" if missing[0] == "fcgid" else ""))
        lines = [f"LoadModule {m}_module {modules}/mod_{m}.so" for m in wanted]
        lines += [f"ServerRoot {self.dir}", f"PidFile {self.dir}/pid/apache.pid", f"DefaultRuntimeDir {self.run}", f"Mutex file:{self.run} default",
                  f"Listen 127.0.0.1:{self.port}", "ServerName localhost", f"ErrorLog {self.log('server')}", "LogLevel warn",
                  "TypesConfig /etc/mime.types", "ListenBacklog 4096", "ThreadStackSize 262144", "ServerLimit 32", "ThreadLimit 256",
                  "StartServers 2", "ThreadsPerChild 64", "MaxRequestWorkers 2048", "MinSpareThreads 64", "MaxSpareThreads 512",
                  f"DocumentRoot {self.share}/apache-conf/htdocs", "<Directory />", "Require all denied", "</Directory>",
                  f"<Directory {self.share}/apache-conf/htdocs>", "Require all granted", "</Directory>"]
        if name == "apache-fcgid":
            lines += [f"FcgidIPCDir {self.run}/fcgid", f"FcgidProcessTableFile {self.run}/fcgid_shm"]
            lines += [f"FcgidInitialEnv {k} {shlex.quote(str(v))}" for k, v in self.env.items()]
        if name == "apache-cgi":
            lines += [f"ScriptSock {self.run}/cgisock"]
            lines += [f"SetEnv {k} {shlex.quote(str(v))}" for k, v in self.env.items()]
        if self.as_root:
            if not self.has_web_user():
                raise StackError(f"Apache needs the user {WEB_USER} when root starts it")
            lines += [f"User {WEB_USER}", f"Group {WEB_USER}"]
        text = self.operator_config(f"{name}.conf").replace("<VirtualHost *:80>", f"<VirtualHost 127.0.0.1:{self.port}>")
        config = self.dir / "etc/apache.conf"
        config.write_text("\n".join(lines) + "\n" + text)
        return [find_program("apache2"), "-f", str(config), "-DFOREGROUND"], clean_environment()

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
            facts.update(AIG_BASE_URL=stack.base_url, AIG_PORT=stack.port, AIG_CONFIG=stack.config_file)
        elif only == "database":
            stack.start_database()
        else:
            stack.upstream.start()
    except BaseException:
        stack.stop(keep=True)
        raise
    if stack.database:
        facts.update(AIG_TEST_DB_SOCKET=stack.database.socket, AIG_TEST_DB_NAME=stack.database.name,
                     AIG_TEST_DB_USER="aigenerate", AIG_TEST_DB_PASSWORD=stack.secrets["db_password"],
                     AIG_TEST_CRON_USER="aigenerate_cron", AIG_TEST_CRON_PASSWORD=stack.secrets["cron_password"])
    if stack.upstream:
        facts.update(AIG_TEST_UPSTREAM=stack.upstream.url)
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
