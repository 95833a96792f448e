# SPDX-License-Identifier: Apache-2.0
"""Media jobs: hold by variant and quantity, one outcome, the webhook in the same transaction."""

import threading
import time
from decimal import Decimal

from dbclient import DbError
from support import Customer, Team, request_id, rounded, usd

from test_concurrency import AWAY, RETRY, run_threads


def create(world, key_hash, model="kling-3.0", unit="second", variant="mode=std,sound=yes", milli=5000, metered=0,
           url=None, rid=None, db=None, nonce=1):
    rid = rid or request_id()
    number = world.model_ids(model)
    row = (db or world.db).call("job_create", "tsk_" + rid[4:], rid, nonce, key_hash, number, number, unit, variant, milli,
                                metered, "kie", "kie", "kie", "upstream/model", "{}", url, 1296000, 3600)
    row["rid"], row["id"] = rid, "tsk_" + rid[4:]
    return row


def finish(world, job, ok=1, upstream=None, took=None, cost=None, rate="0.005", body='{"charge":"@charge"}', db=None):
    return (db or world.db).call("job_finish", job["id"], upstream, ok, '{"resultUrls":["https://x/1"]}', "500", "no luck",
                                 "upstream_error", 502, took, cost, rate, body, "job.completed")


def job_of(world, job):
    return world.db.query(f"SELECT * FROM job WHERE id = '{job['id']}'")[0]


def until_waiting(world, count):
    """Until so many transactions wait for a lock. The table is renewed only for who has not read it for 0.1 s."""
    for _ in range(200):
        time.sleep(0.15)
        if int(world.db.value("SELECT COUNT(*) FROM information_schema.INNODB_TRX WHERE trx_state = 'LOCK WAIT'")) == count:
            return
    raise AssertionError(f"{count} transactions should wait for a lock")


def test_one_attempt_makes_it(world):
    """Two attempts of one request (an Idempotency-Key's owner, and who took over from it): one hold, and one of them sends it."""
    customer = Customer(world, "10", "Growth")
    first = create(world, customer.key_hash, nonce=7)
    assert first.outcome == "held"
    assert create(world, customer.key_hash, rid=first["rid"], nonce=8).outcome == "known"
    assert create(world, customer.key_hash, rid=first["rid"], nonce=7).outcome == "held"
    assert customer.held() == usd("0.65")
    assert finish(world, first).outcome == "finished"
    assert create(world, customer.key_hash, rid=first["rid"], nonce=8).outcome == "known"
    assert customer.held() == 0


def test_an_idempotency_key_does_not_drop_a_job(world):
    """Its owner died after the job was made: whoever repeats the call finds the job, whose hold stays."""
    customer = Customer(world, "10", "Growth")
    name, print_of = b"n" * 32, b"f" * 32
    rid = request_id()
    assert world.db.call("idempotency_begin", customer.key_hash, name, print_of, rid, 30, 86400).outcome == "run"
    job = create(world, customer.key_hash, rid=rid)
    world.db.query("UPDATE idempotency SET lease_until = UTC_TIMESTAMP(6) - INTERVAL 1 SECOND WHERE request_id = '%s'" % rid)
    again = world.db.call("idempotency_begin", customer.key_hash, name, print_of, request_id(), 30, 86400)
    assert (again.outcome, again.request_id) == ("run", rid) and customer.held() == usd("0.65")
    assert finish(world, job).outcome == "finished"
    world.db.query("UPDATE idempotency SET lease_until = UTC_TIMESTAMP(6) - INTERVAL 1 SECOND WHERE request_id = '%s'" % rid)
    again = world.db.call("idempotency_begin", customer.key_hash, name, print_of, request_id(), 30, 86400)
    assert (again.outcome, again.request_id) == ("run", rid)


def test_an_idempotency_key_waits_for_a_job_that_is_being_made(world):
    """The lease ends between the hold of the job and its row, in a transaction that then goes on: the hold stays as well."""
    customer = Customer(world, "10", "Growth")
    name, print_of, rid = b"m" * 32, b"f" * 32, request_id()
    assert world.db.call("idempotency_begin", customer.key_hash, name, print_of, rid, 0, 86400).outcome == "run"
    other = create(world, customer.key_hash)
    blocker, results = world.connect(), {}
    # Takes the place of the row, so that job_create gets stuck after its hold, and is rolled back.
    blocker.query("START TRANSACTION")
    blocker.query(f"UPDATE job SET id = 'tsk_{rid[4:]}' WHERE id = '{other['id']}'")

    def make():
        db = world.connect()
        results["job"] = create(world, customer.key_hash, rid=rid, db=db)
        db.close()

    def take_over():
        db = world.connect()
        results["again"] = db.call("idempotency_begin", customer.key_hash, name, print_of, request_id(), 30, 86400)
        db.close()

    threads = []
    for step in (make, take_over):
        threads.append(threading.Thread(target=step))
        threads[-1].start()
        until_waiting(world, len(threads))
    blocker.query("ROLLBACK")
    blocker.close()
    for thread in threads:
        thread.join()
    assert results["job"].outcome == "held"
    assert (results["again"].outcome, results["again"].request_id) == ("run", rid)
    assert customer.held() == usd("1.3")
    assert finish(world, results["job"]).outcome == "finished"


