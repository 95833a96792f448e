# SPDX-License-Identifier: Apache-2.0
"""What people do with the dashboard, from signing up to the last cent."""

import http.server
import re
import threading
from decimal import Decimal

import openai
import pytest
from browser_fixtures import GUARD_MS, PASSWORD
from fake_stripe import event, paid_session, signature
from playwright.sync_api import expect
from world import wait_until

MODEL = "gpt-4o-mini"


def client_of(site, key):
    return openai.OpenAI(base_url=site.stack.base_url, api_key=key, timeout=GUARD_MS / 1000, max_retries=0)


def ask(site, key, content="hello", **fields):
    """One call with the SDK: (answer, what it cost as the header has it, request id)."""
    with client_of(site, key) as client:
        raw = client.chat.completions.with_raw_response.create(model=MODEL, messages=[{"role": "user", "content": content}], **fields)
    return raw.parse(), raw.headers["X-AI-Credits-Charged"], raw.headers["x-request-id"]


def shown(amount):
    """An amount of the API as the page writes it: every digit, two decimals at least."""
    whole, _, part = f"{Decimal(amount):f}".partition(".")
    return f"${int(whole):,}.{part.rstrip('0').ljust(2, '0')}"


def row_of(page, text):
    return page.locator("main tbody tr").filter(has_text=text)


def choose(page, who, action):
    """An entry of the menu behind "⋯"."""
    page.get_by_role("button", name=f"Actions for {who}").click()
    page.locator(".menu:popover-open").get_by_role("button", name=action, exact=True).click()


def test_from_sign_up_to_the_cap(site, person):
    ann = person("Ann").sign_up()
    page = ann.page
    expect(page.get_by_role("region", name="Balance")).to_contain_text("$10.00")
    expect(page.locator("main")).to_contain_text("No call has been made yet.")

    key = ann.make_key("laptop", cap="0.001")
    expect(row_of(page, "laptop")).to_contain_text("$0.00 of $0.001 in total")
    expect(page.locator("body")).not_to_contain_text(key)

    answer, cost, request_id = ask(site, key, "hello there", max_tokens=100)
    assert "hello there" in answer.choices[0].message.content
    with client_of(site, key) as client, pytest.raises(openai.APIStatusError) as refused:
        client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": "hello"}], max_tokens=16000)
    assert refused.value.status_code == 402 and refused.value.code == "key_cap_exceeded"

    ann.go("usage")
    call = row_of(page, MODEL)
    expect(call).to_have_count(1)
    expect(call).to_contain_text(shown(cost))
    call.get_by_role("button").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.locator(".big-charge")).to_have_text(shown(cost))
    expect(dialog).to_contain_text(request_id)
    expect(dialog.get_by_role("row", name=re.compile("^Charge"))).to_contain_text(shown(cost))
    page.keyboard.press("Escape")

    # exactly what was spent is the cap: nothing is left
    ann.go("keys")
    choose(page, "laptop", "Edit")
    page.get_by_role("dialog").get_by_label("Cap in US dollars").fill(f"{Decimal(cost):f}")
    page.get_by_role("dialog").get_by_role("button", name="Save").click()
    expect(row_of(page, "laptop")).to_contain_text("cap reached")
    expect(row_of(page, "laptop").get_by_role("meter")).to_have_attribute("aria-valuenow", "100")
    with client_of(site, key) as client, pytest.raises(openai.APIStatusError) as refused:
        client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": "hello"}], max_tokens=1)
    assert refused.value.status_code == 402 and refused.value.code == "key_cap_exceeded"

    ann.go("overview")
    expect(page.get_by_role("region", name="Balance")).to_contain_text(shown(Decimal(10) - Decimal(cost)))
    expect(page.get_by_role("region", name="Where it went")).to_contain_text(MODEL)
    expect(page.get_by_role("img", name=re.compile("^Spend a day: " + re.escape(shown(cost))))).to_be_visible()


