# SPDX-License-Identifier: Apache-2.0
"""migrate.sh, comments, the seed, grants, partitions."""

import os
import re
import shutil
import tempfile
from decimal import Decimal

from dbclient import DbError
from support import Customer, refused, request_id, usd


def test_migrate_twice(world):
    status, output = world.migrate()
    assert status == 0, output
    assert "applied" not in output, output
    rows = world.db.query("SELECT version, name, checksum FROM schema_version ORDER BY version")
    files = sorted(os.listdir(os.path.join(world.sql, "migrations")))
    assert [r.name for r in rows] == files
    assert all(len(r.checksum) == 64 for r in rows)


def test_migrate_refusals(world):
    with tempfile.TemporaryDirectory(dir=world.work) as copy:
        tree = os.path.join(copy, "sql")
        shutil.copytree(world.sql, tree)
        first = os.path.join(tree, "migrations", "0001_catalog.sql")
        with open(first, "a", encoding="utf-8") as file:
            file.write("-- changed\n")
        status, output = world.migrate(tree)
        assert status == 1 and "0001_catalog.sql was changed after it had been applied" in output, output

        shutil.copy(os.path.join(world.sql, "migrations", "0001_catalog.sql"), first)
        with open(os.path.join(tree, "migrations", "9001_new.sql"), "w", encoding="utf-8") as file:
            file.write("CREATE TABLE newer (id INT PRIMARY KEY);\n\nSELECT nonsense FROM nowhere;\n")
        status, output = world.migrate(tree)
        assert status == 1 and "9001_new.sql failed" in output and "line 3" in output, output
        assert world.db.value("SELECT COUNT(*) FROM schema_version WHERE version = 9001") == "0"
        with open(os.path.join(tree, "migrations", "9001_new.sql"), "w", encoding="utf-8") as file:
            file.write("CREATE TABLE IF NOT EXISTS newer (id INT PRIMARY KEY);\n")
        status, output = world.migrate(tree)
        assert status == 0 and "applied 9001_new.sql" in output, output
    # The tree without it is now older than the database.
    status, output = world.migrate()
    assert status == 1 and "older than the database" in output, output
    world.db.query("DROP TABLE newer; DELETE FROM schema_version WHERE version = 9001")
    # A migration that was pasted by hand has no checksum; it is taken as it is.
    world.db.query("UPDATE schema_version SET checksum = NULL WHERE version = 2")
    assert world.migrate()[0] == 0
    status, output = world.migrate(password="wrong")
    assert status == 1 and "cannot connect" in output, output


def test_every_table_is_described(world):
    tables = world.db.query("SELECT TABLE_NAME AS name, TABLE_COMMENT AS text FROM information_schema.TABLES "
                            "WHERE TABLE_SCHEMA = 'aig' AND TABLE_TYPE = 'BASE TABLE'")
    assert len(tables) >= 17
    assert [t.name for t in tables if not t.text] == []
    columns = world.db.query(
        "SELECT CONCAT(c.TABLE_NAME, '.', COLUMN_NAME) AS name FROM information_schema.COLUMNS c JOIN "
        "information_schema.TABLES t ON t.TABLE_SCHEMA = c.TABLE_SCHEMA AND t.TABLE_NAME = c.TABLE_NAME "
        "WHERE c.TABLE_SCHEMA = 'aig' AND TABLE_TYPE = 'BASE TABLE' AND COLUMN_COMMENT = ''")
    assert [c.name for c in columns] == []
    without_key = world.db.query(
        "SELECT t.TABLE_NAME AS name FROM information_schema.TABLES t LEFT JOIN information_schema.TABLE_CONSTRAINTS k "
        "ON k.TABLE_SCHEMA = t.TABLE_SCHEMA AND k.TABLE_NAME = t.TABLE_NAME AND k.CONSTRAINT_TYPE = 'PRIMARY KEY' "
        "WHERE t.TABLE_SCHEMA = 'aig' AND t.TABLE_TYPE = 'BASE TABLE' AND k.CONSTRAINT_NAME IS NULL")
    assert [t.name for t in without_key] == []
    routines = world.db.query("SELECT ROUTINE_NAME AS name, ROUTINE_TYPE AS type, ROUTINE_COMMENT AS text, "
                              "SECURITY_TYPE AS security FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = 'aig'")
    assert [r.name for r in routines if not r.text or r.security != "DEFINER" or r.type != "PROCEDURE"] == []


