# SPDX-License-Identifier: Apache-2.0
"""Image, video, music and voice jobs: what is held, what is charged, and that a job ends once, whoever tells of its end."""

import http.server
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import pytest
import stack as env
from fake import new_word
from gate import Gate
from money import NINE, ROUND_HALF_UP, exact
from world import Account, Db, wait_until

KIE_ERRORS = {401: 502, 402: 502, 422: 422, 429: 503, 433: 502, 455: 503, 500: 502, 501: 502, 505: 502}


class Customer:
    """Where customers are called back."""

    def __init__(self):
        calls = self.calls = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):  # pylint: disable=invalid-name
                body = self.rfile.read(int(self.headers["Content-Length"]))
                calls.append((self.path, {k.lower(): v for k, v in self.headers.items()}, body))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def url(self, path):
        return f"http://127.0.0.1:{self.server.server_address[1]}/{path}"

    def of(self, path):
        return [call for call in self.calls if call[0] == f"/{path}"]

    def close(self):
        self.server.shutdown()
        self.server.server_close()


class Jobs:
    """An installation of its own: the catalog as it is shipped, jobs that nobody else has, parts that may be killed."""

    def __init__(self, world, front):
        self.world, self.front, self.stack, self.api, self.fake = world, front, front.stack, front.api, world.fake
        self.db = Db(front.stack.database)

    def account(self, usd="10"):
        return Account(self, self.api, usd)

    def cron(self, name, *arguments):
        done = self.stack.cron(name, *arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def poll(self, number=None):
        """poll-jobs, as if every open job (or that one) were due."""
        self.db.rows("UPDATE job SET due = UTC_TIMESTAMP(6) WHERE completed_at IS NULL AND upstream_id IS NOT NULL AND (%s IS NULL OR id = %s)",
                     number, number)
        return self.cron("poll-jobs", "-v")

    def verify(self):
        self.cron("verify-ledger")

    def job(self, number):
        return self.db.one("SELECT * FROM job WHERE id = %s", number)

    def upstream(self, word, count=1):
        """The fake's task whose input has this word."""
        found = self.fake.ask("GET", f"/_fake/tasks?contains={word}")["tasks"]
        assert len(found) == count, found
        return found[0] if found else None

    def change(self, task, **change):
        return self.fake.ask("POST", f"/_fake/tasks/{task['id']}", change)

    def call_back(self, task, **want):
        return self.fake.ask("POST", f"/_fake/tasks/{task['id']}/callback", want)["statuses"]


@pytest.fixture(scope="module")
def jobs(world):
    port = env.free_port()
    with world.front("lighttpd", own_database=True, port=port, public_url=f"http://127.0.0.1:{port}", allow_private_webhooks="yes") as front:
        jobs = Jobs(world, front)
        yield jobs
        jobs.verify()


@pytest.fixture(scope="module")
def customer():
    customer = Customer()
    yield customer
    customer.close()


@pytest.fixture
def account(jobs):
    with jobs.account() as account:
        yield account


def create(account, catalog_model="wan-2.7", script=None, word=None, callback=None, **fields):
    """createTask with a prompt that has `word`; by default a task that ends when somebody asks."""
    rule = {"callback": False, **(script or {})}
    field = {"prompt": f"{word or new_word()} [[fake:{json.dumps(rule)}]]", **fields}
    body = {"model": catalog_model, "input": {k: v for k, v in field.items() if v is not None}}
    if callback:
        body["callBackUrl"] = callback
    return account.api.post("/v1/jobs/createTask", body)


def made(answer):
    assert answer.status == 200, answer
    body = answer.json
    assert body["code"] == 200 and body["msg"] == "success" and body["data"]["recordId"] == answer.headers["x-request-id"]
    return body["data"]["taskId"]


def record(account, number, path="/v1/jobs/recordInfo"):
    answer = account.api.get(f"{path}?taskId={number}")
    assert answer.status == 200, answer
    return exact(answer)["data"]


def ended(account, number):
    return wait_until(lambda: (r := record(account, number))["state"] in ("success", "fail") and r, f"{number} does not end")


def refused(answer, status, code=None):
    """An error in both forms: kie.ai's and OpenAI's."""
    assert answer.status == status, answer
    body = answer.json
    assert body["code"] == status and body["data"] is None and body["msg"] == body["error"]["message"]
    if code:
        assert body["error"]["code"] == code, body
    return body["error"]


def check_unit_charge(usage):
    """The charge of a job, worked out again from what GET /v1/usage/{id} says."""
    sums = usage["arithmetic"]
    raw = (sums["quantity"] * sums["unit_usd"] * (1 + sums["markup"])).quantize(NINE, ROUND_HALF_UP)
    assert sums["subtotal_usd"] == sums["quantity"] * sums["unit_usd"]
    assert usage["charge_usd"] == sums["charge_usd"] == min(raw, sums["hold_usd"]), usage
    assert sums["absorbed_usd"] == raw - usage["charge_usd"]
    return usage["charge_usd"]


class TestLifeOfAJob:
    def test_held_polled_charged(self, jobs, account):
        word = new_word()
        answer = create(account, "wan-2.7", {"record": ["queuing", "generating", "success"]}, word, duration=4)
        number = made(answer)
        assert answer.headers["x-aig-provider"] == "kie"
        assert [h["hold_usd"] for h in account.holds()] == [Decimal("0.32") * (1 + account.markup())]
        assert record(account, number)["state"] == "waiting"
        jobs.poll(number)
        assert record(account, number)["state"] == "queuing"
        jobs.poll(number)
        found = record(account, number)
        assert found["state"] == "generating" and found["creditsConsumed"] is None and found["completeTime"] is None
        jobs.poll(number)
        found = record(account, number)
        task = jobs.upstream(word)
        assert found["state"] == "success" and json.loads(found["resultJson"])["resultUrls"][0].startswith("https://files.example.org/")
        assert json.loads(found["param"]) == {"model": "wan-2.7", "input": {"resolution": "720p", "duration": 4}}
        usage = account.usage(answer)
        assert check_unit_charge(usage) == found["creditsConsumed"] == account.spent() == Decimal("0.32") * (1 + account.markup())
        assert (usage["arithmetic"]["unit"], usage["arithmetic"]["variant"]) == ("second", "resolution=720p")
        assert not account.holds() and jobs.poll(number) and account.spent() == found["creditsConsumed"]
        # what makes the price was said to the provider, though the customer left it out
        assert task["body"] == {"model": "wan/2-7-text-to-video", "input": {**task["body"]["input"], "resolution": "720p", "duration": 4},
                                "callBackUrl": f"{jobs.stack.url}/api/v1/callbacks/kie/{number}"}
        shown = json.dumps(account.api.get(f"/v1/jobs/recordInfo?taskId={number}").json) + json.dumps(account.api.get("/v1/jobs").json)
        assert task["id"] not in shown

    def test_failure_costs_nothing(self, jobs, account):
        answer = create(account, script={"state": "fail", "fail_code": "422", "msg": "The prompt was refused."})
        number = made(answer)
        jobs.poll(number)
        found = record(account, number)
        assert (found["state"], found["failCode"], found["failMsg"]) == ("fail", "422", "The prompt was refused.")
        assert account.spent() == 0 and found["creditsConsumed"] == 0 and not account.holds()
        assert account.usage(answer)["status"] == "upstream_error"

    @pytest.mark.parametrize("model", ["wan-2.7", "mureka", "musicgen", "recraft"])
    def test_long_words_of_a_provider(self, jobs, account, model):
        """They are cut, at a character: half of one would be no text for the database, and the job would never end."""
        words = "xy" + "\u56fe" * 300
        script = {"status": 400, "error": {"message": words}} if model == "recraft" else {"state": "fail", "msg": words}
        number = made(create(account, model, script))
        if model != "recraft":
            jobs.poll(number)
        found = ended(account, number)
        assert found["state"] == "fail" and 100 < len(found["failMsg"]) < 300 and words.startswith(found["failMsg"])
        assert account.spent() == 0 and not account.holds()

    def test_trouble_in_between_is_no_end(self, jobs, account):
        """Whatever kie.ai answers for a while, the job stays open and is asked after again."""
        trouble = [{"status": 500}, {"body": "<html>", "content_type": "text/html"}, {"code": 429}, {"code": 401}, {"code": 455}, {"code": 505},
                   {"drop": "hard"}, {"set": {"/data/taskId": "another"}}, {"set": {"/data/state": "odd"}}, {"code": 422}, "success"]
        number = made(create(account, script={"record": trouble}))
        for _ in trouble[:-1]:
            jobs.poll(number)
            assert record(account, number)["state"] == "waiting" and len(account.holds()) == 1
        jobs.poll(number)
        assert record(account, number)["state"] == "success" and account.spent() > 0

    def test_success_without_files_is_a_failure(self, jobs, account):
        number = made(create(account, script={"result": {"resultUrls": []}}))
        jobs.poll(number)
        assert record(account, number)["failCode"] == "no_result" and account.spent() == 0

    def test_list(self, jobs, account):
        numbers = [made(create(account)) for _ in range(3)]
        jobs.poll(numbers[0])
        page = account.api.get("/v1/jobs?limit=2").json
        assert [j["taskId"] for j in page["data"]] == numbers[:0:-1] and page["has_more"]
        last = account.api.get(f"/v1/jobs?limit=2&after={page['next']}").json
        assert [j["taskId"] for j in last["data"]] == numbers[:1] and not last["has_more"] and last["next"] is None
        assert last["data"][0]["resultUrls"] and last["data"][0]["state"] == "success" and last["data"][0]["model"] == "wan-2.7"
        assert [j["taskId"] for j in account.api.get("/v1/jobs?state=open").json["data"]] == numbers[:0:-1]
        assert account.new_key().api.get("/v1/jobs").json["data"] == []
        assert len(account.signed_in().get("/v1/jobs").json["data"]) == 3
        assert account.api.get("/v1/jobs?state=odd").status == 400
        for number in numbers[1:]:
            jobs.poll(number)

    def test_others_do_not_see_it(self, jobs, account):
        number = made(create(account))
        with jobs.account() as other:
            refused(other.api.get(f"/v1/jobs/recordInfo?taskId={number}"), 404)
        refused(account.api.get("/v1/jobs/recordInfo?taskId=tsk_1"), 404)
        refused(account.api.get("/v1/jobs/recordInfo"), 400)
        jobs.poll(number)

    def test_dry_run_takes_nothing(self, jobs, account):
        number = made(create(account))
        jobs.db.rows("UPDATE job SET due = UTC_TIMESTAMP(6) WHERE id = %s", number)
        assert number in jobs.cron("poll-jobs", "--dry-run", "-v")
        assert record(account, number)["state"] == "waiting"
        jobs.poll(number)
        assert record(account, number)["state"] == "success"


# What is paid for: kie.ai's price list, and those of Recraft, Mureka and Replicate.
PRICED = [
    ("flux-kontext-pro", {}, "image", 1, "0.025"), ("flux-kontext-pro", {"model": "flux-kontext-max"}, "image", 1, "0.05"),
    ("nano-banana", {}, "image", 1, "0.02"), ("nano-banana-pro", {}, "image", 1, "0.09"),
    ("nano-banana-pro", {"resolution": "4K"}, "image", 1, "0.12"), ("gpt-image", {}, "image", 1, "0.03"),
    ("gpt-image", {"resolution": "4K"}, "image", 1, "0.08"), ("ideogram-v3", {"num_images": "3"}, "image", 3, "0.035"),
    ("ideogram-v3", {"rendering_speed": "TURBO"}, "image", 1, "0.0175"), ("qwen-image", {"image_size": "landscape_4_3"}, "megapixel", 1, "0.02"),
    ("veo-3.1", {}, "video", 1, "1.25"), ("veo-3.1", {"model": "veo3_fast"}, "video", 1, "0.3"),
    ("veo-3.1", {"model": "veo3_lite", "resolution": "1080p"}, "video", 1, "0.175"), ("runway-aleph", {}, "video", 1, "0.55"),
    ("seedance-2", {"duration": 4, "resolution": "480p"}, "second", 4, "0.095"), ("wan-2.7", {"resolution": "1080p", "duration": 2}, "second", 2, "0.12"),
    ("kling-3.0", {"duration": "4"}, "second", 4, "0.07"), ("kling-3.0", {"sound": True, "mode": "pro", "duration": 3}, "second", 3, "0.135"),
    ("suno-v6", {}, "request", 1, "0.06"), ("suno-v4.5-plus", {}, "request", 1, "0.06"),
    ("elevenlabs-tts", {"text": "a" * 1234}, "kchar", "1.234", "0.06"),
    ("recraft", {"n": 2}, "image", 2, "0.04"), ("recraft", {"style": "vector_illustration"}, "image", 1, "0.08"),
    ("mureka", {"n": 1}, "song", 1, "0.045"),
]


class TestPrices:
    @pytest.mark.parametrize("model,fields,unit,quantity,usd", PRICED)
    def test_by_unit_and_variant(self, jobs, account, model, fields, unit, quantity, usd):
        answer = create(account, model, **fields)
        number = made(answer)
        if model != "recraft":
            jobs.poll(number)
        assert ended(account, number)["state"] == "success"
        usage = account.wait_usage(answer)
        sums = usage["arithmetic"]
        assert (sums["unit"], sums["quantity"], sums["unit_usd"]) == (unit, Decimal(quantity), Decimal(usd)), sums
        assert check_unit_charge(usage) == account.spent() == sums["hold_usd"]

    @pytest.mark.parametrize("model,fields,param", [
        ("wan-2.7", {"resolution": "8K"}, "input"), ("wan-2.7", {"duration": 99}, "input.duration"), ("wan-2.7", {"duration": "x"}, "input.duration"),
        ("nano-banana", {"num_images": 4}, "input.num_images"), ("nano-banana", {"resolution": "4K"}, "input.resolution"),
        ("kling-3.0", {"sound": "loud"}, "input.sound"), ("qwen-image", {"image_size": "huge"}, "input.image_size"),
        ("veo-3.1", {"model": "veo9"}, "input"), ("recraft", {"n": 7}, "input.n"), ("mureka", {"model": "mureka-99"}, "input"),
        ("elevenlabs-tts", {}, "input.text"),
    ])
    def test_what_has_no_price_is_not_sold(self, account, model, fields, param):
        assert refused(create(account, model, **fields), 400)["param"] == param
        assert not account.holds() and account.me()["balance_usd"] == 10

    def test_metered_by_the_provider(self, jobs, account):
        """MusicGen: seconds of a machine, known at the end; Seedance with video input: what kie.ai has taken."""
        answer = create(account, "musicgen", {"took": 12.3456}, duration=10)
        number = made(answer)
        held = account.holds()[0]["hold_usd"]
        jobs.poll(number)
        usage = account.usage(answer)
        assert usage["arithmetic"]["quantity"] == Decimal("12.346") and usage["provider"] == "replicate"
        assert check_unit_charge(usage) < held
        answer = create(account, "seedance-2", {"credits": 100}, duration=5, resolution="720p", reference_video_urls=["https://example.org/a.mp4"])
        number = made(answer)
        jobs.poll(number)
        usage = account.usage(answer)
        assert Decimal("0.5") <= usage["arithmetic"]["subtotal_usd"] < Decimal("0.501")
        check_unit_charge(usage)

    def test_dearer_than_priced_shows(self, jobs, account):
        """What the provider took is noted; an operator sees what was sold below cost."""
        number = made(create(account, "wan-2.7", {"credits": 1000}, duration=2))
        jobs.poll(number)
        assert jobs.db.value("SELECT below_cost FROM v_job WHERE task_id = %s", number) == 1
        jobs.db.rows("UPDATE job SET upstream_cost_usd = NULL WHERE id = %s", number)

    def test_a_model_off_the_list_of_the_key(self, jobs, account):
        """The same 403 as for a chat; nothing is held and the provider is not asked."""
        made_key = account.signed_in().post("/v1/keys", {"name": "images", "models": ["wan-2.7", "gpt-4o-mini"]}).json
        key, word = account.api.with_key(made_key["key"]), new_word()
        answer = key.post("/v1/jobs/createTask", {"model": "suno-v6", "input": {"prompt": word}})
        error = refused(answer, 403, "model_not_allowed")
        assert error["param"] == "model" and "'suno-v6'" in error["message"] and "wan-2.7" in error["message"] and "gpt-4o-mini" in error["message"]
        assert not account.holds() and not jobs.fake.ask("GET", f"/_fake/tasks?contains={word}")["tasks"]
        made(key.post("/v1/jobs/createTask", {"model": "wan-2.7", "input": {"prompt": word}}))

    def test_limits_before_the_provider(self, jobs):
        word = new_word()
        with jobs.account(usd="1") as account:
            refused(create(account, "veo-3.1", word=word), 402, "insufficient_credits")
            account.set_cap("key", "0.1")
            refused(create(account, "wan-2.7", word=word), 402)
            jobs.upstream(word, count=0)
            assert not account.holds()

    def test_a_price_is_needed(self, jobs, account):
        refused(create(account, "runway", quality="720p", duration=5), 404, "model_not_found")


class TestModels:
    def test_withdrawn_without_a_successor(self, account):
        error = refused(create(account, "sora-2-pro"), 404, "model_not_found")
        assert "veo-3.1" in error["message"] and "withdrawn" in error["message"]

    def test_withdrawn_with_a_successor(self, jobs, account):
        word = new_word()
        answer = create(account, "suno-v4.5-plus", word=word, model="V4_5PLUS")
        assert answer.headers["x-aig-model-substituted"] == "suno-v4.5-plus"
        assert jobs.upstream(word)["body"]["input"]["model"] == "V6"
        jobs.poll(made(answer))

    def test_kie_names(self, jobs, account):
        word = new_word()
        number = made(create(account, "wan/2-7-text-to-video", word=word, duration=2))
        assert record(account, number)["model"] == "wan/2-7-text-to-video"
        jobs.poll(number)

    def test_not_for_jobs(self, account):
        refused(create(account, "gpt-4o-mini"), 400)
        refused(create(account, "no-such-model"), 404, "model_not_found")
        assert account.api.chat(model="veo-3.1").status in (400, 404)

    @pytest.mark.parametrize("path,body,query,state", [
        ("/v1/veo/generate", {"model": "veo3_fast"}, "/v1/veo/record-info", ("successFlag", 0, 1)),
        ("/v1/generate", {"customMode": False, "instrumental": False, "model": "V6"}, "/v1/generate/record-info", ("status", "PENDING", "SUCCESS")),
        ("/v1/flux/kontext/generate", {"model": "flux-kontext-max"}, "/v1/flux/kontext/record-info", ("successFlag", 0, 1)),
        ("/v1/aleph/generate", {"videoUrl": "https://example.org/in.mp4"}, "/v1/aleph/record-info", ("successFlag", 0, 1)),
    ])
    def test_old_paths(self, jobs, account, path, body, query, state):
        word = new_word()
        rule = json.dumps({"callback": False})
        answer = account.api.post(path, {**body, "prompt": f"{word} [[fake:{rule}]]"})
        number = made(answer)
        field, before, after = state
        assert record(account, number, query)[field] == before
        jobs.poll(number)
        found = record(account, number, query)
        assert found[field] == after and "https://files.example.org/" in str(found["response"])
        check_unit_charge(account.usage(answer))
        assert jobs.upstream(word)["id"] not in str(found)

    def test_old_paths_without_a_price(self, account):
        refused(account.api.post("/v1/runway/generate", {"prompt": "x", "duration": 5, "quality": "720p"}), 404)
        refused(account.api.post("/v1/gpt4o-image/generate", {"prompt": "x", "size": "1:1"}), 404)

    def test_price_set_by_the_operator(self, jobs, account):
        jobs.db.call("set_unit_price", "gpt-4o-image", "nVariants=1", "request", "0.03", None)
        answer = account.api.post("/v1/gpt4o-image/generate", {"prompt": f"x [[fake:{json.dumps({'callback': False})}]]", "size": "1:1"})
        number = made(answer)
        jobs.poll(number)
        found = record(account, number, "/v1/gpt4o-image/record-info")
        assert found["status"] == "SUCCESS" and account.usage(answer)["arithmetic"]["unit_usd"] == Decimal("0.03")

    @pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"model":"wan-2.7"}', b'{"model":5,"input":{}}', b'{"model":"wan-2.7","input":[]}', b"null"])
    def test_bad_bodies(self, account, body):
        refused(account.api.post("/v1/jobs/createTask", body, headers={"Content-Type": "application/json"}), 400)

    def test_without_a_key(self, jobs):
        assert refused(jobs.api.post("/v1/jobs/createTask", {}), 401)


