# SPDX-License-Identifier: Apache-2.0
"""Every screen: accessible, on a phone, in the dark, by keyboard; within its policy and its weight; no name becomes markup."""

import os
import pathlib
import re

import openai
import pytest
from axe_playwright_python.sync_playwright import Axe
from browser_fixtures import GUARD_MS, Person
from playwright.sync_api import expect

PAGES = ("overview", "usage", "playground", "keys", "team", "jobs", "webhooks", "billing", "account")
GATE = ("sign-in", "sign-up", "forgot", "terms")
EVIL = "<img src=x onerror=\"window.pwned=1\">\"'><script>window.pwned=1</script>"    # 70 characters
KIB = 1024
WEIGHT_MAX = 300 * KIB
POLICY = ("default-src 'none'", "script-src 'self'", "style-src 'self'", "connect-src 'self'", "img-src 'self' https: data:", "media-src https:")


@pytest.fixture(scope="module")
def busy(site, browser):
    """Somebody who has something on every page. Names are what nobody should call a thing."""
    one = Person(site, browser, "Ann", user_agent=EVIL)
    one.name = EVIL
    one.open_account()
    site.db.call("grant_credit", one.email, 5, EVIL)
    for name in ("production", EVIL):
        key = one.make_key(name, cap="2")
        with openai.OpenAI(base_url=site.stack.base_url, api_key=key, timeout=GUARD_MS / 1000) as client:
            for word in ("one", "two"):
                client.chat.completions.create(model="gpt-4o-mini", messages=[{"role": "user", "content": word}])
    one.go("team")
    one.page.get_by_role("button", name="Make a team").click()
    one.page.get_by_role("dialog").get_by_label("Name").fill(EVIL)
    one.page.get_by_role("dialog").get_by_role("button", name="Create team").click()
    expect(one.page.get_by_role("heading", name=EVIL)).to_be_visible()
    yield one
    try:
        one.check()
    finally:
        one.close()


MEDIA = {"object": "list", "has_more": False, "next": None, "data": [
    {"taskId": "task_1", "model": "google/nano-banana", "state": "success", "createTime": 1764000000000, "completeTime": 1764000012000,
     "charge_usd": 0.026, "resultUrls": ["https://media.invalid/a.png", "https://media.invalid/b.mp4", "javascript:window.pwned=1", "http://media.invalid/c.png"],
     "failMsg": None},
    {"taskId": "task_2", "model": EVIL, "state": "fail", "createTime": 1764000000000, "completeTime": 1764000012000, "charge_usd": 0,
     "resultUrls": [], "failMsg": EVIL},
    {"taskId": "task_3", "model": "veo3_fast", "state": "generating", "createTime": 1764000000000, "completeTime": None, "charge_usd": None,
     "resultUrls": [], "failMsg": None}]}
PNG = bytes.fromhex("89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d49444154789c6360f8cfc000000301010018dd8db00000000049454e44ae426082")


EVERY_RULE = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


def axe_of(page, rules=None):
    """Serious findings of axe-core. The script stays in the page until it is loaded anew."""
    if not page.evaluate("typeof window.axe === 'object'"):
        page.evaluate(Axe().axe_script)
    found = page.evaluate("(rules) => axe.run({ runOnly: rules, resultTypes: ['violations'] })", rules or EVERY_RULE)["violations"]
    return [(v["id"], v["impact"], [n["html"][:160] for n in v["nodes"]][:4]) for v in found if v["impact"] in ("serious", "critical")]


def picture(page, name):
    folder = os.environ.get("AIG_TEST_SCREENSHOTS")
    if folder:
        pathlib.Path(folder).mkdir(parents=True, exist_ok=True)
        page.screenshot(path=f"{folder}/{name}.png", full_page=True)


def with_media(page):
    """Jobs as a provider's would be, with media of a host that this page plays."""
    page.route(re.compile(r"/api/v1/jobs(\?|$)"), lambda route: route.fulfill(json=MEDIA))
    page.route(re.compile(r"^https://media\.invalid/.*\.png"), lambda route: route.fulfill(body=PNG, content_type="image/png"))
    page.route(re.compile(r"^https://media\.invalid/.*\.mp4"), lambda route: None)     # still on its way


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_screen_is_accessible(busy, scheme):
    page = busy.open_page()
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    page.set_viewport_size({"width": 1280, "height": 900})
    page.goto(busy.site.url)
    assert page.evaluate("getComputedStyle(document.body).colorScheme") is not None
    # in the dark only colours differ
    rules = None if scheme == "light" else ["color-contrast", "link-in-text-block"]
    serious = {}
    for name in PAGES:
        visit(page, busy.site, name)
        serious[name] = axe_of(page, rules)
        picture(page, f"{name}-{scheme}")
    for name, opener in dialogs(page, busy):
        opener()
        expect(page.get_by_role("dialog")).to_be_visible()
        expect(page.locator("dialog .skeleton")).to_have_count(0)
        serious[name] = axe_of(page, rules)
        picture(page, f"{name}-{scheme}")
        page.keyboard.press("Escape")
    page.close()
    assert {k: v for k, v in serious.items() if v} == {}


