# SPDX-License-Identifier: Apache-2.0
"""Credit: lots, statements, and buying and refunding it through a fake Stripe whose events are really signed."""

import csv
import io
import time
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import fake_stripe
import pytest
from fake import new_word, script
from fake_stripe import KEY, SECRET, event, paid_session, refunded_charge, signature
from money import exact


@pytest.fixture(scope="module")
def shop(world):
    """(gateway with Stripe, fake Stripe)"""
    with fake_stripe.FakeStripe() as stripe, world.front("lighttpd", stripe_url=stripe.url, stripe_key=KEY, stripe_webhook_key=SECRET,
                                                         public_url="https://ai.example.org") as front:
        yield front, stripe


@pytest.fixture
def buyer(world, shop):
    with world.account(shop[0].api, usd=None) as account:
        account.web = account.signed_in()
        yield account


def buy(buyer, stripe, amount=20):
    """Opens a page; (our number, what Stripe was asked)."""
    answer = buyer.web.post("/v1/credit/checkout", {"amount_usd": amount})
    assert answer.status == 200, answer
    _, headers, form = stripe.requests[-1]
    assert answer.json["url"].startswith("https://checkout.stripe.test/")
    assert headers["Idempotency-Key"] == form["client_reference_id"]
    return form["client_reference_id"], form


def tell(front, body, header=None, **kw):
    return front.api.call("POST", "/v1/stripe/webhook", body, headers={"Stripe-Signature": header or signature(body, **kw),
                                                                       "Content-Type": "application/json; charset=utf-8"})


def pay(front, checkout_id, cents=2000, payment=None):
    session = paid_session(checkout_id, cents, payment)
    assert tell(front, event("checkout.session.completed", session)).json["outcome"] == "credited"
    return session


class TestCheckout:
    def test_the_page(self, shop, buyer):
        front, stripe = shop
        _, form = buy(buyer, stripe, 19.99)
        assert form["mode"] == "payment" and form["customer_email"] == buyer.email
        assert form["line_items[0][price_data][unit_amount]"] == "1999" and form["line_items[0][price_data][currency]"] == "usd"
        assert form["line_items[0][quantity]"] == "1"
        assert form["success_url"] == "https://ai.example.org/dashboard/#credit=paid"
        assert form["payment_intent_data[metadata][checkout_id]"] == form["metadata[checkout_id]"] == form["client_reference_id"]
        assert stripe.requests[-1][1]["Authorization"] == f"Bearer {KEY}"
        assert buyer.balance() == 0, "nothing before it is paid"

    @pytest.mark.parametrize("amount", [0, 0.99, 10000.01, 5.001, "x", None, True, [], -1, "1e9"])
    def test_bad_amounts(self, shop, buyer, amount):
        before = len(shop[1].requests)
        answer = buyer.web.post("/v1/credit/checkout", {"amount_usd": amount})
        assert answer.status == 400 and answer.error["param"] == "amount_usd", answer
        assert len(shop[1].requests) == before

    def test_who_may(self, shop, buyer):
        assert buyer.api.post("/v1/credit/checkout", {"amount_usd": 5}).status == 401, "a key buys nothing"
        assert buyer.signed_in(csrf=None).post("/v1/credit/checkout", {"amount_usd": 5}).status == 403
        answer = buyer.web.post("/v1/credit/checkout", {"amount_usd": 5, "currency": "eur"})
        assert answer.status == 400 and answer.error["param"] == "currency"

    @pytest.mark.parametrize("fault", [(500, {"error": {"message": "sorry"}}), (200, {"id": "cs_1"}), (200, []), "drop"])
    def test_stripe_fails(self, shop, buyer, fault):
        with shop[1].scripted(fault):
            answer = buyer.web.post("/v1/credit/checkout", {"amount_usd": 5})
        assert answer.status == 502 and KEY not in answer.body.decode()

    def test_without_stripe(self, world, account):
        answer = account.signed_in().post("/v1/credit/checkout", {"amount_usd": 5})
        assert answer.status == 404 and "operator" in answer.error["message"]
        body = event("checkout.session.completed", {})
        assert tell(world.main, body).status == 404
        assert account.api.get("/v1/credit").json["can_buy"] is False