def test_hold_by_variant_and_quantity(world):
    customer = Customer(world, "10", "Growth")
    row = create(world, customer.key_hash)
    assert row.outcome == "held" and usd(row.hold_usd) == usd("0.65"), row
    assert customer.held() == usd("0.65")
    pro = create(world, customer.key_hash, variant="mode=pro,sound=no", milli=15000)
    assert usd(pro.hold_usd) == rounded(Decimal("0.09") * 15 * Decimal("1.3"))
    for job in (row, pro):
        assert finish(world, job).outcome == "finished"
    assert customer.held() == 0
    assert Decimal(10) - customer.balance() == usd(row.hold_usd) + usd(pro.hold_usd)
    usage = world.db.query(f"SELECT * FROM usage_log WHERE request_id = '{row['rid']}'")[0]
    assert Decimal(usage.quantity) == 5 and usd(usage.cost_usd) == usd("0.5") and usd(usage.charge_usd) == usd("0.65")
    assert usage.status == "ok" and usage.provider == "kie" and usage.upstream_model == "upstream/model"


def test_a_combination_without_a_price_is_refused(world):
    customer = Customer(world, "10")
    for variant, unit in (("mode=8K,sound=yes", "second"), ("", "video"), ("mode=std,sound=yes", "video"), ("mode=STD,sound=yes", "second")):
        row = create(world, customer.key_hash, variant=variant, unit=unit)
        assert row.outcome == "no_price", (variant, unit, row)
        assert world.db.value(f"SELECT COUNT(*) FROM job WHERE id = '{row['id']}'") == "0"
    assert customer.held() == 0
    # a call by tokens cannot use a price by units, nor the other way round
    assert world.authorize(customer.key_hash, model="kling-3.0").outcome == "no_price"
    assert create(world, customer.key_hash, model="gpt-4o", variant="").outcome == "no_price"


def test_every_scope_refuses_a_job(world):
    team = Team(world, "10")
    for scope, number, _ in team.scopes():
        world.db.call("set_cap", scope, number, Decimal("0.5"), "daily")
        row = create(world, team.key_hash)
        assert row.outcome in ("key_cap_exceeded", "account_cap_exceeded", "team_cap_exceeded"), row
        assert row.scope == scope and usd(row.need_usd) == usd("0.7"), row
        world.db.call("set_cap", scope, number, None, "none")
    poor = Customer(world, "0.69")
    assert create(world, poor.key_hash).outcome == "insufficient_credits"
    assert create(world, team.key_hash).outcome == "held"


def test_creation_repeated(world):
    customer = Customer(world, "10")
    first = create(world, customer.key_hash)
    again = create(world, customer.key_hash, rid=first["rid"])
    assert again.outcome == "held" and again.hold_usd == first.hold_usd
    assert customer.held() == usd(first.hold_usd)
    finish(world, first, ok=0)


def test_failure_releases(world):
    customer = Customer(world, "10")
    job = create(world, customer.key_hash, url="https://example.com/hook")
    assert world.db.call("job_started", job["id"], "up-f", 5).outcome == "started"
    done = finish(world, job, ok=0, upstream="up-f")
    assert done.outcome == "finished" and usd(done.charge_usd) == 0
    assert customer.balance() == 10 and customer.held() == 0
    row = job_of(world, job)
    assert (row.state, row.fail_code, row.fail_msg, row.result, row.due) == ("fail", "500", "no luck", None, None)
    body = world.db.value(f"SELECT body FROM webhook_delivery WHERE id = '{done.delivery_id}'")
    assert body == '{"charge":0}', body
    assert finish(world, job, ok=1, upstream="up-f").outcome == "replayed"
    assert customer.balance() == 10


def test_the_webhook_is_the_callers(world):
    """A team pays, but the member who called sees the webhook and has the secret that signs it."""
    team = Team(world, "10")
    done = finish(world, create(world, team.key_hash, url="https://example.com/hook"))
    assert done.outcome == "finished" and usd(done.charge_usd) > 0
    assert int(world.db.value(f"SELECT account_id FROM webhook_delivery WHERE id = '{done.delivery_id}'")) == team.member.account_id