class TestProviderRefuses:
    @pytest.mark.parametrize("code,status", KIE_ERRORS.items())
    def test_kie_says_200_but_means_no(self, account, code, status):
        answer = create(account, script={"code": code, "msg": f"told {code} r8_{'a' * 30}"})
        error = refused(answer, status)
        assert "a" * 30 not in json.dumps(answer.json) and not account.holds()
        assert ("told" in error["message"]) == (code == 422)
        assert account.usage(answer)["charge_usd"] == 0

    @pytest.mark.parametrize("model", ["wan-2.7", "mureka", "musicgen"])
    def test_long_words(self, account, model):
        words = "xy" + "\u56fe" * 300
        rule = {"code": 422, "msg": words} if model == "wan-2.7" else {"status": 422, "error": {"message": words}}
        error = refused(create(account, model, rule), 422)
        assert 100 < len(error["message"]) < 300 and words.startswith(error["message"])
        assert not account.holds()

    @pytest.mark.parametrize("rule", [{"body": "<html>", "content_type": "text/html"}, {"status": 502, "body": ""}, {"drop": "close"}, {"drop": "hard"},
                                      {"set": {"/data": None}}, {"set": {"/data/taskId": 5}}])
    def test_nobody_knows_whether_it_was_made(self, jobs, account, rule):
        """The task may exist: the customer gets it, and either a callback tells or it is dropped in the end."""
        number = made(create(account, script=rule))
        assert len(account.holds()) == 1
        jobs.poll(number)
        assert record(account, number)["state"] == "waiting" and len(account.holds()) == 1
        jobs.db.rows("UPDATE job SET created_at = created_at - INTERVAL 2 HOUR, due = UTC_TIMESTAMP(6) WHERE id = %s", number)
        jobs.poll(number)
        assert record(account, number)["failCode"] == "not_confirmed" and account.spent() == 0

    @pytest.mark.parametrize("model,rule,status", [("mureka", {"status": 402}, 502), ("mureka", {"status": 400, "error": {"message": "no lyrics"}}, 400),
                                                   ("mureka", {"status": 429}, 503), ("replicate", {"status": 422}, 422),
                                                   ("mureka", {"body": "garbage"}, 502)])
    def test_plain_http(self, account, model, rule, status):
        model = {"replicate": "musicgen"}.get(model, model)
        refused(create(account, model, rule), status)
        assert not account.holds()

    @pytest.mark.parametrize("rule,code", [({"status": 400, "error": {"message": "bad style"}}, "400"), ({"status": 500}, None), ({"body": "garbage"}, None)])
    def test_recraft_after_the_answer(self, jobs, account, rule, code):
        number = made(create(account, "recraft", rule))
        found = ended(account, number)
        assert found["state"] == "fail" and account.spent() == 0
        if code:
            assert (found["failCode"], found["failMsg"]) == (code, "bad style")


