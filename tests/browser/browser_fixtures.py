# SPDX-License-Identifier: Apache-2.0
"""Fixtures of tests/browser: an installation that mails into a box of its own, a browser, and people who use it."""

import contextlib
import email
import os
import re
import secrets

import fake_stripe
import pytest
from aiosmtpd.controller import Controller
from playwright.sync_api import expect, sync_playwright
from world import Db, Front, builddir, env, wait_until
from process import free_port  # found by way of world

GUARD_MS = 60000
PASSWORD = "correct horse battery staple"
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update",
         "--disable-sync", "--disable-dev-shm-usage"]
expect.set_options(timeout=GUARD_MS)


class Mailbox:
    """An SMTP server that keeps what it gets."""

    def __init__(self):
        self.mails = []
        self.controller = Controller(self, hostname="127.0.0.1", port=free_port())
        self.controller.start()

    async def handle_DATA(self, server, session, envelope):  # pylint: disable=invalid-name
        message = email.message_from_bytes(envelope.content)
        text = message.get_payload(decode=True).decode("utf-8")
        self.mails.append((envelope.rcpt_tos[0], text))
        return "250 kept"

    @property
    def url(self):
        return f"smtp://127.0.0.1:{self.controller.port}"

    def stop(self):
        self.controller.stop()


class Site:
    """The installation as people see it."""

    def __init__(self):
        port = free_port()
        self.mailbox, self.stripe, self.password_hash = Mailbox(), fake_stripe.FakeStripe(), None
        self.stack = env.Stack(front="lighttpd", builddir=builddir(), port=port, config={
            "threads": 32, "threads_reserved": 8, "public_url": f"http://127.0.0.1:{port}", "mail_url": self.mailbox.url,
            "mail_from": "AI Generate <noreply@example.org>", "allow_private_webhooks": "yes",
            "stripe_url": self.stripe.url, "stripe_key": fake_stripe.KEY, "stripe_webhook_key": fake_stripe.SECRET})

    def start(self):
        self.stripe.__enter__()
        self.stack.start()
        self.db = Db(self.stack.database)
        self.url = f"{self.stack.url}/dashboard/"
        return self

    def stop(self):
        self.stack.stop(keep="AIG_E2E_KEEP" in os.environ)
        self.mailbox.stop()
        self.stripe.__exit__()

    def known_password(self):
        """What the database keeps of PASSWORD."""
        if self.password_hash is None:
            address = "first@example.org"
            status, _, body = self.stack.call("POST", "/v1/auth/signup", {"email": address, "password": PASSWORD})
            assert status == 202, body
            self.password_hash = self.db.value("SELECT password_hash FROM signup_token WHERE email = %s", address)
        return self.password_hash

    def link(self, address, kind):
        """The newest link of that kind (verify, reset, invite) that was mailed to an address."""
        pattern = re.compile(rf"http\S+/dashboard/#{kind}=\S+")

        def newest():
            done = self.stack.cron("send-mail")
            assert done.returncode == 0, done.stderr
            links = [m for to, text in self.mailbox.mails if to == address for m in pattern.findall(text)]
            return links[-1] if links else None
        return wait_until(newest, f"a mail with a link to {kind} for {address}")

    def count_mails(self, address):
        return sum(1 for to, _ in self.mailbox.mails if to == address)


class Person:
    """Somebody with a browser of their own. Everything that the browser complains about is kept."""

    def __init__(self, site, browser, name, **context):
        self.site, self.name = site, name
        self.email = f"{name.lower()}.{secrets.token_hex(4)}@example.org"
        context.setdefault("viewport", {"width": 1280, "height": 900})
        self.context = browser.new_context(**context)
        self.context.set_default_timeout(GUARD_MS)
        self.complaints, self.requests = [], []
        self.page = self.open_page()

    def open_page(self):
        page = self.context.new_page()
        page.on("console", self.note)
        page.on("pageerror", lambda error: self.complaints.append(f"error: {error}"))
        page.on("request", lambda request: self.requests.append(request.url))
        return page

    def note(self, message):
        # an answer that is no 2xx is the browser's remark, and may be what a test wants
        if message.type in ("error", "warning") and "the server responded with a status of" not in message.text:
            self.complaints.append(f"{message.type}: {message.text}")

    def go(self, page_name):
        address = f"{self.site.url}#/{page_name}"
        if self.page.url == address:
            self.page.reload()
        else:
            self.page.goto(address)

    def open_account(self):
        """An account with $10 and a session, without the way through the mails; scrypt is worked once for all."""
        known = self.site.known_password()
        self.site.db.call("create_account", self.email, self.name)
        self.site.db.call("grant_credit", self.email, 10, "welcome")
        self.site.db.rows("UPDATE account SET password_hash = %s WHERE email = %s", known, self.email)
        answer = self.context.request.post(f"{self.site.stack.base_url}/auth/login", data={"email": self.email, "password": PASSWORD})
        assert answer.status == 200, answer.text()
        return self

    def sign_up(self, link=None):
        """From the form to the mailed link and into the account."""
        page = self.page
        page.goto(link or self.site.url)
        page.get_by_role("link", name="Create an account").click()
        page.get_by_label("Name").fill(self.name)
        page.get_by_label("E-mail").fill(self.email)
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Create account").click()
        expect(page.get_by_role("heading", name="Look into your inbox")).to_be_visible()
        page.goto(self.site.link(self.email, "verify"))
        page.get_by_role("button", name="Confirm and open my account").click()
        expect(page.get_by_role("heading", name="Overview", level=1)).to_be_visible()
        return self

    def sign_in(self, page=None):
        page = page or self.page
        page.goto(self.site.url)
        page.get_by_label("E-mail").fill(self.email)
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_role("heading", name="Overview", level=1)).to_be_visible()

    def make_key(self, name, cap=None, team=None):
        """A key by the form; its text."""
        self.go("keys")
        self.page.get_by_role("button", name=re.compile("New key")).click()
        dialog = self.page.get_by_role("dialog")
        dialog.get_by_label("Name").fill(name)
        if cap:
            dialog.get_by_label("Cap in US dollars").fill(cap)
        if team:
            dialog.get_by_label("Belongs to").select_option(label=f"Team {team}")
        dialog.get_by_role("button", name="Create key").click()
        key = self.page.get_by_label("The new key").inner_text()
        self.page.get_by_role("button", name="I have stored it").click()
        expect(self.page.get_by_role("dialog")).to_have_count(0)
        assert key.startswith("sk-aig-")
        return key

    def check(self):
        assert self.complaints == []
        assert all(url.startswith(self.site.stack.url) for url in self.requests), "a request left the site"

    def close(self):
        self.context.close()


@pytest.fixture(scope="session")
def site():
    site = Site()
    try:
        yield site.start()
        done = site.stack.cron("verify-ledger")
        assert done.returncode == 0, done.stdout + done.stderr
        front = Front(site.stack)
        front.stop()
        assert front.reports() == [], "the gateway's log has a report of a sanitizer or an assertion"
    finally:
        site.stop()


@pytest.fixture(scope="session")
def browser():
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=os.environ["AIG_TEST_CHROMIUM"], args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def person(site, browser):
    """Makes people; at the end no browser of theirs may have complained (policy, script errors) or called anybody else."""
    with contextlib.ExitStack() as stack:
        made = []

        def make(name="Ann", **context):
            one = Person(site, browser, name, **context)
            stack.callback(one.close)
            made.append(one)
            return one
        yield make
        for one in made:
            one.check()