def test_the_first_outcome_counts(world):
    customer = Customer(world, "10")
    job = create(world, customer.key_hash, url="https://example.com/hook")
    assert finish(world, job, upstream="another").outcome == "changed"
    assert finish(world, job).outcome == "finished"
    for ok in (1, 0, 1):
        again = finish(world, job, ok=ok)
        assert again.outcome == "replayed" and usd(again.charge_usd) == usd("0.7"), again
    assert customer.balance() == Decimal("9.3")
    assert world.db.value(f"SELECT COUNT(*) FROM webhook_delivery WHERE task_id = '{job['id']}'") == "1"
    assert world.db.value(f"SELECT body FROM webhook_delivery WHERE task_id = '{job['id']}'") == '{"charge":0.7}'
    assert world.db.call("job_started", job["id"], "late", 5).outcome == "ended"
    assert finish(world, {"id": "tsk_unknown"}).outcome == "unknown_job"


def test_a_task_belongs_to_one_job(world):
    customer = Customer(world, "10")
    one, two = create(world, customer.key_hash), create(world, customer.key_hash)
    assert world.db.call("job_started", one["id"], "shared", 5).outcome == "started"
    assert world.db.call("job_started", one["id"], "shared", 5).outcome == "replayed"
    assert world.db.call("job_started", one["id"], "other", 5).outcome == "taken"
    assert world.db.call("job_started", two["id"], "shared", 5).outcome == "taken"
    for job, upstream in ((one, "shared"), (two, None)):
        assert finish(world, job, ok=0, upstream=upstream).outcome == "finished"


def test_metered(world):
    """What the provider took is charged, never more than was held; the rest is ours."""
    customer = Customer(world, "10")
    for took, cost, quantity in (("12.3441", None, "12.345"), (None, "5.6001", "20.001"), (None, None, "70"), ("90", None, "90")):
        before = customer.balance()
        job = create(world, customer.key_hash, model="musicgen", variant="", milli=70000, metered=1)
        assert usd(job.hold_usd) == usd("0.1372")
        done = finish(world, job, took=took, cost=cost)
        full = rounded(Decimal("0.0014") * Decimal(quantity) * Decimal("1.4"))
        assert usd(done.charge_usd) == min(full, usd("0.1372")), (took, cost, done)
        usage = world.db.query(f"SELECT quantity, absorbed_usd FROM usage_log WHERE request_id = '{job['rid']}'")[0]
        assert Decimal(usage.quantity) == Decimal(quantity) and usd(usage.absorbed_usd) == max(full - usd("0.1372"), usd("0"))
        assert before - customer.balance() == usd(done.charge_usd)
    # where the price list decides, what the provider says is only noted
    job = create(world, customer.key_hash)
    assert usd(finish(world, job, took=1, cost="180").charge_usd) == usd("0.7")
    row = world.db.query(f"SELECT upstream_cost_usd, below_cost FROM v_job WHERE task_id = '{job['id']}'")[0]
    assert usd(row.upstream_cost_usd) == usd("0.9") and row.below_cost == "1"


def test_the_sweeper_leaves_open_jobs_alone(world):
    customer = Customer(world, "10")
    job = create(world, customer.key_hash)
    world.db.query(f"UPDATE hold SET created_at = created_at - INTERVAL 2 DAY WHERE id = '{job['rid']}'")
    assert world.db.call("ledger_expire", job["rid"]).outcome == "live"
    # the backstop, longer than any job: then the charge is what is left
    world.db.query(f"UPDATE hold SET expires_at = UTC_TIMESTAMP(6) - INTERVAL 1 SECOND WHERE id = '{job['rid']}'")
    assert world.db.call("ledger_expire", job["rid"]).outcome == "expired"
    assert customer.held() == 0
    assert usd(finish(world, job).charge_usd) == usd("0.7")


def test_progress_goes_forward(world):
    customer = Customer(world, "10")
    job = create(world, customer.key_hash)
    world.db.call("job_started", job["id"], "up-p", 5)
    for state, expected in (("queuing", "queuing"), ("waiting", "queuing"), ("generating", "generating"), ("success", "generating"),
                            ("queuing", "generating")):
        world.db.call("job_progress", job["id"], state)
        assert job_of(world, job).state == expected
    finish(world, job, upstream="up-p")
    world.db.call("job_progress", job["id"], "generating")
    assert job_of(world, job).state == "success"


def test_a_callback_is_let_in_once(world):
    customer = Customer(world, "10")
    job = create(world, customer.key_hash)
    assert [world.db.call("job_callback", job["id"], ts).outcome for ts in (1000, 1000, 999, 1001)] == [
        "accepted", "repeated", "repeated", "accepted"]
    assert world.db.call("job_callback", "tsk_none", 5).outcome == "repeated"
    finish(world, job)
    assert world.db.call("job_callback", job["id"], 2000).outcome == "accepted"
    assert job_of(world, job).due is None


