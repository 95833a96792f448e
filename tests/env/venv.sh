#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Makes a Python environment of the tests and prints its python. Made anew when its requirements change.
#   usage: venv.sh DIRECTORY [NAME]   (a directory that may be written; tests/requirements.txt becomes DIRECTORY/venv,
#                                      tests/requirements-NAME.txt DIRECTORY/venv-NAME)
# Exit code 77: no Python with venv, or the packages cannot be had.

set -u

here=$(cd "$(dirname "$0")" && pwd) || exit 1
name=${2:+-$2}
requirements=$here/../requirements$name.txt
venv=${1:?a directory is needed}/venv$name
stamp=$venv/requirements.stamp

if [ -x "$venv/bin/python" ] && cmp -s "$requirements" "$stamp"; then
    echo "$venv/bin/python"
    exit 0
fi
for python in /usr/bin/python3 python3; do
    if command -v "$python" >/dev/null 2>&1 && "$python" -c 'import ensurepip, venv' 2>/dev/null; then
        rm -rf "$venv"
        mkdir -p "$1"
        log=$venv.log
        if "$python" -m venv "$venv" >"$log" 2>&1 &&
            "$venv/bin/python" -m pip install --disable-pip-version-check -q -r "$requirements" >>"$log" 2>&1; then
            cp "$requirements" "$stamp"
            echo "$venv/bin/python"
            exit 0
        fi
        tail -n 3 "$log" >&2
        echo "venv.sh: the packages of tests/requirements$name.txt cannot be installed; see $log" >&2
        exit 77
    fi
done
echo "venv.sh: no python3 with venv (Debian: apt-get install python3-venv)" >&2
exit 77