def test_forms_can_read_the_parameters_of_the_operators_procedures(world):
    """Adminer's form for a procedure shows no field behind a COLLATE among the parameters."""
    rows = world.db.query("SELECT name, CONVERT(param_list USING utf8mb4) AS parameters FROM mysql.proc WHERE db = 'aig' AND comment LIKE 'Operator:%'")
    assert len(rows) > 20 and [r.name for r in rows if "COLLATE" in r.parameters] == []


def test_readme_has_a_line_for_everything_of_the_operator(world):
    with open(os.path.join(world.sql, "..", "README.md"), encoding="utf-8") as file:
        readme = set(re.findall(r"\w+", file.read()))
    names = [r.name for r in world.db.query(
        "SELECT ROUTINE_NAME AS name FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = 'aig' AND ROUTINE_COMMENT LIKE 'Operator:%' "
        "UNION SELECT TABLE_NAME FROM information_schema.VIEWS WHERE TABLE_SCHEMA = 'aig' AND TABLE_NAME <> 'v_usage_check'")]
    assert len(names) > 20 and [n for n in names if n not in readme] == []


def test_seed(world):
    counts = {r.kind: int(r.n) for r in world.db.query("SELECT kind, COUNT(*) AS n FROM model GROUP BY kind")}
    assert (counts["chat"], counts["embedding"]) == (37, 5), counts
    tiers = [(r.name, int(Decimal(r.min_spend_usd)), r.markup) for r in
             world.db.query("SELECT * FROM tier ORDER BY min_spend_usd")]
    assert tiers == [("Starter", 0, "0.4000"), ("Growth", 50, "0.3000"), ("Scale", 200, "0.2200"),
                     ("Enterprise", 1000, "0.1500"), ("Strategic", 5000, "0.1000")]
    # Every chat and embedding model has a price and a route; every price of a route exists.
    assert world.db.query("SELECT name FROM model m WHERE kind IN ('chat', 'embedding') AND (NOT EXISTS (SELECT 1 FROM "
                          "price p WHERE p.model_id = m.id AND input_usd IS NOT NULL) OR NOT EXISTS (SELECT 1 FROM "
                          "route r WHERE r.model_id = m.id AND position = 0))") == []
    assert world.db.query("SELECT model_id FROM route r WHERE NOT EXISTS (SELECT 1 FROM price p WHERE p.model_id = "
                          "r.price_model_id) AND provider <> 'kie'") == []
    assert world.db.query("SELECT name FROM model WHERE successor NOT IN (SELECT name FROM model)") == []
    unpriced = [r.name for r in world.db.query(
        "SELECT name FROM model m WHERE NOT EXISTS (SELECT 1 FROM price p WHERE p.model_id = m.id) ORDER BY name")]
    assert unpriced == ["gpt-4o-image", "runway", "sora-2-pro"], unpriced
    hedges = [(r.upstream_model, r.name) for r in world.db.query(
        "SELECT DISTINCT upstream_model, m.name FROM route r JOIN model m ON m.id = r.price_model_id "
        "WHERE position > 0 ORDER BY upstream_model")]
    assert hedges == [("anthropic/claude-haiku-4.5", "claude-haiku-4-5"),
                      ("anthropic/claude-sonnet-4.6", "claude-sonnet-4-6"),
                      ("google/gemini-3.1-pro-preview", "gemini-3-pro"),
                      ("google/gemini-3.5-flash", "gemini-3.5-flash")]
    # Anthropic's cache write for one hour is twice the input, on both sides of a threshold.
    assert world.db.query("SELECT m.name FROM price p JOIN model m ON m.id = p.model_id WHERE m.owned_by = 'anthropic' "
                          "AND (cache_write_1h_usd <> 2 * input_usd OR cache_write_5m_usd <> 1.25 * input_usd OR "
                          "above_cache_write_1h_usd <> 2 * above_input_usd)") == []
    long = world.db.one("SELECT p.* FROM price p JOIN model m ON m.id = p.model_id WHERE m.name = 'claude-haiku-5-5'")
    assert (long.above_tokens, long.usd("above_input_usd"), long.usd("above_output_usd")) == (
        "100000", usd("0.5"), usd("2.5"))
    later = world.db.query("SELECT valid_from, input_usd, output_usd FROM price p JOIN model m ON m.id = p.model_id "
                           "WHERE m.name = 'gemini-3.8-flash' ORDER BY valid_from")
    assert [(r.valid_from[:10], r.usd("input_usd"), r.usd("output_usd")) for r in later] == [
        ("2020-01-01", usd("0.75"), usd("3.75")), ("2027-01-01", usd("1.5"), usd("7.5"))]