def test_claims(world):
    """Jobs that are due are given out once, to one of several at a time, and come due again by themselves."""
    customer = Customer(world, "100")
    jobs = [create(world, customer.key_hash) for _ in range(40)]
    world.db.query("UPDATE job SET due = '9999-01-01' WHERE completed_at IS NULL")
    names = ",".join(f"'{job['id']}'" for job in jobs)
    world.db.query(f"UPDATE job SET due = UTC_TIMESTAMP(6) - INTERVAL 1 SECOND, created_at = UTC_TIMESTAMP(6) - INTERVAL 100 SECOND"
                   f" WHERE id IN ({names})")
    got, lock = [], threading.Lock()

    def worker(_):
        db = world.connect()
        while True:
            rows = db.query("CALL job_claim(7)")
            with lock:
                got.extend(row.id for row in rows)
            if not rows:
                break
        db.close()

    run_threads(6, worker)
    assert sorted(got) == sorted(job["id"] for job in jobs)
    ahead = world.db.query(f"SELECT DISTINCT TIMESTAMPDIFF(SECOND, UTC_TIMESTAMP(), due) BETWEEN 15 AND 25 AS fits FROM job WHERE id IN ({names})")
    assert [row.fits for row in ahead] == ["1"]
    for job in jobs:
        finish(world, job, ok=0)


def test_one_outcome_at_any_concurrency(world):
    """Eight connections end the same jobs, some say success and some failure: one counts, and the money agrees with it."""
    customer = Customer(world, "100")
    jobs = [create(world, customer.key_hash, url="https://example.com/hook") for _ in range(30)]
    outcomes, lock = [], threading.Lock()

    def worker(index):
        db = world.connect()
        for number, job in enumerate(jobs):
            while True:
                try:
                    row = finish(world, job, ok=(index + number) % 2, db=db)
                    break
                except DbError as error:
                    if error.number not in RETRY:
                        raise
            with lock:
                outcomes.append((job["id"], row.outcome))
        db.close()

    run_threads(8, worker)
    assert sorted(o for _, o in outcomes).count("finished") == 30 and {o for _, o in outcomes} == {"finished", "replayed"}
    names = ",".join(f"'{job['id']}'" for job in jobs)
    won = int(world.db.value(f"SELECT COUNT(*) FROM job WHERE state = 'success' AND id IN ({names})"))
    assert customer.held() == 0 and customer.balance() == 100 - won * usd("0.7")
    assert world.db.value(f"SELECT COUNT(*) FROM webhook_delivery WHERE task_id IN ({names})") == "30"
    return f"{won} of 30 succeeded"


def test_server_killed_while_jobs_end(world):
    """kill -9 of the server while connections end jobs: each has its outcome, webhook and money, or nothing of them."""
    customer = Customer(world, "1000")
    jobs = [create(world, customer.key_hash, url="https://example.com/hook") for _ in range(400)]

    def worker(index):
        try:
            db = world.connect()
            for job in jobs[index::4]:
                finish(world, job, ok=1, db=db)
        except DbError as error:
            if error.number not in AWAY:
                raise

    threads = [threading.Thread(target=worker, args=(index,)) for index in range(4)]
    for thread in threads:
        thread.start()
    names = ",".join(f"'{job['id']}'" for job in jobs)
    while int(world.db.value(f"SELECT COUNT(*) FROM job WHERE completed_at IS NOT NULL AND id IN ({names})")) < 50:
        pass
    world.server.kill()
    for thread in threads:
        thread.join()
    world.server.start()
    world.db = customer.db = world.connect()
    world.check_ledger()
    ended = int(world.db.value(f"SELECT COUNT(*) FROM job WHERE completed_at IS NOT NULL AND id IN ({names})"))
    assert world.db.value(f"SELECT COUNT(*) FROM webhook_delivery WHERE task_id IN ({names})") == str(ended)
    assert customer.balance() == 1000 - ended * usd("0.7") and customer.held() == (400 - ended) * usd("0.7")
    for job in jobs:
        assert finish(world, job, ok=1).outcome in ("finished", "replayed")
    assert customer.held() == 0
    return f"{ended} of 400 had ended"


def test_purge(world):
    customer = Customer(world, "10")
    job, young = create(world, customer.key_hash), create(world, customer.key_hash)
    for one in (job, young):
        finish(world, one)
    world.db.query(f"UPDATE job SET completed_at = completed_at - INTERVAL 40 DAY WHERE id = '{job['id']}'")
    assert world.db.call("job_purge", 39).deleted == "1"
    assert world.db.value(f"SELECT COUNT(*) FROM job WHERE id = '{young['id']}'") == "1"