class TestEvents:
    def test_paid_once_however_often_it_is_told(self, shop, buyer):
        front, stripe = shop
        checkout_id, _ = buy(buyer, stripe)
        body = event("checkout.session.completed", paid_session(checkout_id, 2000, "pi_" + new_word()))
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda _: tell(front, body), range(16)))
        assert {a.status for a in answers} == {200}
        assert sorted(a.json["outcome"] for a in answers) == ["credited"] + ["known"] * 15
        assert buyer.balance() == 20 and buyer.api.chat().status == 200

    def test_a_slow_payment(self, shop, buyer):
        """completed comes unpaid, the money later; and the other way round; and expired after all of it."""
        front, stripe = shop
        checkout_id, _ = buy(buyer, stripe)
        session = paid_session(checkout_id, 2000)
        assert tell(front, event("checkout.session.completed", {**session, "payment_status": "unpaid"})).json["outcome"] == "waiting"
        assert buyer.balance() == 0
        assert tell(front, event("checkout.session.async_payment_succeeded", session)).json["outcome"] == "credited"
        assert tell(front, event("checkout.session.completed", session)).json["outcome"] == "known"
        assert tell(front, event("checkout.session.expired", session)).json["outcome"] == "ignored"
        assert buyer.balance() == 20

    def test_never_paid(self, world, shop, buyer):
        front, stripe = shop
        for kind, state in (("checkout.session.expired", "expired"), ("checkout.session.async_payment_failed", "failed")):
            checkout_id, _ = buy(buyer, stripe)
            unpaid = paid_session(checkout_id, 2000, payment_status="unpaid", payment_intent=None)
            assert tell(front, event(kind, unpaid)).json["outcome"] == state
            assert world.db.value("SELECT state FROM checkout WHERE id = %s", checkout_id) == state
        assert buyer.balance() == 0

    @pytest.mark.parametrize("changes", [{"amount_total": 1999}, {"currency": "jpy"}, {"amount_total": None}, {"currency": None}])
    def test_not_what_was_sold(self, world, shop, buyer, changes):
        front, stripe = shop
        checkout_id, _ = buy(buyer, stripe)
        assert tell(front, event("checkout.session.completed", paid_session(checkout_id, 2000, **changes))).json["outcome"] == "mismatch"
        assert buyer.balance() == 0

    def test_others(self, shop, buyer):
        front, stripe = shop
        checkout_id, _ = buy(buyer, stripe)
        for body in (event("checkout.session.completed", paid_session("order-77", 2000, metadata={})),
                     event("customer.created", {"id": "cus_1"}), event("invoice.paid", paid_session(checkout_id, 2000))):
            answer = tell(front, body)
            assert answer.status == 200 and answer.json["outcome"] == "ignored"
        assert buyer.balance() == 0

    def test_forged_and_old(self, shop, buyer):
        front, stripe = shop
        checkout_id, _ = buy(buyer, stripe)
        body = event("checkout.session.completed", paid_session(checkout_id, 2000))
        now = int(time.time())
        good = signature(body)
        bad = {"another secret": signature(body, secret="whsec_other"), "old": signature(body, at=now - 400), "future": signature(body, at=now + 400),
               "time changed": good.replace(f"t={good[2:12]}", f"t={int(good[2:12]) + 1}"), "v0": signature(body, scheme="v0"), "no time": good.split(",")[1],
               "two times": f"t={now}," + good, "half": good[:-10], "nothing": " ", "words": "t=now,v1=abc", "upper case": good.split("v1=")[0] + "v1=" +
               good.split("v1=")[1].upper().replace("A", "B")}
        for what, header in bad.items():
            answer = tell(front, body, header)
            assert answer.status == 400, (what, answer)
        assert tell(front, body.replace(b"2000", b"9000"), good).status == 400, "another body"
        assert front.api.call("POST", "/v1/stripe/webhook", body, headers={"Content-Type": "application/json"}).status == 400
        assert buyer.balance() == 0
        several = f"t={now},v1={'0' * 64},v0=1,{signature(body, at=now).split(',')[1]}"
        assert tell(front, body, several).json["outcome"] == "credited", "one of several is enough: the secret is being rolled"

    @pytest.mark.parametrize("body", [b"", b"[]", b"{}", b"nonsense", b'{"id":1,"type":2,"data":3}', b'{"id":"evt_1","type":"charge.refunded","data":{"object":[]}}',
                                      b'{"id":"evt_1","type":"checkout.session.completed","data":{"object":{"payment_status":"paid","client_reference_id":{}}}}'])
    def test_signed_nonsense(self, shop, body):
        answer = tell(shop[0], body)
        assert answer.status in (200, 400) and (answer.status == 400 or answer.json["outcome"] == "ignored"), answer