class TestCallbacks:
    def test_ends_a_job_and_tells_the_customer(self, jobs, account, customer):
        word = new_word()
        answer = create(account, script={"callback": "right"}, word=word, callback=customer.url(word))
        number = made(answer)
        found = ended(account, number)
        assert found["state"] == "success" and "forged" not in str(found)
        sent = wait_until(lambda: customer.of(word), "the customer is not told")
        assert len(sent) == 1
        body = exact(sent[0][2].decode())
        assert body["code"] == 200 and body["data"]["taskId"] == number and body["data"]["state"] == "success"
        assert body["data"]["creditsConsumed"] == found["creditsConsumed"] == check_unit_charge(account.usage(answer))
        assert body["data"]["resultJson"] == found["resultJson"] and jobs.upstream(word)["id"] not in sent[0][2].decode()
        assert "webhook-signature" in sent[0][1] and "x-webhook-signature" in sent[0][1]

    @pytest.mark.parametrize("want", [{"kind": "wrong"}, {"kind": "unsigned"}, {"kind": "other"}, {"age": 400}, {"age": -400}])
    def test_not_believed(self, jobs, account, want):
        word = new_word()
        number = made(create(account, word=word))
        assert jobs.call_back(jobs.upstream(word), **want) == [403]
        assert record(account, number)["state"] == "waiting"
        jobs.poll(number)

    def test_repeated_ones_are_refused(self, jobs, account):
        word = new_word()
        number = made(create(account, script={"record": ["generating", "success"]}, word=word))
        assert jobs.call_back(jobs.upstream(word), times=3) == [200, 403, 403]
        assert record(account, number)["state"] == "generating"
        jobs.poll(number)
        spent = account.spent()
        assert spent > 0 and jobs.call_back(jobs.upstream(word), age=-2) == [200]
        assert account.spent() == spent
        assert "callback refused: repeated" in jobs.front.log()

    def test_the_body_is_not_believed(self, jobs, account):
        """It says success; kie.ai, asked, says that the task has failed."""
        word = new_word()
        number = made(create(account, script={"state": "fail"}, word=word))
        assert jobs.call_back(jobs.upstream(word)) == [200]
        assert record(account, number)["state"] == "fail" and account.spent() == 0

    def test_lookup_fails_then_poll(self, jobs, account):
        word = new_word()
        number = made(create(account, script={"record": [{"status": 500}, "success"]}, word=word))
        assert jobs.call_back(jobs.upstream(word)) == [503]
        assert record(account, number)["state"] == "waiting"
        jobs.poll(number)
        assert record(account, number)["state"] == "success"

    def test_of_another_job(self, jobs, account):
        """Rightly signed, but for another task than the path's job."""
        words = [new_word(), new_word()]
        numbers = [made(create(account, word=w)) for w in words]
        first, second = (jobs.upstream(w) for w in words)
        assert first["callBackUrl"].endswith(numbers[0]) and second["id"] != first["id"]
        from_first = jobs.fake.ask("POST", f"/_fake/tasks/{first['id']}", {"state": "success"})
        assert from_first["id"] == first["id"]
        headers, body = signed(first["id"])
        answer = jobs.api.call("POST", f"/v1/callbacks/kie/{numbers[1]}", body, headers)
        assert answer.status == 403
        assert record(account, numbers[1])["state"] == "waiting"
        for number in numbers:
            jobs.poll(number)

    @pytest.mark.parametrize("path", ["/v1/callbacks/kie/tsk_1", "/v1/callbacks/recraft/x", "/v1/callbacks/odd/x"])
    def test_unknown(self, jobs, path):
        headers, body = signed("some-task")
        assert jobs.api.call("POST", path, body, headers).status == 404
        assert jobs.api.call("POST", path, b"garbage").status in (403, 404)

    @pytest.mark.parametrize("url,why", [("ftp://example.org/x", "http"), ("http://u:p@example.org/", ""), ("x" * 3000, ""), (5, "")])
    def test_bad_addresses(self, account, url, why):
        error = refused(create(account, callback=url), 400)
        assert error["param"] == "callBackUrl" and why in error["message"]

    def test_private_addresses(self, world):
        with world.account() as account:
            for url in ("http://127.0.0.1/x", "http://10.1.2.3/", "http://[::1]/", "http://localhost/x", "http://169.254.169.254/latest"):
                assert refused(create(account, callback=url), 400)["param"] == "callBackUrl"


