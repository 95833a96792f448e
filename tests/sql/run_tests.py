# SPDX-License-Identifier: Apache-2.0
"""Runs all test_* functions of test_*.py in order of definition and prints TAP. Arguments choose by substring."""

import importlib
import os
import sys
import time
import traceback

import support

MODULES = ("test_schema", "test_ledger", "test_tools", "test_operator", "test_sign_in", "test_tiers", "test_customer", "test_webhook", "test_concurrency", "test_idempotency", "test_job")


def main():
    wanted = sys.argv[1:]
    tests = []
    for name in MODULES:
        module = importlib.import_module(name)
        for key, value in vars(module).items():
            if key.startswith("test_") and callable(value) and (
                    not wanted or any(w in f"{name}.{key}" for w in wanted)):
                tests.append((f"{name}.{key}", value))
    world = support.World(os.environ["AIG_TEST_SERVER"], os.environ["AIG_TEST_WORK"], os.environ["AIG_TEST_SQL"])
    print(f"1..{len(tests)}", flush=True)
    failed = 0
    try:
        world.start()
        for number, (name, function) in enumerate(tests, 1):
            began = time.monotonic()
            try:
                note = function(world) or ""
                world.check_ledger()
                print(f"ok {number} - {name} ({time.monotonic() - began:.1f} s){' # ' + note if note else ''}",
                      flush=True)
            except Exception:  # noqa: BLE001 -- any failure is a failed test, the others still run
                failed += 1
                print(f"not ok {number} - {name}", flush=True)
                for line in traceback.format_exc().splitlines():
                    print(f"#   {line}", flush=True)
                world.repair()
    finally:
        world.stop()
    if failed:
        print(f"# {failed} of {len(tests)} failed")
    return 1 if failed else 0


sys.exit(main())