class TestRefunds:
    def credit(self, buyer):
        return exact(buyer.web.get("/v1/credit"))

    def test_what_is_unspent_in_whole_cents(self, shop, buyer):
        front, stripe = shop
        checkout_id, _ = buy(buyer, stripe)
        payment = pay(front, checkout_id)["payment_intent"]
        charge = buyer.usage(buyer.api.chat(script(new_word(), {"words": 50})))["charge_usd"]
        credit = self.credit(buyer)
        lot = credit["lots"][0]
        cents = (20 - charge).quantize(Decimal("0.01"), rounding="ROUND_DOWN")
        assert credit["balance_usd"] == lot["remaining_usd"] == 20 - charge
        assert (lot["kind"], lot["amount_usd"], lot["paid_through"], lot["refundable_usd"]) == ("purchase", 20, "stripe", cents)
        answer = buyer.web.post(f"/v1/credit/{lot['id']}/refund", {})
        assert answer.status == 200 and exact(answer)["amount_usd"] == cents and answer.json["state"] == "done"
        _, headers, form = stripe.requests[-1]
        assert (form["payment_intent"], form["amount"]) == (payment, str(int(cents * 100))) and headers["Idempotency-Key"] == form["metadata[refund_id]"]
        assert buyer.balance() == 20 - charge - cents
        # Stripe's own word about it changes nothing.
        assert tell(front, event("charge.refunded", refunded_charge(checkout_id, payment, int(cents * 100)))).json["outcome"] == "known"
        assert tell(front, event("refund.updated", stripe.by_idempotency[headers["Idempotency-Key"]][1])).json["outcome"] == "done"
        assert buyer.web.post(f"/v1/credit/{lot['id']}/refund", {}).status == 400
        assert self.credit(buyer)["lots"][0]["refunded_usd"] == cents

    def test_stripe_refuses(self, shop, buyer):
        front, stripe = shop
        pay(front, buy(buyer, stripe)[0])
        lot = self.credit(buyer)["lots"][0]["id"]
        with stripe.scripted((400, {"error": {"message": "Charge has been disputed", "code": "charge_disputed"}})):
            answer = buyer.web.post(f"/v1/credit/{lot}/refund", {})
        assert answer.status == 502 and buyer.balance() == 20, "the credit is back"
        assert buyer.web.post(f"/v1/credit/{lot}/refund", {}).status == 200 and buyer.balance() == 0

    def test_it_fails_after_all(self, shop, buyer):
        front, stripe = shop
        pay(front, buy(buyer, stripe)[0])
        lot = self.credit(buyer)["lots"][0]["id"]
        assert buyer.web.post(f"/v1/credit/{lot}/refund", {}).status == 200 and buyer.balance() == 0
        failed = {**stripe.by_idempotency[stripe.requests[-1][1]["Idempotency-Key"]][1], "status": "failed", "failure_reason": "expired_or_canceled_card"}
        for _ in range(2):
            assert tell(front, event("refund.failed", failed)).json["outcome"] == "failed"
        assert buyer.balance() == 20

    @pytest.mark.parametrize("fault", ["drop", (500, {}), (429, {}), (401, {})])
    def test_stripe_is_away(self, world, shop, buyer, fault):
        """Pending until retry-refunds or the customer asks again; Stripe pays once."""
        front, stripe = shop
        pay(front, buy(buyer, stripe)[0])
        lot = self.credit(buyer)["lots"][0]["id"]
        with stripe.scripted(fault):
            answer = buyer.web.post(f"/v1/credit/{lot}/refund", {})
        assert answer.status == 202 and answer.json["state"] == "pending" and buyer.balance() == 0
        assert self.credit(buyer)["lots"][0]["refund_pending_usd"] == 20
        world.db.rows("UPDATE refund SET created_at = created_at - INTERVAL 2 MINUTE WHERE id = %s", answer.json["id"])
        before = len(stripe.requests)
        assert "would ask for 1" in world.cron("retry-refunds", "--dry-run", stack=front.stack).stdout and len(stripe.requests) == before
        done = world.cron("retry-refunds", "-v", stack=front.stack)
        assert done.returncode == 0 and "1 paid back" in done.stdout, done
        assert stripe.requests[-1][1]["Idempotency-Key"] == answer.json["id"]
        assert world.cron("retry-refunds", "-v", stack=front.stack).stdout == "retry-refunds: 0 paid back, 0 refused, 0 are left\n"
        credit = self.credit(buyer)["lots"][0]
        assert credit["refund_pending_usd"] is None and credit["refunded_usd"] == 20

    def test_in_the_dashboard_of_stripe(self, shop, buyer):
        front, stripe = shop
        checkout_id, _ = buy(buyer, stripe)
        payment = "pi_" + new_word()
        early = tell(front, event("charge.refunded", refunded_charge(checkout_id, payment, 500)))
        assert early.status == 409, "Stripe sends it again"
        pay(front, checkout_id, payment=payment)
        outcomes = [tell(front, event("charge.refunded", refunded_charge(checkout_id, payment, cents))).json["outcome"] for cents in (500, 500, 1200, 500)]
        assert outcomes == ["refunded", "known", "refunded", "known"] and buyer.balance() == 8
        buyer.api.chat(script(new_word(), {"words": 20}))
        assert tell(front, event("charge.refunded", refunded_charge(checkout_id, payment, 2000))).json["outcome"] == "refunded_in_part"
        assert buyer.balance() == 0

    def test_what_cannot_be_refunded(self, world, shop, buyer):
        front, stripe = shop
        pay(front, buy(buyer, stripe)[0])
        world.db.call("grant_credit", buyer.email, 1, "gift")
        world.db.call("credit_purchase", buyer.email, 2, new_word())
        lots = {(lot["kind"], int(lot["amount_usd"])): lot for lot in self.credit(buyer)["lots"]}
        for which, word in ((("grant", 1), "free"), (("purchase", 2), "operator")):
            answer = buyer.web.post(f"/v1/credit/{lots[which]['id']}/refund", {})
            assert answer.status == 400 and word in answer.error["message"] and lots[which]["refundable_usd"] == 0
        bought = lots[("purchase", 20)]["id"]
        with world.account(front.api) as other:
            assert other.signed_in().post(f"/v1/credit/{bought}/refund", {}).status == 404
        for number in ("0", "x", "99999999999", "-1", "1%27"):
            assert buyer.web.post(f"/v1/credit/{number}/refund", {}).status == 404
        assert buyer.api.post(f"/v1/credit/{bought}/refund", {}).status == 401
        world.db.rows("UPDATE purchase SET created_at = created_at - INTERVAL 31 DAY WHERE id = %s", bought)
        assert "30 days" in buyer.web.post(f"/v1/credit/{bought}/refund", {}).error["message"]
        assert buyer.balance() == 23


