# SPDX-License-Identifier: Apache-2.0
"""A private MariaDB."""

import fcntl
import hashlib
import os
import pathlib
import pwd
import re
import shutil
import stat
import subprocess
import tempfile
import time

from process import SRCDIR, Daemon, StackError, clean_environment, find_program


class Database:
    """A private MariaDB server that only listens on a socket. `user`, its administrator, is whoever runs this and needs no password."""

    def __init__(self, data, run, log, pid_file, srcdir=SRCDIR):
        self.data, self.socket, self.log, self.srcdir = pathlib.Path(data), pathlib.Path(run) / "mariadb.sock", pathlib.Path(log), srcdir
        # Not the common one: whichever server starts removes all temporary tables that it finds there.
        self.tmp = self.data.parent / f"{self.data.name}-tmp"
        self.pid_file = pid_file
        self.name = "aigenerate"
        self.daemon = Daemon(pid_file)
        self.user = pwd.getpwuid(os.getuid()).pw_name

    def install(self):
        """System tables into an empty data directory."""
        self.data.mkdir(parents=True, mode=0o700, exist_ok=True)
        self.tmp.mkdir(mode=0o700, exist_ok=True)
        command = [find_program("mariadb-install-db"), "--no-defaults", f"--datadir={self.data}", f"--tmpdir={self.tmp}", "--skip-test-db",
                   "--auth-root-authentication-method=socket", f"--auth-root-socket-user={self.user}", "--innodb-log-file-size=32M"]
        if os.getuid() == 0:
            command.append("--user=root")
        with open(self.log, "ab") as out:
            if subprocess.run(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, check=False).returncode:
                raise StackError(f"mariadb-install-db failed; see {self.log}")

    def start(self, options=(), seconds=60):
        self.tmp.mkdir(mode=0o700, exist_ok=True)
        command = [find_program("mariadbd"), "--no-defaults", f"--datadir={self.data}", f"--tmpdir={self.tmp}", f"--socket={self.socket}",
                   "--skip-networking", f"--pid-file={self.data}/mariadbd.pid", "--innodb-flush-log-at-trx-commit=1", "--innodb-log-file-size=32M",
                   "--innodb-buffer-pool-size=128M", "--character-set-server=utf8mb4", "--max-connections=600",
                   "--performance-schema=OFF", "--skip-name-resolve", *options]
        if os.getuid() == 0:
            command.append("--user=root")
        self.daemon = Daemon(self.pid_file).start(command, self.log, clean_environment())
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if self.daemon.pid is None:
                raise StackError(f"MariaDB ended at once; see {self.log}")
            if self.socket.exists() and self.client("SELECT 1", "").returncode == 0:
                return self
            time.sleep(0.05)
        self.daemon.stop()
        raise StackError(f"MariaDB did not answer within {seconds} s; see {self.log}")

    def stop(self):
        self.daemon.stop(60)

    def kill(self):
        self.daemon.kill()

    def client_options(self, database=None):
        return ["--no-defaults", f"--socket={self.socket}", f"--user={self.user}"] + ([database] if database else [])

    def client(self, sql, database=None):
        database = self.name if database is None else database
        command = [find_program("mariadb"), *self.client_options(database), "--batch", "--default-character-set=utf8mb4"]
        return subprocess.run(command, input=sql, capture_output=True, text=True, check=False)

    def sql(self, sql, database=None):
        """Runs SQL; the rows of the (last) result as dicts of strings, NULL as None."""
        done = self.client(sql, database)
        if done.returncode:
            raise StackError(f"SQL failed: {done.stderr.strip()}")
        rows, names = [], None
        for line in done.stdout.splitlines():
            values = [None if v == "NULL" else re.sub(r"\\(.)", lambda m: {"n": "\n", "t": "\t", "0": "\0"}.get(m[1], m[1]), v)
                      for v in line.split("\t")]
            if names is None:
                names = values
            else:
                rows.append(dict(zip(names, values)))
        return rows

    def migrate(self):
        """The schema of this tree, and the users of the programs."""
        self.sql(f"CREATE DATABASE IF NOT EXISTS {self.name} CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci", "")
        with open(self.log, "ab") as out:
            done = subprocess.run(["sh", str(self.srcdir / "sql/migrate.sh"), *self.client_options(self.name)], stdin=subprocess.DEVNULL,
                                  stdout=out, stderr=out, check=False)
        if done.returncode:
            raise StackError(f"sql/migrate.sh failed; see {self.log}")
        grants = self.srcdir / "sql/grants.sql"
        if grants.exists():
            done = self.client(grants.read_text(encoding="utf-8"))
            if done.returncode:
                raise StackError(f"sql/grants.sql failed: {done.stderr.strip()}")

    def set_passwords(self, passwords):
        """Users of the programs with their role: {user: (role, password)}."""
        lines = []
        for user, (role, password) in passwords.items():
            lines += [f"CREATE USER IF NOT EXISTS '{user}'@'localhost'", f"ALTER USER '{user}'@'localhost' IDENTIFIED BY '{password}'",
                      f"GRANT {role} TO '{user}'@'localhost'", f"SET DEFAULT ROLE {role} FOR '{user}'@'localhost'"]
        self.sql(";\n".join(lines))

    def copy_template(self):
        """Data with the schema of this tree, made once for each state of sql/ and then copied."""
        template = make_template(self.srcdir)
        shutil.copytree(template, self.data)
        self.data.chmod(0o700)


def template_key(srcdir):
    digest = hashlib.sha256()
    version = subprocess.run([find_program("mariadbd"), "--version"], capture_output=True, check=False).stdout
    digest.update(version + str(os.getuid()).encode())
    for path in sorted(pathlib.Path(srcdir, "sql").rglob("*")):
        if path.is_file():
            digest.update(str(path.relative_to(srcdir)).encode() + b"\0" + path.read_bytes() + b"\0")
    digest.update(pathlib.Path(__file__).read_bytes())
    return digest.hexdigest()[:16]


def make_template(srcdir):
    """Path of a data directory to copy from. Kept in the temporary directory, one for each state of sql/."""
    cache = pathlib.Path(tempfile.gettempdir(), f"ai-generate-cache-{os.getuid()}")
    cache.mkdir(mode=0o700, exist_ok=True)
    facts = cache.lstat()
    if not stat.S_ISDIR(facts.st_mode) or facts.st_uid != os.getuid():
        raise StackError(f"{cache} is not ours; remove it or set TMPDIR")
    ready = cache / f"mariadb-{template_key(srcdir)}"
    with open(cache / "lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if ready.is_dir():
            os.utime(ready)
            return ready
        for old in sorted(cache.glob("mariadb-*"), key=lambda p: p.stat().st_mtime)[:-3]:
            if time.time() - old.stat().st_mtime > 3600:
                shutil.rmtree(old, ignore_errors=True)
        with tempfile.TemporaryDirectory(prefix="new-", dir=cache) as work:
            database = Database(pathlib.Path(work, "data"), work, pathlib.Path(cache, "template.log"), pathlib.Path(work, "pid"), srcdir)
            database.install()
            database.start()
            try:
                database.migrate()
            finally:
                database.stop()
            os.rename(database.data, ready)
    return ready
