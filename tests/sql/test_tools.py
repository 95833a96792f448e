# SPDX-License-Identifier: Apache-2.0
"""Tools that the provider runs: what is held for them, what is charged, who sets their prices."""

from decimal import Decimal

from support import Customer, Team, refused, request_id, rounded, usd

MARKUP = Decimal("1.4")
# Prices of gpt-4o as they stand in the catalog, entered here once more by hand.
FEES = {"web_search": "0.01", "web_search_preview": "0.025", "file_search": "0.0025", "container_1g": "0.03",
        "container_4g": "0.12", "container_16g": "0.48", "container_64g": "1.92"}
TOKENS = {"gpt-4o": ("2.5", "10"), "gpt-5.4": ("2.5", "15")}


def charge(model="gpt-4o", tokens=(100, 50), **tools):
    """The charge, written from the description and not from the SQL."""
    price = TOKENS[model]
    fees = dict(FEES, web_search_preview="0.01") if model == "gpt-5.4" else FEES  # it reasons
    cost = (tokens[0] * Decimal(price[0]) + tokens[1] * Decimal(price[1])) / 1000000
    return rounded((cost + sum(n * Decimal(fees[tool]) for tool, n in tools.items())) * MARKUP)


def usage(world, rid):
    return world.db.query("SELECT u.*, p.web_search_usd, p.file_search_usd FROM usage_log u JOIN price p ON p.id = u.price_id "
                          f"WHERE request_id = '{rid}'")[0]


def test_seeded_fees(world):
    for name, web, preview in (("gpt-4o", "0.01", "0.025"), ("gpt-4o-mini", "0.0112", "0.025"), ("gpt-4.1-mini", "0.0132", "0.025"),
                               ("gpt-5.4", "0.01", "0.01"), ("gpt-6.1-sol", "0.01", "0.01")):
        row = world.db.query(f"SELECT * FROM price WHERE model_id = {world.model(name)} ORDER BY id LIMIT 1")[0]
        assert (row.usd("web_search_usd"), row.usd("web_search_preview_usd")) == (usd(web), usd(preview)), name
        assert [row.usd(f"{tool}_usd") for tool in ("file_search", "container_1g", "container_4g", "container_16g", "container_64g")] == [
            usd(x) for x in ("0.0025", "0.03", "0.12", "0.48", "1.92")], name
    assert world.db.value("SELECT COUNT(*) FROM price p JOIN model m ON m.id = p.model_id WHERE (m.owned_by <> 'openai' OR m.kind <> 'chat') "
                          "AND COALESCE(web_search_usd, web_search_preview_usd, file_search_usd, container_1g_usd, container_4g_usd, "
                          "container_16g_usd, container_64g_usd) IS NOT NULL") == "0"


def test_an_older_database_gets_the_fees(world):
    """The migration enters what the seed enters, and leaves alone what is no model of OpenAI's."""
    with world.fresh_database("older") as _:
        db = world.db
        seeded = db.query("SELECT * FROM price ORDER BY id")
        db.query("UPDATE price SET web_search_usd = NULL, web_search_preview_usd = NULL, file_search_usd = NULL, container_1g_usd = NULL, "
                 "container_4g_usd = NULL, container_16g_usd = NULL, container_64g_usd = NULL")
        db.query("DELETE FROM schema_version WHERE version = 11")
        status, output = world.migrate(database="older")
        assert status == 0 and "applied 0011" in output, output
        assert [dict(r) for r in db.query("SELECT * FROM price ORDER BY id")] == [dict(r) for r in seeded]


