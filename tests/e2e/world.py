# SPDX-License-Identifier: Apache-2.0
"""What the tests stand on: one database and one fake upstream for all of them, gateways behind any web server, accounts.

tests/env/stack.py starts the programs.
"""

import contextlib
import hashlib
import os
import pathlib
import re
import secrets
import sys
import threading
import time
from decimal import Decimal

import pymysql
import pymysql.cursors
from client import GUARD_S, Api
from fake import Fake
from money import exact

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "env"))
import stack as env  # noqa: E402

ALL_FRONTS = env.FRONTS
# One process serves many requests.
PERSISTENT_FRONTS = ("lighttpd", "lighttpd-spawn", "apache-proxy", "apache-fcgid")
SANITIZER = re.compile(r"==\d+==ERROR|AddressSanitizer|LeakSanitizer|ThreadSanitizer|runtime error:|Assertion .* failed|stack smashing"
                       r"|buffer overflow detected|double free|malloc\(\): ")
NOT_A_REPORT = re.compile(r"ASan runtime does not come first")


def builddir():
    """AIG_E2E_GATEWAY names another build's gateway.fcgi (one with sanitizers); its cron programs lie beside it."""
    other = os.environ.get("AIG_E2E_GATEWAY")
    if other:
        return pathlib.Path(other).resolve().parent
    return pathlib.Path(os.environ.get("top_builddir") or HERE.parents[1]).resolve()


def wait_until(check, what, seconds=GUARD_S):
    """Polls until `check` answers something true; that."""
    end = time.monotonic() + seconds
    while True:
        found = check()
        if found:
            return found
        assert time.monotonic() < end, f"waited in vain: {what}"
        time.sleep(0.02)


class Db:
    """The database as its administrator sees it. Amounts are Decimal. Each thread has a connection of its own."""

    def __init__(self, database):
        self.database, self.local = database, threading.local()

    def cursor(self):
        if getattr(self.local, "connection", None) is None:
            self.local.connection = pymysql.connect(unix_socket=str(self.database.socket), user="root", database=self.database.name,
                                                    autocommit=True, charset="utf8mb4", init_command="SET time_zone='+00:00'",
                                                    cursorclass=pymysql.cursors.DictCursor)
        return self.local.connection.cursor()

    def rows(self, sql, *values):
        with self.cursor() as cursor:
            cursor.execute(sql, values or None)
            return list(cursor.fetchall())

    def one(self, sql, *values):
        rows = self.rows(sql, *values)
        assert len(rows) == 1, rows
        return rows[0]

    def value(self, sql, *values):
        return next(iter(self.one(sql, *values).values()))

    def call(self, procedure, *values):
        marks = ", ".join(["%s"] * len(values))
        return self.rows(f"CALL {procedure}({marks})", *values)

    def forget(self):
        """After the server was killed."""
        self.local = threading.local()


