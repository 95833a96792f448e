# SPDX-License-Identifier: Apache-2.0
"""Programs, ports and processes."""

import contextlib
import os
import pathlib
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time

SRCDIR = pathlib.Path(__file__).resolve().parents[2]
KEPT_ENVIRONMENT = ("PATH", "HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "TZ", "TMPDIR", "ASAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS",
                    "LSAN_OPTIONS", "LD_LIBRARY_PATH", "PYTHONPATH")


class StackError(Exception):
    """Something did not start; the message is one sentence for the user."""


def find_program(name):
    path = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin")
    if path is None:
        raise StackError(f"{name} is not installed")
    return path


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def port_is_free(port):
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def wait_for_port(port, seconds, alive=lambda: True):
    end = time.monotonic() + seconds
    while time.monotonic() < end and alive():
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", port), 1).close()
            return True
        time.sleep(0.02)
    return False


def tail(path, lines=5):
    try:
        text = pathlib.Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    return "\n".join(text.splitlines()[-lines:])


def others_can_reach(path):
    """Whether every directory above `path` lets other users through."""
    return all(parent.stat().st_mode & stat.S_IXOTH for parent in pathlib.Path(path).resolve().parents)


def process_facts(pid):
    """(parent, session, start time) of a process, or None."""
    try:
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except (OSError, IndexError):
        return None
    return None if fields[0] == "Z" else (int(fields[1]), int(fields[3]), fields[19])


def session_members(session):
    """The processes of a session, its leader left out."""
    pids = [int(name) for name in os.listdir("/proc") if name.isdigit()]
    return sorted(pid for pid in pids if pid != session and (process_facts(pid) or (0, 0))[1] == session)


def python_with_aiohttp():
    for candidate in (sys.executable, "/usr/bin/python3", shutil.which("python3")):
        if candidate and subprocess.run([candidate, "-c", "import aiohttp"], capture_output=True, check=False).returncode == 0:
            return candidate
    raise StackError("no Python with aiohttp was found (Debian: apt-get install python3-aiohttp)")


def clean_environment(**more):
    """Nothing of the caller's keys, proxies and AIG_* settings."""
    env = {k: v for k, v in os.environ.items() if k in KEPT_ENVIRONMENT}
    env.update(more)
    return env


class Daemon:
    """A program in a session of its own. Its pid file also has the start time, so that a reused pid is not taken for ours."""

    def __init__(self, pid_file):
        self.pid_file = pathlib.Path(pid_file)
        self.process = None

    def start(self, command, log, env, group=None, cwd=None):
        self.log = pathlib.Path(log)
        more = {"group": group, "extra_groups": []} if group else {}
        with open(log, "ab") as out:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=env, cwd=cwd,
                                            start_new_session=True, **more)
        facts = process_facts(self.process.pid)
        self.pid_file.write_text(f"{self.process.pid} {facts[2] if facts else 0}\n")
        return self

    @property
    def pid(self):
        """The pid if the process lives and is the one that was started."""
        if self.process is not None:
            return self.process.pid if self.process.poll() is None else None
        try:
            pid, started = self.pid_file.read_text().split()
        except (OSError, ValueError):
            return None
        facts = process_facts(int(pid))
        return int(pid) if facts and facts[2] == started else None

    def stop(self, seconds=10):
        """SIGTERM, then SIGKILL for the whole session."""
        pid = self.pid
        if pid is None:
            self.pid_file.unlink(missing_ok=True)
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
        end = time.monotonic() + seconds
        while self.pid is not None and time.monotonic() < end:
            time.sleep(0.01)
        for left in session_members(pid) + ([pid] if self.pid else []):
            with contextlib.suppress(ProcessLookupError):
                os.kill(left, signal.SIGKILL)
        if self.process is not None:
            self.process.wait()
        self.pid_file.unlink(missing_ok=True)

    def kill(self):
        """SIGKILL, as a crash."""
        pid = self.pid
        if pid is not None:
            os.kill(pid, signal.SIGKILL)
            if self.process is not None:
                self.process.wait()