def test_the_table_is_live_and_searched(site, person):
    ann = person("Ann").open_account()
    key = ann.make_key("worker")
    page = ann.page
    page.clock.install()
    ann.go("usage")
    expect(page.locator("main")).to_contain_text("No call has been made yet.")
    _, _, first = ask(site, key)
    page.clock.run_for(6000)
    expect(row_of(page, MODEL)).to_have_count(1)
    _, _, second = ask(site, key)
    page.clock.run_for(6000)
    expect(row_of(page, MODEL)).to_have_count(2)
    page.get_by_label("Search calls").fill(second)
    page.clock.run_for(1000)
    expect(row_of(page, MODEL)).to_have_count(1)
    row_of(page, MODEL).get_by_role("button").click()
    expect(page.get_by_role("dialog")).to_contain_text(second)
    expect(page.get_by_role("dialog")).not_to_contain_text(first)
    page.keyboard.press("Escape")
    page.get_by_label("Search calls").fill("no such call")
    page.clock.run_for(1000)
    expect(page.locator("main")).to_contain_text("No call matches.")
    page.reload()
    expect(page.get_by_label("Search calls")).to_have_value("no such call")


def test_tools_of_the_provider_in_a_charge(site, person):
    ann = person("Ann").open_account()
    page = ann.page
    key = ann.make_key("searcher")
    with client_of(site, key) as client:
        case = "thinking-with-code-execution-tool.0"
        answer = client.responses.create(model="gpt-4o", input=f"add [[fake:replay=openai/openai-responses.{case}]]", tools=[
            {"type": "code_interpreter", "container": {"type": "auto", "memory_limit": "4g"}}, {"type": "web_search"}])
    ann.go("usage")
    row_of(page, "gpt-4o").get_by_role("button").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.locator(".big-charge")).to_have_text(shown(str(answer.usage.cost)))
    tool = dialog.get_by_role("row", name=re.compile("^Code interpreter"))
    expect(tool).to_contain_text("/ container of 4 GB")
    expect(tool).to_contain_text("0.12")
    expect(dialog.get_by_role("row", name=re.compile("^Web search"))).to_have_count(0)
    expect(dialog).to_contain_text("sum(tools x price)")


def test_keys(site, person):
    ann = person("Ann").open_account()
    page = ann.page
    old = ann.make_key("ci", cap="5")
    choose(page, "ci", "Rotate")
    page.get_by_role("dialog").get_by_role("button", name="Rotate").click()
    fresh = page.get_by_label("The new key").inner_text()
    page.get_by_role("button", name="I have stored it").click()
    assert fresh != old
    assert ask(site, fresh)[0]
    with pytest.raises(openai.AuthenticationError):
        ask(site, old)

    choose(page, "ci", "Edit")
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Models", exact=False).first.fill("gpt-4o")
    dialog.get_by_label("Per").select_option("monthly")
    dialog.get_by_label("Expires").fill("2099-12-31")
    dialog.get_by_role("button", name="Save").click()
    expect(row_of(page, "ci")).to_contain_text("gpt-4o")
    expect(row_of(page, "ci")).to_contain_text("a month")
    expect(row_of(page, "ci")).to_contain_text("2099")
    with pytest.raises(openai.APIStatusError):
        ask(site, fresh)

    choose(page, "ci", "Disable")
    expect(row_of(page, "ci")).to_contain_text("disabled")
    with pytest.raises(openai.AuthenticationError):
        ask(site, fresh)
    choose(page, "ci", "Enable")
    expect(row_of(page, "ci")).to_contain_text("active")
    choose(page, "ci", "Delete")
    page.get_by_role("dialog").get_by_role("button", name="Delete key").click()
    expect(page.locator("main")).to_contain_text("A key lets your code call the API.")

    # what cannot be is said beside its field
    page.get_by_role("button", name="New key").click()
    dialog.get_by_label("Name").fill("x")
    dialog.get_by_label("Cap in US dollars").fill("1.5.5")
    dialog.get_by_role("button", name="Create key").click()
    expect(dialog).to_contain_text("An amount such as 5 or 0.25, please.")
    expect(dialog.get_by_label("Cap in US dollars")).to_be_focused()


