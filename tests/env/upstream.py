# SPDX-License-Identifier: Apache-2.0
"""The fake upstream as a daemon."""

import http.client
import json
import pathlib
import urllib.parse

from process import SRCDIR, Daemon, StackError, clean_environment, free_port, python_with_aiohttp, wait_for_port


class Upstream:
    """The fake upstream (tests/upstream/README.md) and its controls."""

    def __init__(self, log, pid_file, srcdir=SRCDIR):
        self.log, self.pid_file, self.srcdir = pathlib.Path(log), pid_file, srcdir
        self.daemon = Daemon(pid_file)
        self.port = None

    def start(self, port=0):
        self.port = port or free_port()
        script = self.srcdir / "tests/upstream/fake.py"
        self.daemon = Daemon(self.pid_file).start([python_with_aiohttp(), "-B", str(script), f"--port={self.port}"], self.log, clean_environment())
        if not wait_for_port(self.port, 20, lambda: self.daemon.pid is not None):
            self.daemon.stop()
            raise StackError(f"the fake upstream did not start; see {self.log}")
        return self

    def stop(self):
        self.daemon.stop(3)

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def provider_url(self, provider):
        return f"{self.url}/{provider}"

    def control(self, method, path, value=None, timeout=70):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            connection.request(method, path, None if value is None else json.dumps(value), {"Content-Type": "application/json"})
            answer = connection.getresponse()
            body = json.loads(answer.read())
        finally:
            connection.close()
        if answer.status != 200:
            raise StackError(f"fake upstream: {body}")
        return body

    def script(self, script, times=0, **match):
        """Lays a script down for requests that match (provider, api, model, stream, contains); its number."""
        return self.control("POST", "/_fake/script", {"match": match, "times": times, "script": script})["id"]

    def unscript(self, number=None):
        self.control("DELETE", "/_fake/script" + (f"/{number}" if number else ""))

    def requests(self, **filters):
        """What was received: contains, provider, api, after; wait=SECONDS, until="start", count."""
        return self.control("GET", "/_fake/requests?" + urllib.parse.urlencode(filters))["requests"]

    def forget(self):
        self.control("DELETE", "/_fake/requests")