class TestStatements:
    def month(self, account):
        months = account.api.get("/v1/statements").json
        assert months["object"] == "list" and months["has_more"] is False
        assert months["data"][0]["complete"] is False
        return months["data"][0]["month"]

    def test_it_adds_up(self, world, account):
        for model in ("gpt-4o-mini", "gpt-4o-mini", "gpt-4o"):
            assert account.api.chat(script(new_word(), {"words": 30}), model=model).status == 200
        world.db.call("credit_purchase", account.email, "12.345678901", new_word())
        statement = exact(account.api.get(f"/v1/statements/{self.month(account)}"))
        assert statement["object"] == "statement" and statement["opening_usd"] == 0
        assert statement["closing_usd"] == account.balance() == statement["opening_usd"] + sum(line["amount_usd"] for line in statement["lines"])
        charges = [line for line in statement["lines"] if line["kind"] == "charge"]
        assert sum(line["calls"] for line in charges) == 3 and {line["model"] for line in charges} == {"gpt-4o-mini", "gpt-4o"}
        assert -sum(line["amount_usd"] for line in charges) == account.spent()
        assert account.signed_in().get(f"/v1/statements/{statement['month']}").json["month"] == statement["month"]

    def test_csv(self, world, account):
        for note in ('=HYPERLINK("http://evil.example","click")', "+1", "-1", "@SUM(A1)", 'plain, with "quotes"', "\tx"):
            world.db.call("grant_credit", account.email, 1, note)
        account.api.chat(script(new_word(), {"words": 30}))
        month = self.month(account)
        answer = account.api.get(f"/v1/statements/{month}?format=csv")
        assert answer.status == 200 and answer.headers["content-type"].startswith("text/csv")
        assert f'filename="statement-{month}.csv"' in answer.headers["content-disposition"]
        rows = list(csv.DictReader(io.StringIO(answer.body.decode(), newline="")))
        assert [rows[0]["kind"], rows[-1]["kind"]] == ["opening", "closing"]
        amounts = [Decimal(row["amount_usd"]) for row in rows]
        assert sum(amounts[:-1]) == amounts[-1] == account.balance()
        notes = {row["description"] for row in rows}
        assert "'=HYPERLINK(\"http://evil.example\",\"click\")" in notes and 'plain, with "quotes"' in notes
        for row in rows:
            assert all(value[:1] not in "=+-@\t" or not value for name, value in row.items() if name in ("at", "kind", "description", "model")), row

    def test_refusals(self, account):
        for month in ("2026-13", "2026-1", "nonsense", "2019-01", "2099-01", "2026-11-01", "2026-00"):
            assert account.api.get(f"/v1/statements/{month}").status == 404, month
        assert account.api.get(f"/v1/statements/{self.month(account)}?format=xml").status == 400
        assert account.api.with_key(None).get("/v1/statements").status == 401