def signed(task):
    import base64
    import hashlib
    import hmac
    import time

    stamp = str(int(time.time()))
    mac = hmac.new(b"fake-kie-webhook-key", f"{task}.{stamp}".encode(), hashlib.sha256).digest()
    return ({"X-Webhook-Timestamp": stamp, "X-Webhook-Signature": base64.b64encode(mac).decode(), "Content-Type": "application/json"},
            json.dumps({"code": 200, "data": {"taskId": task}}))


class TestOneOutcome:
    def test_callbacks_and_polls_at_once(self, jobs, customer):
        """Two pollers and repeated callbacks for every job, all at the same time."""
        with jobs.account() as account, ThreadPoolExecutor(16) as pool:
            words = [new_word() for _ in range(8)]
            answers = list(pool.map(lambda w: create(account, "kling-3.0", word=w, callback=customer.url(w), duration=3), words))
            numbers = [made(a) for a in answers]
            tasks = [jobs.upstream(w) for w in words]
            jobs.db.rows("UPDATE job SET due = UTC_TIMESTAMP(6) WHERE account_id = %s", account.id)
            running = [pool.submit(jobs.call_back, t, times=3, at_once=True) for t in tasks]
            running += [pool.submit(jobs.cron, "poll-jobs") for _ in range(3)]
            for run in running:
                run.result()
            jobs.poll()
            for answer, number, word in zip(answers, numbers, words):
                assert record(account, number)["state"] == "success"
                check_unit_charge(account.usage(answer))
                wait_until(lambda word=word: customer.of(word), "the customer is not told")
            jobs.cron("drain-webhooks")
            assert [len(customer.of(w)) for w in words] == [1] * len(words)
            charges = jobs.db.rows("SELECT reference, COUNT(*) AS n FROM ledger WHERE account_id = %s AND kind = 'charge' GROUP BY 1", account.id)
            assert sorted(c["reference"] for c in charges) == sorted(a.headers["x-request-id"] for a in answers)
            assert all(c["n"] == 1 for c in charges)
            assert account.spent() == 8 * Decimal("0.21") * (1 + account.markup())

    def test_the_sweeper_leaves_open_jobs(self, jobs, account):
        number = made(create(account))
        jobs.db.rows("UPDATE hold SET created_at = created_at - INTERVAL 1 DAY WHERE account_id = %s", account.id)
        jobs.cron("release-holds")
        assert len(account.holds()) == 1
        jobs.poll(number)
        assert account.spent() > 0

    def test_too_old(self, jobs, account):
        number = made(create(account, script={"state": "generating"}))
        jobs.db.rows("UPDATE job SET created_at = created_at - INTERVAL 15 DAY WHERE id = %s", number)
        jobs.poll(number)
        assert record(account, number)["failCode"] == "expired" and account.spent() == 0