def test_worst_case(world):
    customer = Customer(world, "1000")
    tokens = Decimal("0.0025") + Decimal("0.005")  # 1000 x 2.5 + 500 x 10, in millionths
    for tools, calls, fees in (
            ("web_search", 8, "0.08"), ("web_search", 1, "0.01"), ("web_search_preview", 2, "0.05"), ("file_search", 128, "0.32"),
            # The dearest of those by the call; a container in any case, or one for every call.
            ("web_search,file_search", 8, "0.08"), ("container_1g", 8, "0.24"), ("container_64g", 3, "5.76"),
            ("web_search,container_1g", 8, "0.24"), ("web_search,container_1g", 1, "0.04"),
            ("web_search_preview,file_search,container_1g", 2, "0.08"), ("file_search,container_4g", 1, "0.1225"), ("", 8, "0")):
        row = world.authorize_tools(customer.key_hash, tools, calls)
        assert (row.outcome, row.usd("hold_usd")) == ("held", rounded((tokens + Decimal(fees)) * MARKUP)), (tools, calls)
        world.release(row.rid)
    # Long prompts: the bound of many turns reaches the dearer price.
    row = world.authorize_tools(customer.key_hash, "web_search", 1, model="gpt-5.4", bound=272001, limit=100, maximum=128000)
    assert row.usd("hold_usd") == rounded((Decimal(272001 * 50 + 100 * 225) / 10 / 1000000 + Decimal("0.01")) * MARKUP)
    # The markup of the account.
    world.db.call("set_markup", customer.email, Decimal("0.1"))
    row = world.authorize_tools(customer.key_hash, "container_4g", 1)
    assert row.usd("hold_usd") == rounded((tokens + Decimal("0.12")) * Decimal("1.1"))
    assert customer.held() == Decimal(world.db.value(
        f"SELECT SUM(hold_usd) FROM hold WHERE account_id = {customer.account_id} AND state = 'open'"))


def test_a_tool_without_a_price_is_refused(world):
    customer = Customer(world)
    for model in ("claude-sonnet-4-6", "gemini-3-pro", "deepseek-v3"):
        for tool in FEES:
            row = world.authorize_tools(customer.key_hash, tool, model=model)
            assert (row.outcome, row.hold_usd) == (f"no_price_{tool}", None), (model, tool)
    assert world.authorize_tools(customer.key_hash, "", model="claude-sonnet-4-6").outcome == "held", "MCP alone has no fee"
    assert world.authorize_tools(b"\0" * 32, "web_search").outcome == "unknown_key"


def test_likely_cost_and_what_fits(world):
    # Likely: (300 x 2.5 + 500 x 10) / 1e6 + 8 x 0.01 = 0.08575, with 40 % 0.12005; worst of eight containers is dearer.
    customer = Customer(world, "0.12005")
    row = world.authorize_tools(customer.key_hash, "web_search", bound=100000000)
    assert (row.outcome, row.usd("hold_usd")) == ("held", usd("0.12005")), dict(row)
    # The worst came true: charged what was held, the rest is ours.
    end = world.settle_tools(row.rid, web=8, uncached=1000000)
    full = charge(tokens=(1000000, 50), web_search=8)
    assert (end.usd("charge_usd"), end.usd("absorbed_usd"), end.usd("balance_usd")) == (usd("0.12005"), full - usd("0.12005"), usd("0"))
    poor = Customer(world, "0.120049999")
    row = world.authorize_tools(poor.key_hash, "web_search", bound=100000000)
    assert (row.outcome, row.scope, row.usd("need_usd"), row.fit_tokens) == ("insufficient_credits", "balance", usd("0.12005"), "499")
    row = world.authorize_tools(poor.key_hash, "web_search", calls=9)
    assert (row.outcome, row.fit_tokens) == ("insufficient_credits", "0")
    # One container is likely, and what is called beside it.
    row = world.authorize_tools(poor.key_hash, "file_search,container_1g", bound=100000000)
    assert (row.outcome, row.usd("hold_usd")) == ("held", usd("0.120049999")), "0.00575 + 0.03 + 8 x 0.0025"


