#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# usage: sanitize.sh address,undefined|thread
# Builds the distribution's tarball with sanitizers under run/ and runs the unit tests, the fuzz corpora and the end-to-end tests on
# it. Wants a configured and built tree and the environments that check.sh makes. Exit code: that of `make check` there.

set -u

cd "$(dirname "$0")/../.." || exit 1
root=$PWD
dir=run/sanitize-$1
rm -rf "$dir"
mkdir -p "$dir/build" run/log || exit 1
log=$root/run/log/sanitize-$1.log

build() {
    make -s --no-print-directory dist-gzip && tar -xzf ai-generate-*.tar.gz -C "$dir" && rm -f ai-generate-*.tar.gz || return 1
    mv "$dir"/ai-generate-* "$dir/src" && cd "$dir/build" || return 1
    ../src/configure --enable-sanitize="$1" && make -j"$(nproc)" && make -j"$(nproc)" check TESTS=
}

printf 'building with %s sanitizer ... ' "$1"
if ! build "$1" >"$log" 2>&1; then
    echo "failed"
    tail -n 15 "$log" >&2
    exit 1
fi
echo "done"
cd "$root/$dir/build" || exit 1
# The environments are those of the main build.
mkdir -p run && ln -s "$root/run/venv" "$root/run/venv-llamaindex" "$root/run/sdk" run/ || exit 1
# Slow as the build is, fewer tests at once.
AIG_E2E_JOBS=${AIG_E2E_JOBS:-2} exec make -s --no-print-directory check SUITES=tests/e2e/run.sh