def test_a_team_of_three(site, person):
    ann, ben, chris = person("Ann").open_account(), person("Ben"), person("Chris")
    page = ann.page
    ann.go("team")
    page.get_by_role("button", name="Make a team").click()
    page.get_by_role("dialog").get_by_label("Name").fill("Research lab")
    page.get_by_role("dialog").get_by_role("button", name="Create team").click()
    expect(page.get_by_role("heading", name="Research lab")).to_be_visible()
    for one, role in ((ben, "Admin"), (chris, "Member")):
        page.get_by_role("button", name="Invite").click()
        dialog = page.get_by_role("dialog")
        dialog.get_by_label("E-mail").fill(one.email)
        dialog.get_by_label("Role").select_option(label=role)
        dialog.get_by_role("button", name="Send invitation").click()
        expect(page.get_by_role("table", name="Invitations")).to_contain_text(one.email)
    for one in (ben, chris):
        one.page.goto(site.link(one.email, "invite"))
        expect(one.page.locator("main")).to_contain_text("You have been invited to a team.")
        one.sign_up(one.site.url)
        one.page.get_by_role("button", name="Join the team").click()
        expect(one.page.get_by_role("heading", name="Research lab")).to_be_visible()

    page.reload()
    members = page.get_by_role("table", name="Members of Research lab")
    expect(members.locator("tbody tr")).to_have_count(3)
    choose(page, "Chris", "Edit")
    page.get_by_role("dialog").get_by_label("Cap in US dollars").fill("0.5")
    page.get_by_role("dialog").get_by_role("button", name="Save").click()
    expect(members.locator("tr").filter(has_text="Chris")).to_contain_text("$0.00 of $0.50 in total")

    # a member's key is paid by the team
    key = chris.make_key("chris at the lab", team="Research lab")
    _, cost, _ = ask(site, key)
    page.reload()
    expect(members.locator("tr").filter(has_text="Chris")).to_contain_text(f"{shown(cost)} of $0.50")
    ann.go("overview")
    expect(page.get_by_role("region", name="Balance")).to_contain_text(shown(Decimal(10) - Decimal(cost)))
    page.get_by_role("button", name="Member", exact=True).click()
    expect(page.get_by_role("region", name="Where it went")).to_contain_text(chris.email)

    # Chris leaves, and the key with him
    chris.go("team")
    choose(chris.page, "Chris", "Leave")
    chris.page.get_by_role("dialog").get_by_role("button", name="Leave team").click()
    expect(chris.page.locator("main")).to_contain_text("A team shares one balance")
    with pytest.raises(openai.APIStatusError):
        ask(site, key)

    hand_over(ann, ben)


def hand_over(owner, other):
    """Offered by the one, accepted by the other."""
    owner.go("team")
    choose(owner.page, other.name, "Hand over")
    owner.page.get_by_role("dialog").get_by_role("button", name="Offer").click()
    expect(owner.page.get_by_role("table", name=re.compile("^Members"))).to_contain_text("offered")
    other.go("team")
    other.page.get_by_role("button", name="Accept").click()
    other.page.get_by_role("dialog").get_by_role("button", name="Accept").click()
    expect(other.page.locator("main")).to_contain_text("you are the owner")
    expect(other.page.locator("main")).to_contain_text("Paid by you")


def test_sign_out_everywhere(site, person):
    ann = person("Ann").open_account()
    key = ann.make_key("stays")
    other = person("Ann", user_agent="Mozilla/5.0 (iPhone; CPU iPhone OS 19) Safari/605")
    other.email = ann.email
    other.sign_in()
    ann.go("account")
    sessions = ann.page.get_by_role("table", name="Sessions")
    expect(sessions.locator("tbody tr")).to_have_count(2)
    expect(sessions).to_contain_text("Safari on iPhone")
    ann.page.get_by_role("button", name="Sign out everywhere").click()
    ann.page.get_by_role("dialog").get_by_role("button", name="Sign out everywhere").click()
    expect(ann.page.locator("main")).to_contain_text("You are signed out on every device.")
    other.go("keys")
    expect(other.page.locator("main")).to_contain_text("Your session has ended.")
    other.page.reload()
    expect(other.page.get_by_role("heading", name="Sign in")).to_be_visible()
    assert ask(site, key)[0]


