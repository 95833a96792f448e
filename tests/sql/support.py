# SPDX-License-Identifier: Apache-2.0
"""What the tests share: the migrated database, customers, request ids, and the arithmetic of charges done anew."""

import contextlib
import hashlib
import itertools
import os
import subprocess
from decimal import ROUND_HALF_UP, Decimal

from dbclient import Connection, DbError, Server

USD = Decimal("0.000000001")
_ids = itertools.count(1)
PROCESS = f"{os.getpid():08d}"


def request_id():
    return f"req_{PROCESS}{next(_ids):018d}"


def usd(text):
    return Decimal(text).quantize(USD)


def rounded(value):
    """Half up at nine decimals, as the ledger does."""
    return value.quantize(USD, rounding=ROUND_HALF_UP)


def charge_of(price, markup, uncached=0, cached=0, write_5m=0, write_1h=0, output=0, reasoning=0):
    """The charge from tokens by kind, written from the description and not from the SQL.

    price: a dict of Decimal US dollars per million tokens with the keys input, cached, write_5m, write_1h, output,
    reasoning, and above (None, or (tokens, a dict of the same keys))."""
    if price.get("above") and uncached + cached + write_5m + write_1h > price["above"][0]:
        price = price["above"][1]
    of_input = {kind: Decimal(price[kind]) if price.get(kind) is not None else Decimal(price["input"])
                for kind in ("input", "cached", "write_5m", "write_1h")}
    of_output = Decimal(price.get("output") or 0)
    of_reasoning = Decimal(price["reasoning"]) if price.get("reasoning") is not None else of_output
    millionths = (uncached * of_input["input"] + cached * of_input["cached"] + write_5m * of_input["write_5m"]
                  + write_1h * of_input["write_1h"] + (output - reasoning) * of_output + reasoning * of_reasoning)
    return rounded(millionths / Decimal(1000000) * (1 + Decimal(markup)))


class Customer:
    """An account with credit and a key."""

    def __init__(self, world, credit="100", tier=None):
        self.db, self.world = world.db, world
        self.email = f"c{next(_ids)}@example.com"
        self.account_id = int(self.db.call("create_account", self.email, "Customer").account_id)
        if tier:
            self.db.call("set_tier", self.email, tier)
        if credit and Decimal(credit) > 0:
            self.db.call("credit_purchase", self.email, Decimal(credit), f"pay {self.email}")
        self.key_id, self.key_hash = self.new_key()

    def new_key(self):
        row = self.db.call("create_key", self.email, "key")
        return int(row.key_id), hashlib.sha256(row.api_key.encode()).digest()

    def balance(self):
        return Decimal(self.db.value(f"SELECT balance_usd FROM account WHERE id = {self.account_id}"))

    def held(self):
        return Decimal(self.db.value(f"SELECT held_usd FROM account WHERE id = {self.account_id}"))


class Team:
    """A team of a paying customer and one member with a key."""

    def __init__(self, world, credit="100"):
        self.db = world.db
        self.payer = Customer(world, credit)
        self.member = Customer(world, "0")
        self.team_id = int(self.db.call("create_team", "Team", self.payer.email).team_id)
        self.member_id = int(self.db.call("add_member", self.team_id, self.member.email, "member").member_id)
        self.key_id, self.key_hash = self.new_key()

    def scopes(self):
        """Scope, number and table of everything that limits its calls, in the order of the ledger."""
        return [("key", self.key_id, "api_key"), ("member", self.member_id, "team_member"),
                ("team", self.team_id, "team"), ("account", self.payer.account_id, "account")]

    def new_key(self, member_id=None):
        row = self.db.call("create_team_key", member_id or self.member_id, "team key")
        return int(row.key_id), hashlib.sha256(row.api_key.encode()).digest()