class TestIdempotencyKey:
    def order(self, account, name, word, model="wan-2.7", script=None, **fields):
        rule = json.dumps({"callback": False, **(script or {})})
        body = {"model": model, "input": {"prompt": f"{word} [[fake:{rule}]]", **fields}}
        return account.api.post("/v1/jobs/createTask", body, headers={"Idempotency-Key": name})

    def test_made_once(self, jobs, account):
        word = new_word()
        with ThreadPoolExecutor(6) as pool:
            answers = list(pool.map(lambda _: self.order(account, word, word), range(6)))
        first = next(a for a in answers if a.status == 200)
        assert {a.status for a in answers} <= {200, 409}
        answers = [a for a in answers if a.status == 200] + [self.order(account, word, word) for _ in range(2)]
        assert len({a.body for a in answers}) == 1 and answers[-1].headers["x-aig-idempotent-replay"] == "true"
        assert len({a.headers["x-request-id"] for a in answers}) == 1 and len(account.holds()) == 1
        jobs.upstream(word)
        assert self.order(account, word, word, duration=3).status == 422
        jobs.poll(made(first))
        assert account.spent() == Decimal("0.4") * (1 + account.markup())

    def test_refusals_are_repeated_in_kies_form(self, account):
        word = new_word()
        answers = [self.order(account, word, word, script={"code": 422, "msg": "No."}) for _ in range(2)]
        assert [refused(a, 422)["message"] for a in answers] == ["No.", "No."]
        assert answers[0].body == answers[1].body and "x-aig-idempotent-replay" in answers[1].headers

    def test_recraft(self, jobs, account):
        word = new_word()
        answers = [self.order(account, word, word, model="recraft") for _ in range(2)]
        assert len({made(a) if i == 0 else a.json["data"]["taskId"] for i, a in enumerate(answers)}) == 1
        assert ended(account, made(answers[0]))["state"] == "success"
        jobs.upstream(word)

    def test_killed_in_between(self, world):
        """The owner of the key dies while kie.ai makes the task: the repeat gets the same task, and no second one is made."""
        gate = Gate()
        port = env.free_port()
        with world.front("lighttpd", own_database=True, port=port, public_url=f"http://127.0.0.1:{port}", kie_url=gate.url) as front:
            jobs = Jobs(world, front)
            with jobs.account() as account, ThreadPoolExecutor(1) as pool:
                running = pool.submit(self.order, account, "once", "x")
                gate.next()
                jobs.stack.kill_gateway()
                assert running.result().status in (500, 502, 503)
                jobs.stack.restart_gateway()
                jobs.db.rows("UPDATE idempotency SET lease_until = UTC_TIMESTAMP(6) - INTERVAL 1 SECOND")
                number = self.order(account, "once", "x").json["data"]["taskId"]
                assert gate.calls.empty() and jobs.db.one("SELECT id FROM job")["id"] == number and len(account.holds()) == 1
                jobs.db.rows("UPDATE job SET created_at = created_at - INTERVAL 2 HOUR, due = UTC_TIMESTAMP(6)")
                jobs.cron("poll-jobs")
                assert account.spent() == 0
            jobs.verify()
        gate.close()