class Account:
    """An account with one key, as it calls through one gateway."""

    def __init__(self, world, api, usd="10", key=None):
        self.world, self.db = world, world.db
        if key is None:
            made = world.stack.account(credit=usd)
            self.email, self.id, self.key, self.key_id = made
        else:
            self.email, self.id, self.key, self.key_id = key
        self.api = api.with_key(self.key)

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind is None:
            self.check()

    def check(self):
        """Nothing stays held, and the balance is the sum of the ledger."""
        wait_until(lambda: not self.holds(), f"a hold stays open: {self.holds()}")
        row = self.db.one("SELECT balance_usd, held_usd FROM account WHERE id = %s", self.id)
        assert row["held_usd"] == 0
        assert row["balance_usd"] == self.db.value("SELECT COALESCE(SUM(amount_usd), 0) FROM ledger WHERE account_id = %s", self.id)

    def holds(self):
        return self.db.rows("SELECT id, hold_usd, expires_at FROM hold WHERE account_id = %s AND state = 'open'", self.id)

    def balance(self):
        return self.db.value("SELECT balance_usd FROM account WHERE id = %s", self.id)

    def spent(self):
        return -self.db.value("SELECT COALESCE(SUM(amount_usd), 0) FROM ledger WHERE account_id = %s AND kind = 'charge'", self.id)

    def me(self):
        return exact(self.api.get("/v1/me"))

    def markup(self):
        return self.db.value("SELECT COALESCE(a.markup_override, t.markup) FROM account a JOIN tier t ON t.id = a.tier_id WHERE a.id = %s", self.id)

    def set_tier(self, tier):
        self.db.call("set_tier", self.email, tier)

    def set_cap(self, scope, usd, period="none", number=None):
        number = number or {"key": self.key_id, "account": self.id}[scope]
        self.db.call("set_cap", scope, number, usd, period)

    def new_key(self):
        return Account(self.world, self.api, key=(self.email, self.id, *self.world.stack.key(self.email)))

    def signed_in(self, csrf=True):
        """The gateway, called in a session of this account (opened in the database, without a sign-in)."""
        token = secrets.token_hex(32)
        self.db.call("session_open", hashlib.sha256(token.encode()).digest(), self.id, "test", "127.0.0.0/24", 86400)
        return self.api.with_session(token, csrf)

    def usage(self, which):
        """GET /v1/usage/{id} of an answer, a stream or an id; numbers are Decimal."""
        number = which if isinstance(which, str) else which.headers["x-request-id"]
        answer = self.api.get(f"/v1/usage/{number}")
        assert answer.status == 200, answer
        return exact(answer)

    def wait_usage(self, which):
        """The same for a call that ends after its client has seen the last of it."""
        number = which if isinstance(which, str) else which.headers["x-request-id"]
        wait_until(lambda: self.api.get(f"/v1/usage/{number}").status == 200, f"no usage row for {number}")
        return self.usage(number)


class Front:
    """A gateway behind a web server."""

    def __init__(self, stack):
        self.stack, self.kind = stack, stack.front
        self.api = Api(f"{stack.url}/api")

    def workers(self):
        """The processes that serve."""
        return self.stack.gateway_pids()

    def stop(self):
        """Web server and program; a sanitizer reports leaks only then."""
        self.stack.server.stop()
        self.stack.gateway.stop()

    def log(self):
        """What the program and the web server have written; some servers keep both in one file."""
        logs = [self.stack.log("gateway"), self.stack.log("server")]
        return "".join(log.read_text(errors="replace") for log in logs if log.exists())

    def reports(self):
        """Lines of a sanitizer, of a failed assertion or of the C library."""
        return [line for line in self.log().splitlines() if SANITIZER.search(line) and not NOT_A_REPORT.search(line)]