def test_seed_keeps_what_an_operator_changed(world):
    db = world.db
    before = db.value("SELECT COUNT(*) FROM price")
    db.call("set_price", "grok-4.3", Decimal("1.5"), None, None, None, Decimal("3"), None, None, None, None, None, None,
            None, None, None)
    db.query("UPDATE model SET enabled = 0, image_tokens = 77 WHERE name = 'qwen3-max'")
    db.query("DELETE r FROM route r JOIN model m ON m.id = r.model_id WHERE m.name = 'gpt-5.1' AND position = 2")
    db.query("UPDATE tier SET markup = 0.35 WHERE name = 'Growth'")
    assert world.migrate()[0] == 0
    assert int(db.value("SELECT COUNT(*) FROM price")) == int(before) + 1
    assert db.value("SELECT input_usd FROM price p JOIN model m ON m.id = p.model_id WHERE m.name = 'grok-4.3' AND "
                    "valid_from <= UTC_TIMESTAMP(6) ORDER BY valid_from DESC LIMIT 1") == "1.500000000"
    assert db.value("SELECT CONCAT(enabled, ' ', image_tokens) FROM model WHERE name = 'qwen3-max'") == "0 77"
    assert db.value("SELECT COUNT(*) FROM route r JOIN model m ON m.id = r.model_id WHERE m.name = 'gpt-5.1'") == "2"
    assert db.value("SELECT markup FROM tier WHERE name = 'Growth'") == "0.3500"
    db.query("UPDATE tier SET markup = 0.30 WHERE name = 'Growth'; UPDATE model SET enabled = 1 WHERE name = 'qwen3-max'")


def test_price_rows_are_checked(world):
    model = world.model("gpt-4o")
    for columns, values in (("input_usd", "-1"), ("unit", "'image'"), ("unit_usd", "1"), ("output_usd", "1"),
                            ("input_usd, output_usd, above_tokens", "1, 1, 1000"),
                            ("input_usd, above_tokens, above_input_usd, above_output_usd", "1, 10, 1, 1")):
        try:
            world.db.query(f"INSERT INTO price (model_id, valid_from, {columns}) VALUES ({model}, '2999-01-01', {values})")
        except DbError as error:
            assert error.number == 4025, error
        else:
            raise AssertionError(f"accepted {columns} = {values}")


def test_grants(world):
    with open(os.path.join(world.sql, "grants.sql"), encoding="utf-8") as file:
        grants = file.read()
    root = world.connect()
    root.query(grants)
    root.query(grants)
    customer = Customer(world)
    held = world.authorize(customer.key_hash)
    for role in ("app", "cron", "admin", "reader"):
        root.query(f"CREATE USER {role}@localhost IDENTIFIED BY 'x'; GRANT aig_{role} TO {role}@localhost; "
                   f"SET DEFAULT ROLE aig_{role} FOR {role}@localhost")
    app, admin, reader = (world.connect(user=u, password="x") for u in ("app", "admin", "reader"))
    assert "p_email" in admin.one("SHOW CREATE PROCEDURE create_account")["Create Procedure"]

    def denied(db, sql):
        try:
            db.query(sql)
        except DbError as error:
            assert error.number in (1142, 1143, 1370), error
            return
        raise AssertionError(f"was allowed: {sql}")

    for db in (app, world.connect(user="cron", password="x"), admin, reader):
        denied(db, "UPDATE account SET balance_usd = balance_usd + 1")
        denied(db, "UPDATE api_key SET held_usd = 0")
        denied(db, "INSERT INTO ledger (account_id, kind, amount_usd, reference, created_at) "
                   "VALUES (1, 'grant', 1, 'x', UTC_TIMESTAMP())")
        denied(db, "DELETE FROM hold")
        denied(db, "DELETE FROM idempotency")
        denied(db, "UPDATE usage_log SET charge_usd = 0")
        denied(db, "UPDATE price SET input_usd = 0")
        denied(db, "CALL ledger_settle_inner('x',0,0,0,0,0,0,NULL,0,0,'ok','','',NULL,0,0,0,0,NULL,NULL,NULL,NULL,NULL,@a,@b,@c,@d,@e)")
        denied(db, "DROP TABLE ledger")
    for statement in ("CALL credit_purchase('a@b', 1, 'x')", "CALL grant_credit('a@b', 1, 'x')",
                      "CALL set_cap('key', 1, 1, 'none')", "CALL create_key('a@b', 'x')",
                      "CALL usage_drop_before('2020-01-01')", "UPDATE model SET enabled = 0"):
        denied(app, statement)
        denied(reader, statement)
    denied(reader, "SELECT key_hash FROM api_key")
    denied(reader, "SELECT * FROM account")

    # What they may do works, with money changed by the procedures alone.
    assert app.call("ledger_renew", held.rid, 700).outcome == "renewed"
    assert world.settle(held.rid, db=app).outcome == "settled"
    second = world.authorize(customer.key_hash, db=app)
    assert second.outcome == "held"
    assert world.release(second.rid, db=app).outcome == "released"
    assert app.call("ledger_expire", request_id()).outcome == "unknown_hold"
    app.query("INSERT INTO upstream_health (provider, failures) VALUES ('openai', 1)")
    app.query("DELETE FROM upstream_health")
    assert app.call("hold_purge", 30).deleted == "0"
    rid = request_id()
    assert app.call("idempotency_begin", customer.key_hash, b"n" * 32, b"f" * 32, rid, 30, 60).outcome == "run"
    assert app.call("idempotency_beat", customer.key_id, b"n" * 32, rid, 30).outcome == "leased"
    assert app.call("idempotency_end", customer.key_id, b"n" * 32, rid, None, None).outcome == "forgotten"
    assert app.call("idempotency_purge").deleted == "0"
    assert app.query("SELECT * FROM v_ledger_check") == []
    assert admin.call("grant_credit", customer.email, 1, "thanks").outcome == "granted"
    admin.query("UPDATE model SET enabled = 1 WHERE name = 'gpt-4o'")
    assert "no account" in refused(admin.call, "credit_purchase", "nobody@example.com", 5, "x1")
    assert len(reader.query("SELECT * FROM v_account")) >= 1
    assert reader.query("SELECT * FROM v_key") and reader.query("SELECT * FROM price")