def dialogs(page, busy):
    def at(name, click):
        def opener():
            visit(page, busy.site, name)
            click()
        return opener
    yield "new-key", at("keys", lambda: page.get_by_role("button", name="New key").click())
    yield "charge", at("usage", lambda: page.locator("main tbody button").first.click())
    yield "invite", at("team", lambda: page.get_by_role("button", name="Invite").click())
    yield "rotate", at("webhooks", lambda: page.get_by_role("button", name="Rotate").click())
    yield "everywhere", at("account", lambda: page.get_by_role("button", name="Sign out everywhere").click())


def visit(page, site, name):
    """Goes to a page and waits for all that it loads."""
    page.goto(f"{site.url}#/{name}")
    expect(page.locator(f"aside a[aria-current=page][href='#/{name}']")).to_have_count(1)
    settled(page)


def settled(page):
    expect(page.locator("h1")).to_be_visible()
    expect(page.locator(".skeleton, .panel-body[aria-busy]")).to_have_count(0)
    expect(page.locator("main .empty.error")).to_have_count(0)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_gate_is_accessible(site, person, scheme):
    page = person("Ann", color_scheme=scheme, viewport={"width": 360, "height": 740}).page
    serious = {}
    for name in GATE:
        page.goto(f"{site.url}#/{name}")
        expect(page.locator("h1")).to_be_visible()
        serious[name] = axe_of(page)
        picture(page, f"{name}-phone-{scheme}")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), name
    for kind in ("verify", "reset", "invite"):
        page.goto(f"{site.url}?{kind}#{kind}=abc")
        expect(page.locator("h1")).to_be_visible()
        serious[kind] = axe_of(page)
    assert {k: v for k, v in serious.items() if v} == {}


def test_phone(busy):
    page = busy.open_page()
    page.set_viewport_size({"width": 360, "height": 740})
    page.emulate_media(color_scheme="dark")
    serious = {}
    for name in PAGES:
        visit(page, busy.site, name)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{name} is wider than a phone"
        serious[name] = axe_of(page)
        picture(page, f"{name}-phone")
    page.get_by_role("button", name="Menu").click()
    page.get_by_role("dialog").get_by_role("link", name="Billing").click()
    expect(page.get_by_role("heading", name="Billing", level=1)).to_be_visible()
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.close()
    assert {k: v for k, v in serious.items() if v} == {}


def test_jobs_show_what_they_made(busy):
    page = busy.open_page()
    before = len(busy.requests)
    with_media(page)
    visit(page, busy.site, "jobs")
    expect(page.get_by_role("article")).to_have_count(3)
    image = page.get_by_role("img", name="Result 1 of google/nano-banana")
    expect(image).to_have_js_property("naturalWidth", 1)
    expect(page.locator("video")).to_have_attribute("src", "https://media.invalid/b.mp4")
    hrefs = page.locator(".results a").evaluate_all("list => list.map((a) => a.href)")
    assert hrefs == ["https://media.invalid/a.png", "https://media.invalid/b.mp4", "http://media.invalid/c.png"]
    expect(page.locator("main")).to_contain_text("javascript:window.pwned=1")
    assert axe_of(page) == []
    picture(page, "jobs-media")
    assert page.evaluate("window.pwned") is None
    page.close()
    # those were allowed to leave the site
    busy.requests[before:] = [url for url in busy.requests[before:] if not url.startswith("https://media.invalid/")]


def test_no_name_becomes_markup(busy):
    page = busy.open_page()
    seen = set()
    for name in PAGES:
        visit(page, busy.site, name)
        if EVIL in page.locator("main").inner_text():
            seen.add(name)
        page.wait_for_function("document.querySelectorAll('img[src=x], main script').length === 0")
        assert page.evaluate("window.pwned") is None, name
    page.goto(f"{busy.site.url}#/overview")
    page.get_by_role("button", name="Key", exact=True).click()
    expect(page.get_by_role("region", name="Where it went").locator("li")).not_to_have_count(0)
    page.get_by_role("button", name="Member", exact=True).click()
    settled(page)
    assert page.evaluate("window.pwned") is None
    page.close()
    # the names were there to be seen
    assert sorted(seen) == ["account", "billing", "keys", "overview", "team", "usage"]