def test_charges(world):
    team = Team(world)
    cases = [
        ({"web": 3}, {"web_search": 3}), ({"preview": 2}, {"web_search_preview": 2}), ({"files": 7}, {"file_search": 7}),
        ({"containers": 1, "gb": 1}, {"container_1g": 1}), ({"containers": 2, "gb": 4}, {"container_4g": 2}),
        ({"containers": 1, "gb": 16}, {"container_16g": 1}), ({"containers": 1, "gb": 64}, {"container_64g": 1}),
        ({"web": 1, "files": 2, "containers": 3, "gb": 1}, {"web_search": 1, "file_search": 2, "container_1g": 3}), ({}, {}),
    ]
    for model in TOKENS:
        for counts, fees in cases:
            row = world.authorize_tools(team.key_hash, "web_search,file_search,container_64g", 5, model=model, maximum=16384)
            end = world.settle_tools(row.rid, **counts)
            assert (end.outcome, end.usd("charge_usd"), end.usd("absorbed_usd")) == ("settled", charge(model, **fees), usd("0")), (model, counts)
            used = usage(world, row.rid)
            assert (used.web_searches, used.preview_searches, used.file_searches, used.containers, used.container_gb) == tuple(
                str(counts.get(k, 0)) for k in ("web", "preview", "files", "containers")) + (
                str(counts["gb"]) if counts.get("containers") else None,)
            assert used.usd("cost_usd") == rounded(charge(model, **fees) / MARKUP)
    assert team.payer.held() == 0
    world.check_ledger()


def test_long_prompts_and_a_named_cost(world):
    customer = Customer(world, "1000")
    row = world.authorize_tools(customer.key_hash, "web_search", 4, model="gpt-5.4", bound=5000000, maximum=128000)
    end = world.settle_tools(row.rid, web=4, uncached=272001, output=10)
    assert end.usd("charge_usd") == rounded((Decimal(272001 * 5) / 1000000 + Decimal("0.000225") + Decimal("0.04")) * MARKUP)
    # What the provider names is the whole cost.
    row = world.authorize_tools(customer.key_hash, "web_search", 4)
    assert world.settle_tools(row.rid, web=4, cost=Decimal("0.005")).usd("charge_usd") == usd("0.007")
    world.check_ledger()


def test_a_settlement_counts_once(world):
    customer = Customer(world)
    row = world.authorize_tools(customer.key_hash, "web_search")
    again = world.authorize_tools(customer.key_hash, "web_search", rid=row.rid)
    assert (again.outcome, again.hold_usd) == ("held", row.hold_usd) and customer.held() == row.usd("hold_usd")
    first = world.settle_tools(row.rid, web=2)
    for end in (world.settle_tools(row.rid, web=2), world.settle_tools(row.rid, web=8), world.settle(row.rid)):
        assert (end.outcome, end.charge_usd, end.balance_usd) == ("replayed", first.charge_usd, first.balance_usd)
    assert usage(world, row.rid).web_searches == "2" and customer.balance() == usd("100") - charge(web_search=2)
    # After its hold has expired, too; and never after a release.
    row = world.authorize_tools(customer.key_hash, "web_search")
    world.db.query(f"UPDATE hold SET expires_at = UTC_TIMESTAMP() - INTERVAL 1 SECOND WHERE id = '{row.rid}'")
    assert world.db.call("ledger_expire", row.rid).outcome == "expired"
    assert world.settle_tools(row.rid, web=1).usd("charge_usd") == charge(web_search=1)
    assert (usage(world, row.rid).late, usage(world, row.rid).web_searches) == ("1", "1")
    row = world.authorize_tools(customer.key_hash, "web_search")
    world.release(row.rid)
    assert world.settle_tools(row.rid, web=1).outcome == "released"
    assert world.settle_tools(request_id(), web=1).outcome == "unknown_hold"
    world.check_ledger()


