#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Copies tests/sdk, installs its JavaScript packages there as its lock file says, and prints the directory.
#   usage: node.sh DIRECTORY        (a directory that may be written; the copy becomes DIRECTORY/sdk)
# Exit code 77: no node or npm, or the packages cannot be had.

set -u

here=$(cd "$(dirname "$0")" && pwd) || exit 1
source=$here/../sdk
target=${1:?a directory is needed}/sdk
stamp=$target/node_modules/lock.stamp

if ! command -v node >/dev/null 2>&1 || ! command -v npm >/dev/null 2>&1; then
    echo "node.sh: node or npm is not installed (Debian: apt-get install nodejs npm)" >&2
    exit 77
fi
[ -f "$source/package-lock.json" ] || { echo "node.sh: tests/sdk has no package-lock.json" >&2; exit 77; }
mkdir -p "$target" || exit 1
(cd "$source" && find . -name node_modules -prune -o -type f -print) | while read -r file; do
    mkdir -p "$target/${file%/*}" && cp "$source/$file" "$target/$file" && chmod u+w "$target/$file"
done
if ! cmp -s "$source/package-lock.json" "$stamp"; then
    log=$1/npm.log
    if ! (cd "$target" && npm ci --no-audit --no-fund --ignore-scripts) >"$log" 2>&1; then
        tail -n 3 "$log" >&2
        echo "node.sh: npm ci failed; see $log" >&2
        exit 77
    fi
    cp "$source/package-lock.json" "$stamp"
fi
echo "$target"
