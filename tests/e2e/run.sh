#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The end-to-end tests: tests/e2e and tests/sdk. `make check` calls this; by hand, arguments go to pytest, which runs in tests/:
#   tests/e2e/run.sh e2e/test_money.py -k stream
# AIG_VENV          Python environment with tests/requirements.txt (default: made by tests/env/venv.sh)
# AIG_TEST_LLAMAINDEX  python of an environment with tests/requirements-llamaindex.txt (default: made by tests/env/venv.sh)
# AIG_SDK_DIR       copy of tests/sdk with its JavaScript packages (default: made by tests/env/node.sh)
# AIG_E2E_GATEWAY   gateway.fcgi of another build, such as one with sanitizers; its cron programs lie beside it
# AIG_E2E_JOBS      how many tests at once (default: 3)
# AIG_E2E_KEEP      keep the directories of the gateways that the tests start
# Exit code 77: something that the tests need is missing (outside CI).

set -u

here=$(cd "$(dirname "$0")" && pwd) || exit 1
top_builddir=$(cd "${top_builddir:-$here/../..}" && pwd) || exit 1
export top_builddir
work=$top_builddir/run
mkdir -p "$work" || exit 1

missing() {
    echo "end-to-end tests skipped: $*"
    [ -z "${CI:-}" ] || exit 1
    exit 77
}

for program in mariadbd lighttpd apache2; do
    PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin command -v "$program" >/dev/null 2>&1 || missing "$program is not installed"
done
if [ -n "${AIG_VENV:-}" ]; then
    python=$AIG_VENV/bin/python
    [ -x "$python" ] || missing "there is no $python"
else
    python=$(sh "$here/../env/venv.sh" "$work") || missing "the Python packages cannot be installed"
fi
if [ -z "${AIG_TEST_LLAMAINDEX:-}" ]; then
    AIG_TEST_LLAMAINDEX=$(sh "$here/../env/venv.sh" "$work" llamaindex) || AIG_TEST_LLAMAINDEX=
fi
export AIG_TEST_LLAMAINDEX
if [ -z "${AIG_SDK_DIR:-}" ]; then
    AIG_SDK_DIR=$(sh "$here/../env/node.sh" "$work") || AIG_SDK_DIR=
else
    cp "$here"/../sdk/*.mjs "$AIG_SDK_DIR/"
fi
export AIG_SDK_DIR
[ -n "$AIG_SDK_DIR" ] || [ -z "${CI:-}" ] || missing "the JavaScript packages cannot be installed"
[ -f "${AIG_E2E_GATEWAY:-$top_builddir/gateway.fcgi}" ] || missing "gateway.fcgi is not built"

PYTHONPATH=$here
PYTHONDONTWRITEBYTECODE=1
export PYTHONPATH PYTHONDONTWRITEBYTECODE
cd "$here/.." || exit 1
exec "$python" -m pytest -c "$here/pytest.ini" --rootdir . -q --tb=short -n "${AIG_E2E_JOBS:-3}" --dist loadfile \
    --junitxml "$work/e2e.xml" "$@"