def test_weight_and_policy(site, person):
    ann = person("Ann").open_account()
    sizes = {}
    page = ann.open_page()
    page.on("response", lambda answer: sizes.update({answer.url: len(answer.body())} if answer.ok else {}))
    answer = page.goto(site.url)
    for name in PAGES:
        visit(page, site, name)
    loaded = {url: size for url, size in sizes.items() if "/dashboard/" in url}
    assert len(loaded) > 15 and sum(loaded.values()) < WEIGHT_MAX, loaded
    shipped = pathlib.Path(__file__).resolve().parents[2] / "apache-conf/htdocs/dashboard"
    assert sum(f.stat().st_size for f in shipped.rglob("*") if f.is_file()) < WEIGHT_MAX
    policy = answer.headers["content-security-policy"]
    assert [part for part in POLICY if part not in policy] == [] and "unsafe" not in policy
    # and it works: neither of these runs
    page.evaluate("""() => {
      const script = document.createElement('script');
      script.textContent = 'window.pwned = 1';
      document.body.append(script);
      const style = document.createElement('p');
      style.setAttribute('style', 'position: absolute');
      document.body.append(style);
    }""")
    assert page.evaluate("window.pwned") is None
    blocked = [c for c in ann.complaints if "Content Security Policy" in c]
    assert len(blocked) >= 2
    ann.complaints.clear()


def test_keyboard(busy):
    page = busy.open_page()
    visit(page, busy.site, "keys")
    page.reload()
    settled(page)
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    expect(page.get_by_role("link", name="Skip to the content")).to_be_in_viewport()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()
    page.keyboard.press("Tab")
    opener = page.get_by_role("button", name="New key")
    expect(opener).to_be_focused()
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog").get_by_label("Name")).to_be_focused()
    inside = [page.keyboard.press("Tab") or page.evaluate("document.activeElement === document.body || !!document.activeElement.closest('dialog')")
              for _ in range(16)]
    assert all(inside)
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(opener).to_be_focused()
    menu = page.get_by_role("button", name="Actions for production")
    menu.focus()
    page.keyboard.press("Enter")
    expect(page.locator(".menu:popover-open").get_by_role("button", name="Edit")).to_be_focused()
    page.keyboard.press("Escape")
    expect(menu).to_be_focused()
    page.close()


def test_theme(site, person):
    page = person("Ann", color_scheme="light").page
    page.goto(site.url)
    background = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(background)
    page.emulate_media(color_scheme="dark")
    dark = page.evaluate(background)
    assert light != dark
    page.evaluate("localStorage.setItem('theme', 'light')")
    page.reload()
    expect(page.locator("h1")).to_be_visible()
    assert page.evaluate(background) == light


def test_theme_button(busy):
    page = busy.open_page()
    page.emulate_media(color_scheme="light")
    visit(page, busy.site, "overview")
    button = page.locator(".sidebar").get_by_role("button", name=re.compile("^Theme"))
    button.click()
    button.click()
    expect(button).to_have_attribute("aria-label", "Theme: dark")
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.reload()
    expect(page.locator("h1")).to_be_visible()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == dark
    page.locator(".sidebar").get_by_role("button", name=re.compile("^Theme")).click()
    expect(page.locator("html")).not_to_have_attribute("data-theme", "dark")
    page.close()


def test_errors_can_be_tried_again(busy):
    """A panel that fails says so, and what to do; the rest of the page stays."""
    page = busy.open_page()
    failing = {"on": True}

    def answer(route):
        if failing["on"]:
            return route.fulfill(status=503, json={"error": {"message": "The database is away. Try again in a moment.", "type": "server_error", "param": None, "code": None}})
        return route.continue_()
    page.route(re.compile(r"/api/v1/keys"), answer)
    page.goto(f"{busy.site.url}#/keys")
    expect(page.locator("main .empty.error")).to_contain_text("The database is away.")
    failing["on"] = False
    page.get_by_role("button", name="Try again").click()
    expect(page.get_by_role("table", name="API keys")).to_contain_text("production")
    page.route(re.compile(r"/api/v1/usage\?"), lambda route: route.abort())
    page.goto(f"{busy.site.url}#/usage")
    expect(page.locator("main .empty.error")).to_contain_text("The server cannot be reached.")
    page.close()
    busy.complaints[:] = [c for c in busy.complaints if "net::ERR_FAILED" not in c]