def test_one_session_is_ended(site, person):
    ann, other = person("Ann").open_account(), person("Ann", user_agent="Mozilla/5.0 (Windows NT 10.0) Firefox/140.0")
    other.email = ann.email
    other.sign_in()
    ann.go("account")
    ann.page.get_by_role("button", name="End the session on Firefox on Windows").click()
    expect(ann.page.get_by_role("table", name="Sessions").locator("tbody tr")).to_have_count(1)
    other.go("keys")
    expect(other.page.locator("main")).to_contain_text("Your session has ended.")


def test_password_reset(site, person):
    ann = person("Ann").open_account()
    page = ann.page
    ann.go("overview")
    page.get_by_role("button", name="Sign out").click()
    page.get_by_label("E-mail").fill(ann.email)
    page.get_by_label("Password").fill("not the password")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert").filter(has_text=re.compile("."))).to_be_visible()
    page.get_by_role("link", name="Forgot the password?").click()
    page.get_by_label("E-mail").fill(ann.email)
    page.get_by_role("button", name="Send the link").click()
    expect(page.get_by_role("heading", name="Look into your inbox")).to_be_visible()
    page.goto(site.link(ann.email, "reset"))
    expect(page.get_by_role("heading", name="Choose a new password")).to_be_visible()
    assert "#reset" not in page.url
    page.get_by_label("New password").fill("short")
    page.get_by_role("button", name="Set the password").click()
    expect(page.locator("main")).to_contain_text(re.compile("10"))
    page.get_by_label("New password").fill(PASSWORD + " 2")
    page.get_by_role("button", name="Set the password").click()
    expect(page.locator("main")).to_contain_text("The new password is set.")
    page.get_by_label("E-mail").fill(ann.email)
    page.get_by_label("Password").fill(PASSWORD + " 2")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Overview", level=1)).to_be_visible()


def test_a_link_for_somebody_else(site, person):
    """A link of a mail does not take a session away by itself, and what it holds leaves the address bar."""
    ann = person("Ann").open_account()
    page = ann.page
    page.goto(f"{site.url}#verify={64 * 'a'}")
    expect(page.locator("main")).to_contain_text(f"You are signed in as {ann.email}.")
    assert "verify" not in page.url
    page.get_by_role("button", name="Stay signed in").click()
    expect(page.get_by_role("heading", name="Overview", level=1)).to_be_visible()
    page.goto(f"{site.url}#verify={64 * 'a'}")
    page.get_by_role("button", name="Sign out and use the link").click()
    page.get_by_role("button", name="Confirm and open my account").click()
    expect(page.locator("main")).to_contain_text("This link is not known.")
    page.get_by_role("link", name="Sign in instead").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


def test_playground(site, person):
    ann = person("Ann").open_account()
    page = ann.page
    ann.go("keys")
    page.get_by_role("button", name="New key").click()
    page.get_by_role("dialog").get_by_label("Name").fill("play")
    page.get_by_role("dialog").get_by_role("button", name="Create key").click()
    page.get_by_role("button", name="Try it in the playground").click()
    page.get_by_label("Model").select_option(MODEL)
    page.get_by_label("Message").fill("tell me <b>something</b>")
    page.keyboard.press("Enter")
    log = page.get_by_role("log")
    expect(log.locator(".bubble.assistant .bubble-text")).to_contain_text("tell me <b>something</b>")
    cost = log.locator(".cost")
    expect(cost).to_be_visible()
    charged = wait_until(lambda: site.db.rows("SELECT charge_usd FROM usage_log u JOIN api_key k ON k.id = u.key_id WHERE k.name = 'play'"), "the charge")
    assert cost.inner_text() == shown(charged[0]["charge_usd"])
    log.get_by_role("button", name="The arithmetic").click()
    expect(page.get_by_role("dialog").locator(".big-charge")).to_have_text(cost.inner_text())
    page.keyboard.press("Escape")
    stored = page.evaluate("JSON.stringify([{...localStorage}, {...sessionStorage}, document.cookie])")
    assert "sk-aig" not in stored
    page.reload()
    expect(page.get_by_label("API key")).to_have_value("")