def test_a_wrong_count_shows(world):
    customer = Customer(world)
    row = world.authorize_tools(customer.key_hash, "web_search")
    world.settle_tools(row.rid, web=2)
    world.db.query(f"UPDATE usage_log SET web_searches = 3 WHERE request_id = '{row.rid}'")
    broken = world.db.query("SELECT * FROM v_ledger_check")
    assert [(r.check_name, r.subject) for r in broken] == [("usage_charge", row.rid)]
    world.db.query(f"UPDATE usage_log SET web_searches = 2 WHERE request_id = '{row.rid}'")
    world.check_ledger()


def test_an_ordinary_call_has_no_tools(world):
    customer = Customer(world)
    row = world.authorize(customer.key_hash)
    world.settle(row.rid)
    used = usage(world, row.rid)
    assert (used.web_searches, used.preview_searches, used.file_searches, used.containers, used.container_gb) == ("0", "0", "0", "0", None)


def test_new_prices(world):
    db, customer, model = world.db, Customer(world, "1000"), "gpt-5.2"
    number = world.model(model)
    running = world.authorize_tools(customer.key_hash, "web_search", model=model)
    row = db.call("set_tool_price", model, "web_search", Decimal("0.02"), None)
    assert (row.model, row.usd("web_search_usd"), row.usd("file_search_usd"), row.set_by) == (model, usd("0.02"), usd("0.0025"), "operator")
    newest = f"SELECT * FROM price WHERE model_id = {number} ORDER BY valid_from DESC, id DESC LIMIT 1"
    row = db.query(newest)[0]
    assert (row.usd("input_usd"), row.usd("cached_input_usd"), row.usd("output_usd")) == (usd("1.75"), usd("0.175"), usd("14"))
    # A running call keeps its version, a new one has the new one.
    assert world.settle_tools(running.rid, web=1, uncached=0, output=0).usd("charge_usd") == usd("0.014")
    later = world.authorize_tools(customer.key_hash, "web_search", model=model)
    assert world.settle_tools(later.rid, web=1, uncached=0, output=0).usd("charge_usd") == usd("0.028")
    # Other token prices leave those of the tools.
    db.call("set_price", model, 1, None, None, None, 2, None, None, None, None, None, None, None, None, None)
    row = db.query(newest)[0]
    assert (row.usd("input_usd"), row.usd("web_search_usd"), row.usd("container_64g_usd")) == (usd("1"), usd("0.02"), usd("1.92"))
    # None: not offered any more.
    db.call("set_tool_price", model, "container_64g", None, None)
    assert world.authorize_tools(customer.key_hash, "container_64g", model=model).outcome == "no_price_container_64g"
    assert world.authorize_tools(customer.key_hash, "container_16g", model=model).outcome == "held"
    # A model that never offered it can.
    db.call("set_tool_price", "claude-opus-4-6", "file_search", Decimal("0.001"), None)
    assert world.authorize_tools(customer.key_hash, "file_search", model="claude-opus-4-6").outcome == "held"
    # All that offer it, at once.
    offering = "SELECT COUNT(DISTINCT model_id) FROM price WHERE container_1g_usd IS NOT NULL"
    count = int(db.value(offering))
    db.call("set_tool_price", None, "container_1g", Decimal("0.05"), None)
    assert db.value("SELECT COUNT(*) FROM price WHERE container_1g_usd = 0.05 AND valid_from > UTC_TIMESTAMP() - INTERVAL 1 HOUR") == str(count)
    assert db.value(offering) == str(count)
    for arguments, sentence in (
            (("gpt-5", "web", 1, None), "The tool must be"), (("gpt-5", None, 1, None), "The tool must be"),
            (("gpt-5", "web_search", -1, None), "cannot be negative"), (("nobody", "web_search", 1, None), "no model"),
            (("gpt-5", "web_search", 1, "2020-01-01"), "in the past"), ((None, "web_search", 1, "2020-01-01"), "in the past"),
            (("nano-banana", "web_search", 1, None), "Nothing was changed")):
        assert sentence in refused(db.call, "set_tool_price", *arguments), arguments
    world.check_ledger()
