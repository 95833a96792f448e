# SPDX-License-Identifier: Apache-2.0
"""Fixtures of tests/e2e and tests/sdk (pytest loads this as a plugin)."""

import os
import pathlib
import platform
import shutil

import pytest
from world import World

ARCHES = {"x86_64": "x64", "aarch64": "arm64"}


def pytest_collection_modifyitems(config, items):
    """A class that runs somebody else's tests names those that are about what is not offered here."""
    left_out = [i for i in items if getattr(i, "originalname", None) in getattr(getattr(i, "cls", None), "not_offered", ())]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [i for i in items if i not in left_out]


@pytest.fixture(scope="session")
def world():
    """The database, the fake upstream and a gateway behind lighttpd, for all tests that do not need their own."""
    world = World()
    try:
        world.start()
        yield world
        world.verify()
        world.main.stop()
        assert world.main.reports() == [], "the gateway's log has a report of a sanitizer or an assertion"
    finally:
        world.stop()


@pytest.fixture
def account(world):
    with world.account() as account:
        yield account


@pytest.fixture
def api(account):
    """The gateway, called with the account's key."""
    return account.api


@pytest.fixture(scope="session")
def node():
    """(node, directory): the Node.js that the lock file brings, as the SDK needs a newer one than Debian has."""
    directory = pathlib.Path(os.environ.get("AIG_SDK_DIR") or "/nonexistent")
    if not (directory / "node_modules/openai").is_dir():
        pytest.skip("the JavaScript packages are not installed (tests/env/node.sh)")
    own = directory / f"node_modules/node-linux-{ARCHES.get(platform.machine())}/bin/node"
    return str(own) if own.exists() else shutil.which("node"), directory
