#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Measures recompute-tiers: builds accounts with an hourly rollup in a private MariaDB, runs the program, and meanwhile a light load of
holds and settlements, whose delays are printed beside those of the same load alone.

    tests/bench/tiers.py                       1,000,000 accounts, 20 M rows: some minutes and 4 GB below TMPDIR
    tests/bench/tiers.py --accounts=50000      1/20 of it

--rows N rows an account (20), --old N more that are older than 30 days and must not be read, --load N connections (4), --pause MS between
two calls of one (20). Every run is timed: the first moves a good part of the accounts, the second what steps down further, the dry run
only reads. Times are never asserted; the exit status is 1 when tiers or books are wrong.
"""

import argparse
import os
import pathlib
import subprocess
import sys
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
for folder in ("env", "sql"):
    sys.path.insert(0, str(HERE.parent / folder))
from dbclient import Connection, DbError  # noqa: E402
from process import clean_environment  # noqa: E402
from stack import Stack  # noqa: E402

STEP = 20000  # accounts an INSERT


def options():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--accounts", type=int, default=1000000)
    parser.add_argument("--rows", type=int, default=20)
    parser.add_argument("--old", type=int, default=0)
    parser.add_argument("--load", type=int, default=4)
    parser.add_argument("--pause", type=float, default=20)
    parser.add_argument("--build", default=os.environ.get("top_builddir") or HERE.parents[1])
    parser.add_argument("--buffer-pool", default="1G")
    return parser.parse_args()


def build(db, o):
    """Accounts with a spend that falls into every tier, and every tier at the start. --old rows lie before the window."""
    began = time.monotonic()
    db.query("SET SESSION sql_log_bin = 0, unique_checks = 0, foreign_key_checks = 0")
    for first in range(1, o.accounts + 1, STEP):
        last = min(first + STEP - 1, o.accounts)
        db.query(f"INSERT INTO account (id, email, tier_id) SELECT 100 + seq, CONCAT('a', seq, '@example.org'), 1 + seq % 5 FROM seq_{first}_to_{last}")
        # 0, 1, ... 399 dollars a row: up to 8,000 in 30 days.
        db.query(
            "INSERT INTO spend_hourly (account_id, hour, key_id, model_id, provider, calls, charge_usd) "
            f"SELECT 100 + a.seq, UTC_DATE() - INTERVAL (r.seq * 17 + a.seq % 17) HOUR - INTERVAL IF(r.seq > {o.rows}, 32, 0) DAY, a.seq, 1 + r.seq % 3, 'openai', 1, "
            f"POW(a.seq * 7919 % 1000 / 1000, 6) * 400 FROM seq_{first}_to_{last} a, seq_1_to_{o.rows + o.old} r")
        print(f"\r{last:,} accounts", end="", flush=True)
    rows = db.value("SELECT COUNT(*) FROM spend_hourly")
    print(f"\r{o.accounts:,} accounts, {int(rows):,} rows of spend_hourly in {time.monotonic() - began:.0f} s", flush=True)


class Load:
    """Holds and settlements on accounts that the program moves at the same time."""

    def __init__(self, stack, o):
        self.socket, self.name, self.o = str(stack.database.socket), stack.database.name, o
        self.user = stack.database.user
        db = self.connect()
        db.query(f"UPDATE account SET balance_usd = 1000 WHERE id > 100 AND id <= 100 + {o.load * 50}")
        db.query("INSERT INTO purchase (account_id, kind, amount_usd, remaining_usd, created_at) SELECT id, 'grant', 1000, 1000, UTC_TIMESTAMP(6) "
                 "FROM account WHERE balance_usd > 0 AND id > 100")
        db.query("INSERT INTO ledger (account_id, kind, amount_usd, reference, created_at) SELECT account_id, 'grant', 1000, id, UTC_TIMESTAMP(6) FROM purchase "
                 "WHERE account_id > 100")
        db.query("INSERT INTO api_key (account_id, name, key_hash, key_prefix, key_last4) SELECT id, 'load', UNHEX(SHA2(id, 256)), 'sk-aig-load', 'load' "
                 "FROM account WHERE balance_usd > 0 AND id > 100")
        self.model = db.value("SELECT id FROM model WHERE name = 'gpt-4o-mini'")
        db.close()

    def connect(self):
        return Connection(self.socket, self.name, self.user)

    def run(self, while_):
        """The delays in ms of each step, while the function runs."""
        self.delays, self.errors, self.stop = [], [], threading.Event()
        threads = [threading.Thread(target=self.worker, args=(n,)) for n in range(self.o.load)]
        for thread in threads:
            thread.start()
        try:
            while_()
        finally:
            self.stop.set()
            for thread in threads:
                thread.join()
        return sorted(self.delays)

    def worker(self, number):
        db, at = self.connect(), 0
        try:
            while not self.stop.is_set():
                at += 1
                account = 101 + number * 50 + at % 50
                rid = f"req_{number:02d}{time.time_ns():024d}"
                self.step(db, f"CALL ledger_authorize('{rid}', UNHEX(SHA2({account}, 256)), {self.model}, {self.model}, 1000, 300, 100, 16384, 1, 600)")
                self.step(db, f"CALL ledger_settle('{rid}', 100, 0, 0, 0, 50, 0, NULL, 0, 'ok', 'openai', 'm', NULL, 0, 200, 1, 1)")
                time.sleep(self.o.pause / 1000)
        except DbError as error:
            self.errors.append(error)
        finally:
            db.close()

    def step(self, db, sql):
        began = time.monotonic()
        db.query(sql)
        self.delays.append((time.monotonic() - began) * 1000)


def show(what, seconds, delays, note=""):
    if delays:
        at = lambda part: delays[min(len(delays) - 1, int(len(delays) * part))]  # noqa: E731
        delay = f"{len(delays):>7} {at(0.5):>8.2f} {at(0.99):>8.2f} {delays[-1]:>9.2f}"
    else:
        delay = " " * 36
    print(f"{what:<28} {seconds:>8.1f} {delay}  {note}", flush=True)


def check(db):
    """Tiers that are too low, or more than a step too high, after two runs: none. And the books."""
    wrong = db.value(
        "SELECT COUNT(*) FROM (SELECT a.id, t.min_spend_usd AS has, (SELECT MAX(x.min_spend_usd) FROM tier x WHERE x.min_spend_usd <= COALESCE(s.spend, 0)) AS earned "
        "FROM account a JOIN tier t ON t.id = a.tier_id LEFT JOIN (SELECT account_id, SUM(charge_usd) AS spend FROM spend_hourly "
        "WHERE hour >= UTC_DATE() + INTERVAL HOUR(UTC_TIME()) - 719 HOUR GROUP BY account_id) s ON s.account_id = a.id WHERE a.id > 300) r WHERE has < earned")
    held = db.value("SELECT COUNT(*) FROM account WHERE held_usd <> 0")
    return int(wrong), int(held)


def main():
    o = options()
    stack = Stack(builddir=o.build, upstream=False, healthy=False,
                  mariadb=[f"--innodb-buffer-pool-size={o.buffer_pool}", "--innodb-log-file-size=512M"])
    failed = False
    try:
        stack.prepare()
        stack.write_config()
        db = Connection(str(stack.database.socket), stack.database.name, stack.database.user)
        build(db, o)
        load = Load(stack, o)
        print(f"\n{'':<28} {'seconds':>8} {'steps':>7} {'p50 ms':>8} {'p99 ms':>8} {'longest':>9}")
        began = time.monotonic()
        show("load alone", 5, load.run(lambda: time.sleep(5)))
        env = clean_environment(AIG_CONFIG=str(stack.config_file))
        for what, arguments in (("dry run", ["--dry-run"]), ("first run", ["-v"]), ("second run", ["-v"])):
            done = []

            def program(arguments=arguments, done=done):
                began = time.monotonic()
                done.append(subprocess.run([str(pathlib.Path(o.build, "recompute-tiers")), "--once", *arguments], env=env, capture_output=True, text=True, check=False))
                done.append(time.monotonic() - began)

            delays = load.run(program)
            failed |= done[0].returncode != 0 or bool(load.errors)
            show(what, done[1], delays, (done[0].stdout.strip().splitlines() or [done[0].stderr.strip()])[-1] + "".join(f" {e}" for e in load.errors))
        wrong, held = check(db)
        print(f"\n{wrong} accounts below the tier that they have earned, {held} with money held; {time.monotonic() - began:.0f} s in all")
        failed |= wrong > 0 or held > 0
        db.close()
    finally:
        stack.stop()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
