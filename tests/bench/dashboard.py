#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Measures how long the dashboard takes to its first paint in Chromium with an empty cache, and what it weighs, beside an empty page: somebody who is not signed in, then an account with a key and calls.

    run/venv/bin/python tests/bench/dashboard.py --build=DIR [--rounds=10]

Needs the environment of the tests (tests/env/venv.sh), Chromium, and what tests/env/stack.py needs. Times are never asserted.
"""

import argparse
import json
import os
import pathlib
import shutil
import statistics
import sys
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
for folder in ("env", "e2e", "browser"):
    sys.path.insert(0, str(HERE.parent / folder))
os.environ.setdefault("top_builddir", str(HERE.parents[1]))
from browser_fixtures import FLAGS, Person, Site  # noqa: E402
from playwright.sync_api import expect, sync_playwright  # noqa: E402

CALLS = 50
PAINT = """() => new Promise(done => {
    const found = () => performance.getEntriesByName('first-contentful-paint')[0]
    const wait = () => found() ? done(found().startTime) : setTimeout(wait, 5)
    wait()
})"""
EMPTY = "<!doctype html><title>empty</title><p>empty</p>\n"


def open_cold(browser, url, cookies, heading):
    """(first contentful paint, time to the heading, bytes over the wire, requests) of one visit, ms after the navigation began."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    context.add_cookies(cookies)
    page = context.new_page()
    session = context.new_cdp_session(page)
    weights = []
    session.on("Network.loadingFinished", lambda event: weights.append(event["encodedDataLength"]))
    session.send("Network.enable")
    page.goto(url)
    if heading:
        expect(page.get_by_role("heading", name=heading).first).to_be_visible()
    ready = page.evaluate("() => performance.now()")
    paint = page.evaluate(PAINT)
    page.wait_for_load_state("networkidle")
    context.close()
    return paint, ready, sum(weights), len(weights)


def busy_account(site, browser):
    """Cookies of an account with calls."""
    person = Person(site, browser, "Ann").open_account()
    key = person.make_key("laptop")
    for n in range(CALLS):
        body = {"model": ("gpt-4o-mini", "claude-haiku-4-5", "gemini-3.5-flash")[n % 3], "messages": [{"role": "user", "content": "hello"}]}
        request = urllib.request.Request(f"{site.stack.base_url}/chat/completions", json.dumps(body).encode(),
                                         {"Content-Type": "application/json", "Authorization": f"Bearer {key}"})
        urllib.request.urlopen(request, timeout=60).read()
    cookies = person.context.cookies()
    person.close()
    return cookies


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--build", help="where the gateway was built (default: the source tree)")
    parser.add_argument("--rounds", type=int, default=10)
    options = parser.parse_args()
    if options.build:
        os.environ["top_builddir"] = options.build
    site = Site()
    try:
        site.start()
        root = pathlib.Path(site.stack.dir)
        print(f"first visits, medians of {options.rounds}, ms; bytes as they went over the wire, uncompressed by the server\n")
        print("| page | first paint | p90 | heading there | bytes | requests |\n|---|---:|---:|---:|---:|---:|")
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=os.environ.get("AIG_TEST_CHROMIUM") or shutil.which("chromium"), args=FLAGS)
            cookies = busy_account(site, browser)
            pages = (("dashboard, not signed in", site.url, [], "Sign in"), ("dashboard, overview of an account", site.url, cookies, "Overview"))
            (root / "empty.html").write_text(EMPTY)
            pages = (("an empty page, from a file", (root / "empty.html").as_uri(), [], None), *pages)
            for name, url, jar, heading in pages:
                visits = [open_cold(browser, url, jar, heading) for _ in range(options.rounds + 1)][1:]
                paints = sorted(v[0] for v in visits)
                middle = [statistics.median(v[i] for v in visits) for i in range(4)]
                print(f"| {name} | {middle[0]:.0f} | {paints[int(0.9 * len(paints)) - 1]:.0f} | {middle[1]:.0f} | {middle[2]:,.0f} | {middle[3]:.0f} |", flush=True)
            browser.close()
    finally:
        site.stop()


if __name__ == "__main__":
    main()
