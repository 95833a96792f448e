# SPDX-License-Identifier: Apache-2.0
"""The control side of the fake upstream (tests/upstream/README.md)."""

import json
import time
import urllib.parse
import urllib.request
import uuid

from client import GUARD_S


def new_word():
    """A word that no other test uses: finds a test's own requests among all that the fake has received."""
    return "w" + uuid.uuid4().hex


def script(word, rule):
    """A user text that makes the fake follow `rule`."""
    return f"{word} [[fake:{json.dumps(rule)}]]"


class Fake:
    def __init__(self, url):
        self.url = url

    def ask(self, method, path, body=None):
        request = urllib.request.Request(self.url + path, method=method, data=None if body is None else json.dumps(body).encode(),
                                         headers={"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=2 * GUARD_S) as answer:
            return json.loads(answer.read())

    def lay(self, rule, times=0, **match):
        """Lays a script down for requests that match; its number."""
        return self.ask("POST", "/_fake/script", {"match": match, "times": times, "script": rule})["id"]

    def lift(self, number):
        self.ask("DELETE", f"/_fake/script/{number}")

    def requests(self, word, **query):
        query = urllib.parse.urlencode({"contains": word, **query})
        return self.ask("GET", f"/_fake/requests?{query}")["requests"]

    def one(self, word):
        """The only request with this word."""
        found = self.requests(word)
        assert len(found) == 1, found
        return found[0]

    def started(self, word, count=1):
        """Waits until requests with this word have come."""
        found = self.requests(word, wait=GUARD_S, until="start", count=count)
        assert len(found) >= count, "the upstream was not asked"
        return found

    def ended(self, word, count=1):
        """Waits until the newest requests with this word have ended."""
        found = self.requests(word, wait=GUARD_S, count=count)
        assert len(found) >= count and all(r["ended"] for r in found[-count:]), found
        return found

    def wait_events(self, word, count):
        """Waits until a stream has sent so many events."""
        end = time.monotonic() + GUARD_S
        while (found := self.requests(word)) == [] or found[-1]["events"] < count:
            assert time.monotonic() < end, found
            time.sleep(0.01)
        return found[-1]
