#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The dashboard in a real browser: Debian's Chromium, driven by Playwright. `make check` calls this; by hand, arguments go to pytest,
# which runs in tests/:
#   tests/browser/run.sh browser/test_dashboard.py -k team
# AIG_VENV               Python environment with tests/requirements.txt (default: made by tests/env/venv.sh)
# AIG_E2E_GATEWAY        gateway.fcgi of another build; its cron programs lie beside it
# AIG_E2E_JOBS           how many files of tests at once (default: 2)
# AIG_TEST_CHROMIUM      the browser (default: chromium of the PATH)
# AIG_TEST_SCREENSHOTS   a directory for pictures of every screen
# Exit code 77: something that the tests need is missing (outside CI).

set -u

here=$(cd "$(dirname "$0")" && pwd) || exit 1
top_builddir=$(cd "${top_builddir:-$here/../..}" && pwd) || exit 1
export top_builddir
work=$top_builddir/run
mkdir -p "$work" || exit 1

missing() {
    echo "browser tests skipped: $*"
    [ -z "${CI:-}" ] || exit 1
    exit 77
}

AIG_TEST_CHROMIUM=${AIG_TEST_CHROMIUM:-$(command -v chromium || true)}
[ -x "$AIG_TEST_CHROMIUM" ] || missing "chromium is not installed (Debian: apt-get install chromium)"
export AIG_TEST_CHROMIUM
for program in mariadbd lighttpd; do
    PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin command -v "$program" >/dev/null 2>&1 || missing "$program is not installed"
done
if [ -n "${AIG_VENV:-}" ]; then
    python=$AIG_VENV/bin/python
    [ -x "$python" ] || missing "there is no $python"
else
    python=$(sh "$here/../env/venv.sh" "$work") || missing "the Python packages cannot be installed"
fi
[ -f "${AIG_E2E_GATEWAY:-$top_builddir/gateway.fcgi}" ] || missing "gateway.fcgi is not built"

PYTHONPATH=$here:$here/../e2e
PYTHONDONTWRITEBYTECODE=1
export PYTHONPATH PYTHONDONTWRITEBYTECODE
cd "$here/.." || exit 1
[ $# -gt 0 ] || set -- browser
exec "$python" -m pytest -c "$here/pytest.ini" --rootdir . -q --tb=short -n "${AIG_E2E_JOBS:-2}" --dist loadfile --junitxml "$work/browser.xml" "$@"
