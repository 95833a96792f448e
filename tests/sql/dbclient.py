# SPDX-License-Identifier: Apache-2.0
"""A small MariaDB client over libmariadb (ctypes), and the private server of the tests.

The standard library has no MariaDB client, and the program needs libmariadb anyway. Calls release Python's
global lock, so threads really run at once in the server.
"""

import ctypes
import datetime
import decimal
import os
import subprocess
import time

_LIB = ctypes.CDLL("libmariadb.so.3")
_P = ctypes.c_void_p
for _name, _result, _arguments in (
    ("mysql_server_init", ctypes.c_int, [ctypes.c_int, _P, _P]),
    ("mysql_init", _P, [_P]),
    ("mysql_real_connect", _P, [_P, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_char_p,
                                ctypes.c_uint, ctypes.c_char_p, ctypes.c_ulong]),
    ("mysql_real_query", ctypes.c_int, [_P, ctypes.c_char_p, ctypes.c_ulong]),
    ("mysql_store_result", _P, [_P]),
    ("mysql_field_count", ctypes.c_uint, [_P]),
    ("mysql_num_fields", ctypes.c_uint, [_P]),
    ("mysql_fetch_field_direct", ctypes.POINTER(ctypes.c_char_p), [_P, ctypes.c_uint]),
    ("mysql_fetch_row", ctypes.POINTER(_P), [_P]),
    ("mysql_fetch_lengths", ctypes.POINTER(ctypes.c_ulong), [_P]),
    ("mysql_free_result", None, [_P]),
    ("mysql_next_result", ctypes.c_int, [_P]),
    ("mysql_errno", ctypes.c_uint, [_P]),
    ("mysql_error", ctypes.c_char_p, [_P]),
    ("mysql_close", None, [_P]),
):
    _function = getattr(_LIB, _name)
    _function.restype, _function.argtypes = _result, _arguments
_LIB.mysql_server_init(0, None, None)
_CLIENT_MULTI_STATEMENTS, _CLIENT_MULTI_RESULTS = 1 << 16, 1 << 17


class DbError(Exception):
    """An error of the server, with its number."""

    def __init__(self, number, text):
        super().__init__(f"{number}: {text}")
        self.number = number
        self.text = text


class Row(dict):
    """A row by column name; all values are text or None. row.usd("x") is a Decimal."""

    __getattr__ = dict.get

    def usd(self, name):
        return None if self[name] is None else decimal.Decimal(self[name])

    def num(self, name):
        return None if self[name] is None else int(self[name])


def literal(value):
    """A value as SQL text."""
    if value is None:
        return "NULL"
    if isinstance(value, bytes):
        return "x'" + value.hex() + "'"
    if isinstance(value, (int, decimal.Decimal)):
        return str(value)
    if isinstance(value, datetime.datetime):
        value = value.strftime("%Y-%m-%d %H:%M:%S.%f")
    return "'" + str(value).replace("\\", "\\\\").replace("'", "''") + "'"


class Connection:
    def __init__(self, socket, database, user="root", password=""):
        self.handle = _P(_LIB.mysql_init(None))
        if not _LIB.mysql_real_connect(self.handle, None, user.encode(), password.encode(),
                                       database.encode() if database else None, 0, socket.encode(),
                                       _CLIENT_MULTI_STATEMENTS | _CLIENT_MULTI_RESULTS):
            error = self._error()
            _LIB.mysql_close(self.handle)
            raise error
        self.query("SET NAMES utf8mb4, time_zone = '+00:00'")

    def _error(self):
        return DbError(_LIB.mysql_errno(self.handle),
                       (_LIB.mysql_error(self.handle) or b"").decode("utf-8", "replace"))

    def query(self, sql):
        """Runs a statement (or several) and returns the rows of the last result set that there was."""
        data = sql.encode()
        if _LIB.mysql_real_query(self.handle, data, len(data)):
            raise self._error()
        rows = []
        while True:
            result = _LIB.mysql_store_result(self.handle)
            if result:
                rows = self._fetch(result)
                _LIB.mysql_free_result(result)
            elif _LIB.mysql_field_count(self.handle):
                raise self._error()
            status = _LIB.mysql_next_result(self.handle)
            if status > 0:
                raise self._error()
            if status < 0:
                return rows

    @staticmethod
    def _fetch(result):
        count = _LIB.mysql_num_fields(result)
        names = [_LIB.mysql_fetch_field_direct(result, i)[0].decode() for i in range(count)]
        rows = []
        while True:
            row = _LIB.mysql_fetch_row(result)
            if not row:
                return rows
            lengths = _LIB.mysql_fetch_lengths(result)
            rows.append(Row((names[i], None if not row[i] else
                             ctypes.string_at(row[i], lengths[i]).decode("utf-8", "replace")) for i in range(count)))

    def one(self, sql):
        rows = self.query(sql)
        return rows[0] if rows else None

    def value(self, sql):
        row = self.one(sql)
        return None if row is None else next(iter(row.values()))

    def call(self, procedure, *arguments):
        """Calls a procedure and returns the first row of its last result set."""
        return self.one(f"CALL {procedure}({', '.join(literal(a) for a in arguments)})")

    def close(self):
        if self.handle:
            _LIB.mysql_close(self.handle)
            self.handle = None


class Server:
    """The private server. One thread of the tests starts, kills and stops it."""

    def __init__(self, binary, work, options=()):
        self.binary, self.work, self.options = binary, work, list(options)
        self.socket = os.path.join(work, "s")
        self.process = None

    def start(self):
        log = open(os.path.join(self.work, "mariadbd.log"), "ab")
        self.process = subprocess.Popen(
            [self.binary, "--no-defaults", f"--datadir={self.work}/data", f"--socket={self.socket}",
             f"--pid-file={self.work}/mariadbd.pid", "--skip-networking", "--innodb-flush-log-at-trx-commit=1",
             "--innodb-buffer-pool-size=128M", "--innodb-log-file-size=64M", "--max-connections=200",
             f"--tmpdir={self.work}"] + (["--user=root"] if os.geteuid() == 0 else []) + self.options,
            stdout=log, stderr=log)
        deadline = time.monotonic() + 60
        while True:
            try:
                Connection(self.socket, None).close()
                return
            except DbError:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"mariadbd did not start:\n{self.log_tail()}") from None
                time.sleep(0.05)

    def kill(self):
        """As a power cut would do it, but for the page cache."""
        self.process.kill()
        self.process.wait()

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(60)

    def log_tail(self):
        with open(os.path.join(self.work, "mariadbd.log"), errors="replace") as log:
            return "".join(log.readlines()[-30:])
