#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Sums up `make check`: the single tests of every program and suite that automake ran, from their .trs and .log files.

Knows the last lines of cmocka and pytest, TAP, and a line `N passed, N failed`; another program counts as one test.

usage: summary.py EXIT-CODE-OF-MAKE BUILD-DIRECTORY
Prints the failures and `N passed, N failed`; the exit code is 0 only if nothing failed.
"""

import os
import pathlib
import re
import sys

CMOCKA = re.compile(r"^\[  (PASSED|FAILED)  \] (\d+) test", re.M)
PYTEST = re.compile(r"^=* ?((?:\d+ (?:passed|failed|errors?|skipped|xfailed|xpassed|deselected|warnings?|rerun)(?:, )?)+) in [\d.]+ ?s", re.M)
TAP = re.compile(r"^(not ok|ok) \d+(.*)$", re.M)
PLAIN = re.compile(r"^(\d+) passed, (\d+) failed$", re.M)


def count(text):
    """(passed, failed, skipped) of one log, or None if it does not say."""
    found = CMOCKA.findall(text)
    if found:
        return (sum(int(n) for kind, n in found if kind == "PASSED"), sum(int(n) for kind, n in found if kind == "FAILED"), 0)
    found = PYTEST.findall(text)
    if found:
        totals = {}
        for line in found:
            for number, word in re.findall(r"(\d+) (\w+)", line):
                totals[word] = totals.get(word, 0) + int(number)
        failed = sum(totals.get(word, 0) for word in ("failed", "error", "errors", "xpassed"))
        return (totals.get("passed", 0) + totals.get("xfailed", 0), failed, totals.get("skipped", 0))
    found = TAP.findall(text)
    if found:
        skipped = sum(1 for _, rest in found if "# SKIP" in rest)
        return (sum(1 for word, _ in found if word == "ok") - skipped, sum(1 for word, _ in found if word == "not ok"), skipped)
    found = PLAIN.findall(text)
    if found:
        return (sum(int(p) for p, _ in found), sum(int(f) for _, f in found), 0)
    return None


def main():
    status, build = int(sys.argv[1]), pathlib.Path(sys.argv[2])
    strict = os.environ.get("TESTS_NO_SKIP") == "1"
    passed = failed = skipped = 0
    reports = sorted(build.glob("**/*.trs"))
    for report in reports:
        name = str(report.relative_to(build))[:-4]
        results = re.findall(r"^:test-result: *(\w+)", report.read_text(errors="replace"), re.M)
        log = report.with_suffix(".log")
        text = log.read_text(errors="replace") if log.exists() else ""
        result = results[-1] if results else "ERROR"
        if result == "SKIP":
            skipped += 1
            reason = (text.strip().splitlines() or ["no reason given"])[-1]
            print(f"{'FAILED (skipped)' if strict else 'skipped'}: {name}: {reason}")
            failed += 1 if strict else 0
            continue
        one = count(text) or ((1, 0, 0) if result in ("PASS", "XFAIL") else (0, 1, 0))
        if result not in ("PASS", "XFAIL") and not one[1]:
            one = (one[0], 1, one[2])        # it crashed after its last count
        if one[2] and strict:
            print(f"FAILED (skipped): {one[2]} in {name}")
            one = (one[0], one[1] + one[2], one[2])
        if one[1]:
            print(f"FAILED: {one[1]} in {name}; see {log}")
        passed, failed, skipped = passed + one[0], failed + one[1], skipped + one[2]
    if not reports:
        print("FAILED: make check ran no test")
        failed += 1
    elif status and not failed:
        print("FAILED: make check itself; see above")
        failed += 1
    if skipped:
        print(f"{skipped} skipped")
    print(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