class World:
    def __init__(self):
        self.stack = env.Stack(front="lighttpd", builddir=builddir(), healthy=False,
                               config={"threads": 96, "threads_reserved": 8, "log_level": "debug"})

    def start(self):
        self.stack.prepare()
        self.db = Db(self.stack.database)
        self.fake = Fake(self.stack.upstream.url)
        self.add_models()
        self.stack.start_gateway()
        self.stack.want_healthy = True
        self.stack.start_server()
        self.main = Front(self.stack)
        self.api = self.main.api
        return self

    def stop(self):
        self.stack.stop(keep="AIG_E2E_KEEP" in os.environ)

    @contextlib.contextmanager
    def front(self, kind, own_database=False, env_of_gateway=None, port=None, **config):
        """Another gateway, on the same database and fake upstream."""
        other = env.Stack(front=kind, builddir=builddir(), upstream=self.stack.upstream, env=env_of_gateway, port=port,
                          database=True if own_database else self.stack.database, config=dict({"log_level": "debug"}, **config))
        if not own_database:
            other.secrets = self.stack.secrets
        try:
            other.start()
            front = Front(other)
            yield front
            front.stop()
            assert front.reports() == [], f"the log of {kind} has a report of a sanitizer or an assertion"
        finally:
            other.stop(keep="AIG_E2E_KEEP" in os.environ)

    def account(self, api=None, usd="10"):
        return Account(self, api or self.api, usd)

    def cron(self, name, *arguments, stack=None):
        return (stack or self.stack).cron(name, *arguments)

    def verify(self, stack=None):
        """verify-ledger finds nothing wrong."""
        done = self.cron("verify-ledger", stack=stack)
        assert done.returncode == 0, done.stdout + done.stderr

    def add_models(self):
        """Models that the catalog does not have, made before the gateway reads it. The others never retire here, so that what is
        tested does not depend on the day, and nobody takes over from a provider that fails: that has tests of its own."""
        self.db.rows("UPDATE model SET retires_on = NULL, successor = NULL")
        self.db.rows("UPDATE route SET enabled = 0 WHERE position > 0")
        self.copy_model("test-step", above_tokens=1000, above_input_usd=1, above_output_usd=2)
        self.copy_model("test-free-of-price", price=False)
        self.copy_model("test-new-price")
        self.copy_model("test-retired", retires_on="2026-01-01", successor="gpt-4o-mini")
        self.copy_model("test-retires", retires_on="2099-12-31", successor="gpt-4o-mini")
        self.copy_model("test-disabled", enabled=0)
        self.copy_model("test-unspoken", provider="kie")
        self.copy_model("test-hedged", hedge="deepseek-v3.2")
        self.copy_model("test-hedged-dearly", hedge="grok-4.3")
        self.copy_model("test-hedged-tools", hedge="deepseek-v3.2", web_search_usd=Decimal("0.01"))
        self.copy_model("test-hedged-by-claude", hedge="claude-sonnet-4-6")
        self.copy_model("test-hedged-claude", hedge="deepseek-v3.2", like="claude-sonnet-4-6")
        self.copy_model("test-hedged-gemini", hedge="deepseek-v3.2", like="gemini-3.5-flash")
        self.copy_model("test-reasoning-price", reasoning_usd=Decimal("1.2"), cached_input_usd=Decimal("0.05"),
                        cache_write_5m_usd=Decimal("0.2"))

    def copy_model(self, name, price=True, enabled=1, retires_on=None, successor=None, provider=None, hedge=None,
                   like="gpt-4o-mini", **prices):
        """`like` under another name, for 0.15 and 0.6 US dollars a million tokens, and what else is said."""
        self.db.rows("INSERT INTO model (name, kind, owned_by, dialect, context_length, max_output_tokens, capabilities, retires_on, successor, enabled)"
                     " SELECT %s, kind, owned_by, dialect, context_length, max_output_tokens, capabilities, %s, %s, %s FROM model"
                     " WHERE name = %s", name, retires_on, successor, enabled, like)
        number = self.db.value("SELECT id FROM model WHERE name = %s", name)
        self.db.rows("INSERT INTO route (model_id, position, provider, upstream_model, price_model_id)"
                     " SELECT %s, 0, COALESCE(%s, provider), upstream_model, %s FROM route JOIN model ON model.id = model_id"
                     " WHERE name = %s AND position = 0", number, provider, number, like)
        if hedge:
            self.db.rows("INSERT INTO route (model_id, position, provider, upstream_model, price_model_id)"
                         " SELECT %s, 1, provider, upstream_model, price_model_id FROM route JOIN model ON model.id = model_id"
                         " WHERE name = %s AND position = 0", number, hedge)
        if price:
            columns = dict({"input_usd": Decimal("0.15"), "output_usd": Decimal("0.6")}, **prices)
            names = ", ".join(columns)
            marks = ", ".join(["%s"] * len(columns))
            self.db.rows(f"INSERT INTO price (model_id, valid_from, {names}) VALUES (%s, '2026-01-01', {marks})", number, *columns.values())
