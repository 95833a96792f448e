#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# `./autogen.sh check` after the build: environments of the tests, `make check`, and one line that sums all of it up.
# TESTS_NO_SKIP=1 (set by .ci/run): a test that was skipped because a tool is missing counts as failed.

set -u

cd "$(dirname "$0")/../.." || exit 1
mkdir -p run/log
say() { printf '%s\n' "$*"; }

begin=$(date +%s)
if [ -f tests/requirements.txt ]; then
    printf 'Python packages of the tests ... '
    for name in '' llamaindex; do
        if python=$(sh tests/env/venv.sh run $name); then printf '%s ' "$python"; else printf 'missing '; fi
    done
    say
fi
if [ -f tests/sdk/package-lock.json ]; then
    printf 'JavaScript packages of the tests ... '
    if directory=$(sh tests/env/node.sh run); then say "$directory"; else say "missing"; fi
fi
printf 'building the tests ... '
if ! make -j"$(nproc)" --no-print-directory check TESTS= >run/log/check-build.log 2>&1; then
    say "failed"
    tail -n 15 run/log/check-build.log >&2
    echo "autogen.sh: the tests do not build; see run/log/check-build.log" >&2
    say "0 passed, 1 failed"
    exit 1
fi
say "done"
# results of an earlier run must not be counted
find tests -name '*.trs' -exec rm -f {} +
# automake's own summary is on the screen; the details are in each test's .log
make -s --no-print-directory check
status=$?
# The same once more with sanitizers: memory and undefined behaviour, then threads.
for kind in address,undefined thread; do
    sh tests/env/sanitize.sh "$kind" || status=1
done
for python in /usr/bin/python3 python3; do
    command -v "$python" >/dev/null 2>&1 && break
done
say "all of it took $(($(date +%s) - begin)) s"
"$python" -B tests/env/summary.py "$status" .