class Receiver:
    """A customer's program that is called when a job ends: it fails as often as it is told."""

    def __init__(self, failures):
        left = [failures]

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):  # pylint: disable=invalid-name
                self.rfile.read(int(self.headers["Content-Length"]))
                left[0] -= 1
                body = b"<b>not now</b>" if left[0] >= 0 else b""
                self.send_response(503 if body else 200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/hook"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


def run_job(site, key, callback):
    """A video that is finished when we are told."""
    order = {"model": "wan-2.7", "input": {"prompt": "a lake [[fake:{\"callback\": false}]]", "duration": 4}, "callBackUrl": callback}
    status, headers, body = site.stack.call("POST", "/v1/jobs/createTask", order, key=key)
    assert status == 200, body
    site.db.rows("UPDATE job SET due = UTC_TIMESTAMP(6) WHERE id = %s", body["data"]["taskId"])
    done = site.stack.cron("poll-jobs")
    assert done.returncode == 0, done.stderr
    return body["data"]["taskId"], headers["x-request-id"]


def test_jobs_and_their_webhooks(site, person):
    ann = person("Ann").open_account()
    page = ann.page
    key = ann.make_key("films")
    page.route("https://files.example.org/**", lambda route: None)      # still on its way
    with Receiver(failures=1) as receiver:
        number, request_id = run_job(site, key, receiver.url)
        charge = site.db.value("SELECT charge_usd FROM usage_log WHERE request_id = %s", request_id)
        ann.go("jobs")
        job = page.get_by_role("article", name="wan-2.7, success")
        expect(job).to_contain_text(shown(charge))
        expect(job).to_contain_text(number)
        expect(job.get_by_role("link", name="Open result 1 of wan-2.7")).to_have_attribute("href", re.compile("^https://files.example.org/"))

        ann.go("usage")
        row_of(page, "wan-2.7").get_by_role("button").click()
        line = page.get_by_role("dialog").get_by_role("row", name=re.compile("resolution=720p"))
        expect(line).to_contain_text("/ second")
        expect(page.get_by_role("dialog").locator(".big-charge")).to_have_text(shown(charge))
        page.keyboard.press("Escape")

        wait_until(lambda: site.db.rows("SELECT 1 FROM webhook_delivery WHERE task_id = %s AND attempts = 1", number), "the first try")
        ann.go("webhooks")
        delivery = row_of(page, receiver.url)
        expect(delivery).to_contain_text("pending")
        expect(delivery).to_contain_text("HTTP 503")
        delivery.get_by_role("button").first.click()
        expect(page.get_by_role("dialog").locator("pre")).to_have_text("<b>not now</b>")
        page.get_by_role("dialog").get_by_role("button", name="Send again").click()
        wait_until(lambda: site.db.rows("SELECT 1 FROM webhook_delivery WHERE task_id = %s AND state = 'delivered'", number), "the second try")
        ann.go("webhooks")
        expect(delivery).to_contain_text("delivered")
        page.get_by_label("State").select_option("dead")
        expect(page.locator("main")).to_contain_text("No delivery in this state.")

    page.get_by_role("button", name="Rotate").click()
    page.get_by_role("dialog").get_by_role("button", name="Rotate").click()
    secret = page.get_by_label("The new secret").inner_text()
    assert secret.startswith("whsec_")
    page.get_by_role("button", name="I have stored it").click()
    expect(page.get_by_role("table", name="Signing secrets")).to_contain_text(f"whsec_…{secret[-4:]}")
    expect(page.locator("body")).not_to_contain_text(secret)
    # the file's own host is the one place outside that was asked
    ann.requests[:] = [url for url in ann.requests if not url.startswith("https://files.example.org/")]


def test_billing(site, person):
    ann = person("Ann").open_account()
    page = ann.page
    _, cost, _ = ask(site, ann.make_key("pays"))
    site.db.call("credit_purchase", ann.email, Decimal("20"), "invoice 17")
    ann.go("billing")
    credit = page.get_by_role("region", name="Credit", exact=True)
    expect(credit).to_contain_text(shown(Decimal(30) - Decimal(cost)))
    expect(page.get_by_role("table", name="Tiers")).to_contain_text("Strategic")
    expect(page.get_by_role("table", name="Tiers").locator("tr").filter(has_text="yours")).to_contain_text("Starter")
    with page.expect_download() as download:
        page.get_by_role("link", name=re.compile("^CSV of")).first.click()
    with open(download.value.path(), encoding="utf-8") as file:
        text = file.read()
    assert "20" in text and len(text.splitlines()) > 1


def test_a_tier_is_earned(site, person):
    """Paid calls up to $50 in 30 days, the cron program, and what the dashboard says before and after. Old calls keep their markup."""
    def dear_call():
        answer = client.chat.completions.with_raw_response.create(model="gpt-5.5", max_completion_tokens=128000, messages=[
            {"role": "user", "content": '[[fake:{"usage":{"input":20,"output":128000}}]]'}])
        return answer.headers["x-request-id"], Decimal(answer.headers["X-AI-Credits-Charged"])

    def markup_of(request_id):
        ann.go(f"usage?q={request_id}")
        row_of(page, "gpt-5.5").get_by_role("button").click()
        expect(page.get_by_role("dialog")).to_contain_text(request_id)
        return page.get_by_role("dialog").get_by_role("row", name=re.compile("^Markup"))

    ann = person("Ann").open_account()
    page = ann.page
    site.db.call("credit_purchase", ann.email, Decimal("100"), "invoice 18")
    tier = page.get_by_role("region", name="Tier", exact=True)
    progress = page.get_by_role("region", name="Tiers", exact=True).locator(".tier-progress")
    mine = page.get_by_role("table", name="Tiers").locator("tr").filter(has_text="yours")
    with client_of(site, ann.make_key("dear")) as client:
        calls = [dear_call()]
        assert calls[0][1] == (Decimal(5) * 20 + Decimal(30) * 128000) / 1000000 * Decimal("1.4")
        ann.go("overview")
        expect(tier).to_contain_text("Starter")
        expect(tier).to_contain_text("Markup 40 %")
        expect(tier).to_contain_text(f"{shown(Decimal(50) - calls[0][1])} more in 30 days for Growth")
        expect(tier.get_by_role("meter", name="Way to Growth")).to_have_attribute("aria-valuenow", "11")
        while sum(cost for _, cost in calls) < 50:
            calls.append(dear_call())
        spent = sum(cost for _, cost in calls)
        assert site.stack.cron("recompute-tiers", "--dry-run").returncode == 0
        ann.go("billing")
        expect(progress).to_contain_text("Starter · markup 40 %")
        expect(progress).to_contain_text("$0.00 more in 30 days for Growth")
        expect(mine).to_contain_text("Starter")

        done = site.stack.cron("recompute-tiers", "-v")
        assert done.returncode == 0 and "moved from Starter to Growth" in done.stdout, done.stdout + done.stderr
        ann.go("billing")
        expect(progress).to_contain_text("Growth · markup 30 %")
        expect(mine).to_contain_text("Growth")
        expect(mine).to_contain_text("30 %")
        calls.append(dear_call())
    assert calls[-1][1] * Decimal("1.4") == calls[0][1] * Decimal("1.3")
    spent += calls[-1][1]
    ann.go("overview")
    expect(tier).to_contain_text("Growth")
    expect(tier).to_contain_text("Markup 30 %")
    expect(tier).to_contain_text(f"{shown(Decimal(200) - spent)} more in 30 days for Scale")
    expect(tier.get_by_role("meter", name="Way to Scale")).to_have_attribute("aria-valuetext", f"{shown(spent)} of $200.00 in 30 days")
    expect(markup_of(calls[-1][0])).to_contain_text("30 %")
    expect(markup_of(calls[0][0])).to_contain_text("40 %")
    history = site.db.rows("SELECT from_tier, to_tier FROM v_tier_change WHERE email = %s", ann.email)
    assert history == [{"from_tier": "Starter", "to_tier": "Growth"}]


def test_buying_credit(site, person):
    """To Stripe's page, back when it is paid, and half of the way back again."""
    ann = person("Ann").open_account()
    page = ann.page
    page.route("https://checkout.stripe.test/**", lambda route: route.fulfill(body="<h1>Stripe</h1>", content_type="text/html"))
    ann.go("billing")
    page.get_by_role("button", name="$50").click()
    expect(page.get_by_label("Amount in US dollars")).to_have_value("50")
    page.get_by_label("Amount in US dollars").fill("19.995")
    page.get_by_role("button", name="Go to payment").click()
    expect(page.get_by_role("region", name="Buy credit").locator(".field-error")).to_be_visible()
    page.get_by_label("Amount in US dollars").fill("20")
    page.get_by_role("button", name="Go to payment").click()
    expect(page.get_by_role("heading", name="Stripe")).to_be_visible()
    form = site.stripe.requests[-1][2]
    body = event("checkout.session.completed", paid_session(form["client_reference_id"], 2000))
    status, _, told = site.stack.call("POST", "/v1/stripe/webhook", body, headers={"Stripe-Signature": signature(body), "Content-Type": "application/json"})
    assert (status, told["outcome"]) == (200, "credited")
    page.goto(form["success_url"])
    expect(page.get_by_role("heading", name="Billing", level=1)).to_be_visible()
    expect(page.get_by_role("status").filter(has_text="Thank you.")).to_be_visible()
    credit = page.get_by_role("region", name="Credit", exact=True)
    expect(credit).to_contain_text("$30.00 to spend")
    credit.get_by_role("button", name=re.compile("^Refund")).click()
    page.get_by_role("dialog").get_by_role("button", name="Refund $20.00").click()
    expect(credit).to_contain_text("$10.00 to spend")
    expect(row_of(page, "Purchase")).to_contain_text("$20.00")
    assert site.db.value("SELECT balance_usd FROM account WHERE email = %s", ann.email) == 10
    page.goto(form["cancel_url"])
    expect(page.get_by_role("heading", name="Billing", level=1)).to_be_visible()

    # where it is not set up
    page.route(re.compile("/api/v1/credit/checkout"), lambda route: route.fulfill(status=404, json={"error": {
        "message": "Not set up.", "type": "invalid_request_error", "param": None, "code": "not_configured"}}))
    page.get_by_role("button", name="Go to payment").click()
    expect(page.get_by_role("region", name="Buy credit")).to_contain_text("Cards are not taken here.")
    ann.requests[:] = [url for url in ann.requests if not url.startswith("https://checkout.stripe.test/")]


def test_exact_numbers(site, person):
    """No digit of an amount goes through a float."""
    page = person("Ann").page
    page.goto(site.url)
    assert page.evaluate("""async () => {
      const [api, d] = [await import('./js/api.js'), await import('./js/decimal.js')];
      return [
        api.parseExact('{"a":0.1234567890123456789,"b":[9007199254740993,-1e-9],"c":"12 \\\\" 3","d":null,"e":true}'),
        api.encodeExact({cap: new api.Exact('0.100000000000000000001'), name: '"1"', none: undefined, off: false}),
        d.usd('1234567.000000001'), d.usd('-0.5'), d.usd('1e-9'), d.usd('12'), d.usd('0'), d.usd(null),
        d.sum(['0.1', '0.2', '999999999.999999999']), d.subtract('1', '0.000000001'), d.compare('0.30', '0.3'), d.divide('1', 3), d.percent('0.225'),
        d.typedAmount('$1,250.50'), d.typedAmount('1e3'), d.typedAmount('-1'), d.typedAmount(''), d.roughly('0.00012345'), d.roughly('12.3456'),
      ];
    }""") == [
        {"a": "0.1234567890123456789", "b": ["9007199254740993", "-1e-9"], "c": '12 " 3', "d": None, "e": True},
        '{"cap":0.100000000000000000001,"name":"\\"1\\"","off":false}',
        "$1,234,567.000000001", "−$0.50", "$0.000000001", "$12.00", "$0.00", "–",
        "1000000000.299999999", "0.999999999", 0, "0.333333333333333333", "22.5 %",
        "1250.5", None, None, None, "$0.000123", "$12.34",
    ]