class TestKilled:
    """kill -9 of the gateway around the creation."""

    @pytest.fixture
    def gated(self, world):
        gate = Gate()
        port = env.free_port()
        with world.front("lighttpd", own_database=True, port=port, public_url=f"http://127.0.0.1:{port}", kie_url=gate.url) as front:
            jobs = Jobs(world, front)
            yield jobs, gate
            jobs.verify()
        gate.close()

    def order(self, jobs, gate, account):
        """A job whose creation kie.ai has got, but not answered, when the gateway dies: (id, callback path, the call)."""
        with ThreadPoolExecutor(1) as pool:
            running = pool.submit(account.api.post, "/v1/jobs/createTask", {"model": "wan-2.7", "input": {"prompt": "x", "duration": 2}})
            call = gate.next()
            jobs.stack.kill_gateway()
            assert running.result().status in (500, 502, 503)
        jobs.stack.restart_gateway()
        row = jobs.db.one("SELECT id, state FROM job")
        assert row["state"] == "creating" and len(account.holds()) == 1
        assert call.json["callBackUrl"].endswith(f"/api/v1/callbacks/kie/{row['id']}")
        return row["id"]

    def test_adopted_by_a_callback(self, gated):
        jobs, gate = gated
        with jobs.account() as account:
            number = self.order(jobs, gate, account)
            jobs.cron("release-holds")
            jobs.cron("poll-jobs")
            assert len(account.holds()) == 1
            headers, body = signed("made-all-the-same")
            with ThreadPoolExecutor(1) as pool:
                running = pool.submit(jobs.api.call, "POST", f"/v1/callbacks/kie/{number}", body, headers)
                asked = gate.next()
                assert "taskId=made-all-the-same" in asked.head
                asked.answer({"code": 200, "data": {"taskId": "made-all-the-same", "state": "success",
                                                    "resultJson": '{"resultUrls":["https://files.example.org/a.mp4"]}'}})
                assert running.result().status == 200
            assert record(account, number)["state"] == "success" and account.spent() == Decimal("0.16") * (1 + account.markup())

    def test_released_in_the_end(self, gated):
        jobs, gate = gated
        with jobs.account() as account:
            number = self.order(jobs, gate, account)
            jobs.db.rows("UPDATE job SET created_at = created_at - INTERVAL 2 HOUR, due = UTC_TIMESTAMP(6) WHERE id = %s", number)
            jobs.cron("poll-jobs")
            assert record(account, number)["failCode"] == "not_confirmed" and account.spent() == 0
            # and a callback that comes after all changes nothing
            headers, body = signed("made-all-the-same")
            assert jobs.api.call("POST", f"/v1/callbacks/kie/{number}", body, headers).status == 403
            assert account.spent() == 0

    def test_in_the_middle_of_a_callback(self, gated):
        """The gateway dies while it asks kie.ai: the poller ends the job, once."""
        jobs, gate = gated
        with jobs.account() as account, ThreadPoolExecutor(1) as pool:
            running = pool.submit(account.api.post, "/v1/jobs/createTask", {"model": "wan-2.7", "input": {"prompt": "x", "duration": 2}})
            gate.next().answer({"code": 200, "data": {"taskId": "t1"}})
            number = made(running.result())
            headers, body = signed("t1")
            running = pool.submit(jobs.api.call, "POST", f"/v1/callbacks/kie/{number}", body, headers)
            gate.next()
            jobs.stack.kill_gateway()
            running.exception()
            jobs.stack.restart_gateway()
            assert len(account.holds()) == 1 and record(account, number)["state"] == "waiting"
            done = {"code": 200, "data": {"taskId": "t1", "state": "success", "resultJson": '{"resultUrls":["https://files.example.org/a.mp4"]}'}}
            polling = pool.submit(jobs.poll, number)
            gate.next().answer(done)
            polling.result()
            assert record(account, number)["state"] == "success" and account.spent() == Decimal("0.16") * (1 + account.markup())