def test_partitions(world):
    with world.fresh_database("parts"):
        _partitions(world)


def _partitions(world):
    db = world.db
    db.query("SET timestamp = UNIX_TIMESTAMP('2031-01-31 12:00:00')")
    customer = Customer(world)
    # Far beyond the last partition: the insert must not fail.
    held = world.authorize(customer.key_hash)
    assert world.settle(held.rid).outcome == "settled"
    assert int(db.call("usage_partition_ahead", 3).added) >= 4
    assert db.call("usage_partition_ahead", 3).added == "0"
    names = [r.name for r in db.query("SELECT PARTITION_NAME AS name FROM information_schema.PARTITIONS WHERE "
                                      "TABLE_SCHEMA = DATABASE() AND TABLE_NAME = 'usage_log' ORDER BY "
                                      "PARTITION_ORDINAL_POSITION")]
    assert names[-5:] == ["p203101", "p203102", "p203103", "p203104", "pmax"], names
    assert db.value(f"SELECT COUNT(*) FROM usage_log PARTITION (p203101) WHERE request_id = '{held.rid}'") == "1"

    assert "two months" in refused(db.call, "usage_drop_before", "2031-01-15")
    db.query("SET timestamp = UNIX_TIMESTAMP('2031-06-01')")
    charges = db.value("SELECT COUNT(*) FROM ledger WHERE kind = 'charge'")
    assert "p203101" in db.call("usage_drop_before", "2031-03-20").dropped
    assert db.value(f"SELECT COUNT(*) FROM usage_log WHERE request_id = '{held.rid}'") == "0"
    assert db.value("SELECT COUNT(*) FROM ledger WHERE kind = 'charge'") == charges
    world.check_ledger()
    # A retry of that settlement still has no second effect.
    again = world.settle(held.rid)
    assert again.outcome == "replayed", again
    assert db.call("usage_drop_before", "2031-03-20").dropped == "none"
    db.query("SET timestamp = DEFAULT")


def test_hold_purge(world):
    db = world.db
    customer = Customer(world)
    old = [world.authorize(customer.key_hash).rid for _ in range(3)]
    world.settle(old[0])
    world.release(old[1])
    db.query(f"UPDATE hold SET expires_at = expires_at - INTERVAL 40 DAY, resolved_at = resolved_at - INTERVAL 40 DAY "
             f"WHERE id IN ('{old[0]}', '{old[1]}', '{old[2]}')")
    assert "2 days" in refused(db.call, "hold_purge", 1)
    assert int(db.call("hold_purge", 30).deleted) >= 2
    assert db.value(f"SELECT COUNT(*) FROM hold WHERE id IN ('{old[0]}', '{old[1]}')") == "0"
    assert db.value(f"SELECT state FROM hold WHERE id = '{old[2]}'") == "open", "open holds are never purged"
    assert world.settle(old[0]).outcome == "unknown_hold"
    assert db.call("ledger_expire", old[2]).outcome == "expired"