class World:
    """The server, a migrated database named aig, and a root connection to it."""

    def __init__(self, binary, work, sql):
        self.work, self.sql = work, os.path.abspath(sql)
        # A binary log as shared hosts have it: without SUPER, creating functions or triggers would be refused.
        self.server = Server(binary, work, ["--log-bin", "--sync-binlog=0", "--server-id=1",
                                            "--log-bin-trust-function-creators=0"])
        self.db = None

    def start(self):
        self.server.start()
        root = self.connect(None)
        root.query("CREATE DATABASE aig CHARACTER SET latin1")
        # The rights that a shared host gives on one database, and nothing else.
        root.query("CREATE USER owner@localhost IDENTIFIED BY 'secret'")
        root.query("GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, DROP, INDEX, REFERENCES, CREATE VIEW, "
                   "CREATE ROUTINE, ALTER ROUTINE, EXECUTE, CREATE TEMPORARY TABLES ON aig.* TO owner@localhost")
        root.close()
        status, output = self.migrate()
        if status != 0:
            raise RuntimeError(f"migrate.sh failed: {output}")
        self.db = self.connect()

    def stop(self):
        self.server.stop()

    def connect(self, database="aig", user="root", password=""):
        return Connection(self.server.socket, database, user, password)

    @contextlib.contextmanager
    def fresh_database(self, name):
        """Lets a test work in a database of its own, for what would spoil the common one."""
        before = self.db
        before.query(f"CREATE DATABASE {name}; GRANT ALL PRIVILEGES ON {name}.* TO owner@localhost")
        status, output = self.migrate(database=name)
        assert status == 0, output
        self.db = self.connect(name)
        try:
            yield
            self.check_ledger()
        finally:
            self.db.close()
            self.db = before

    def migrate(self, directory=None, database="aig", user="owner", password="secret"):
        done = subprocess.run(
            ["sh", os.path.join(directory or self.sql, "migrate.sh"), "--no-defaults",
             f"--socket={self.server.socket}", f"--user={user}", f"--password={password}", database],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        return done.returncode, done.stdout

    def model(self, name):
        return int(self.db.value(f"SELECT id FROM model WHERE name = '{name}'"))

    def check_ledger(self):
        """Fails if any invariant is broken, with the rows that say which."""
        rows = self.db.query("SELECT * FROM v_ledger_check LIMIT 20")
        assert not rows, "v_ledger_check shows: " + "; ".join(str(dict(r)) for r in rows)

    def repair(self):
        """After a failed test: a working connection for the next one."""
        try:
            self.db.close()
        except DbError:
            pass
        self.db = self.connect()

    # One step of a call each, with the arguments that matter to the test by name.

    def authorize(self, key_hash, model="gpt-4o", bound=1000, likely=300, limit=500, maximum=16384, choices=1,
                  ttl=600, rid=None, price_model=None, db=None):
        rid = rid or request_id()
        row = (db or self.db).call("ledger_authorize", rid, key_hash, self.model_ids(model),
                                   self.model_ids(price_model or model), bound, likely, limit, maximum, choices, ttl)
        row["rid"] = rid
        return row

    def settle(self, rid, uncached=100, cached=0, write_5m=0, write_1h=0, output=50, reasoning=0, cost=None,
               estimated=0, status="ok", provider="openai", db=None):
        return (db or self.db).call("ledger_settle", rid, uncached, cached, write_5m, write_1h, output, reasoning, cost,
                                    estimated, status, provider, "upstream-model", None, 1, 200, 12, 345)

    def authorize_tools(self, key_hash, tools, calls=8, model="gpt-4o", bound=1000, likely=300, limit=500, maximum=16384,
                        rid=None, db=None):
        rid = rid or request_id()
        number = self.model_ids(model)
        row = (db or self.db).call("ledger_authorize_tools", rid, key_hash, number, number, bound, likely, limit, maximum,
                                   1, 600, tools, calls)
        row["rid"] = rid
        return row

    def settle_tools(self, rid, web=0, preview=0, files=0, containers=0, gb=None, uncached=100, output=50, cost=None, db=None):
        return (db or self.db).call("ledger_settle_tools", rid, uncached, 0, 0, 0, output, 0, cost, 0, "ok",
                                    "openai-responses", "upstream-model", None, 1, 200, 12, 345,
                                    web, preview, files, containers, gb)

    def release(self, rid, status="upstream_error", db=None):
        return (db or self.db).call("ledger_release", rid, status, "openai", 502, None, 99)

    def model_ids(self, name, _known={}):  # noqa: B006 -- a cache on purpose: ids do not change
        if name not in _known:
            _known[name] = self.model(name)
        return _known[name]


def refused(function, *arguments):
    """The sentence with which the database refuses a call that must be refused."""
    try:
        function(*arguments)
    except DbError as error:
        assert error.number == 1644, f"not a sentence of ours: {error}"
        return error.text
    raise AssertionError("was not refused")
