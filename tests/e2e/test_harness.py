# SPDX-License-Identifier: Apache-2.0
"""The tests' own alarm: what a sanitizer writes is found in a gateway's log."""

import pytest
from world import Front


class Log:
    def __init__(self, text):
        self.text = text

    def exists(self):
        return True

    def read_text(self, errors):
        return self.text


class FakeStack:
    front, url = "lighttpd", "http://127.0.0.1:1"

    def __init__(self, text):
        self.text = text

    def log(self, name):
        return Log(self.text if name == "gateway" else "")


@pytest.mark.parametrize("line", [
    "==12==ERROR: AddressSanitizer: heap-use-after-free on address 0x602000000010", "==12==ERROR: LeakSanitizer: detected memory leaks",
    "fcgi-app/base/buf.c:10:5: runtime error: signed integer overflow", "WARNING: ThreadSanitizer: data race (pid=12)",
    "gateway.fcgi: core/relay.c:1: send_event: Assertion `run->began' failed.", "*** stack smashing detected ***: terminated",
    "malloc(): corrupted top size", "*** buffer overflow detected ***: terminated"])
def test_reports_are_found(line):
    assert Front(FakeStack(f"2026-01-01T00:00:00.000Z info - text\n{line}\nmore")).reports() == [line]


def test_ordinary_lines_are_none():
    assert Front(FakeStack("2026-01-01T00:00:00.000Z warn req_1 500 server_error: AddressBook sanitized\n")).reports() == []
