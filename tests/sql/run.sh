#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Tests of sql/: starts a MariaDB of its own in a temporary directory, runs test_*.py against it, stops it.
# Exit status 0: all passed, 1: a test failed, 77: MariaDB, Python 3 or libmariadb is missing.

set -u

skip() {
    echo "1..0 # SKIP $*"
    exit 77
}

here=$(cd "$(dirname "$0")" && pwd) || exit 1
for tool in mariadb mariadb-install-db python3; do
    command -v "$tool" >/dev/null 2>&1 || skip "$tool is not installed"
done
server=$(command -v mariadbd || ls /usr/sbin/mariadbd /usr/libexec/mariadbd 2>/dev/null | head -n 1)
[ -n "$server" ] || skip "mariadbd is not installed"
PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=$here python3 -c 'import dbclient' 2>/dev/null ||
    skip "Python cannot load libmariadb.so.3 (Debian: apt-get install libmariadb3)"

# Not below the build directory: a socket's path may have no more than some 100 characters.
work=$(mktemp -d "${TMPDIR:-/tmp}/aigsql.XXXXXX") || exit 1
pid=''
cleanup() {
    pid=$(cat "$work/mariadbd.pid" 2>/dev/null)
    [ -z "$pid" ] || kill "$pid" 2>/dev/null
    n=0
    while [ -n "$pid" ] && kill -0 "$pid" 2>/dev/null && [ $n -lt 100 ]; do
        sleep 0.1
        n=$((n + 1))
    done
    rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 1' HUP INT TERM

mariadb-install-db --no-defaults --datadir="$work/data" --tmpdir="$work" --auth-root-authentication-method=normal \
    --skip-test-db --user="$(id -un)" >"$work/install.log" 2>&1 || {
    cat "$work/install.log" >&2
    exit 1
}

PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=$here AIG_TEST_WORK=$work AIG_TEST_SERVER=$server \
    AIG_TEST_SQL=${AIG_SQL_DIR:-$here/../../sql} python3 "$here/run_tests.py" "$@"
