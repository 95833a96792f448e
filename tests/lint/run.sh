#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The rules of the tree: lint.py (layers, banned calls, lengths, ...), clang-format 14, cppcheck.
# What is missing on this machine is left out with a note; with CI set it is a failure.

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
status=0

missing() {
    echo "note: $1 is missing, $2 not checked"
    if [ -n "$CI" ]; then
        status=1
    fi
}

find_tool() {
    for name in "$@"; do
        command -v "$name" 2>/dev/null && return
    done
}

python=
for name in /usr/bin/python3 python3; do
    if "$name" -c 'import sys; sys.exit(sys.version_info < (3, 6))' 2>/dev/null; then
        python=$name
        break
    fi
done
if [ -n "$python" ]; then
    PYTHONDONTWRITEBYTECODE=1
    export PYTHONDONTWRITEBYTECODE
    "$python" "$here/lint.py" --self-test || status=1
    "$python" "$here/lint.py" "$root" || status=1
else
    missing python3 'the rules of lint.py are'
fi

c_files() {
    (cd "$root" && find fcgi-app cron tests -name '.?*' -prune -o -name node_modules -prune -o \
        -name '*.[ch]' -print | sort)
}

format=$(find_tool clang-format-14 clang-format)
case $([ -n "$format" ] && "$format" --version) in
*"version 14."*)
    if printf 'int  x ;\n' | "$format" --dry-run -Werror >/dev/null 2>&1; then
        echo "self-test: $format accepts anything"
        status=1
    fi
    (cd "$root" && c_files | xargs "$format" --dry-run -Werror) || {
        echo "run: $format -i on these files"
        status=1
    }
    ;;
*) missing 'clang-format 14' 'the layout is' ;;
esac

# variableScope: declarations where they are clearest. Vendor headers are not needed.
cppcheck=$(find_tool cppcheck)
if [ -n "$cppcheck" ]; then
    bad=$(mktemp -d) || exit 1
    trap 'rm -rf "$bad"' EXIT
    printf 'int f(int i)\n{\n    int a[2];\n    a[2] = i;\n    return a[0];\n}\n' >"$bad/bad.c"
    if "$cppcheck" --quiet --error-exitcode=1 "$bad/bad.c" 2>/dev/null; then
        echo "self-test: $cppcheck accepts anything"
        status=1
    fi
    (cd "$root" && "$cppcheck" --quiet --std=c11 --error-exitcode=1 --inline-suppr \
        --enable=warning,style,performance,portability --suppress=variableScope \
        --suppress=missingIncludeSystem '--suppress=unreadVariable:tests/unit/*' -Ifcgi-app fcgi-app cron tests/unit tests/fuzz) || status=1
else
    missing cppcheck 'what it finds is'
fi

exit $status
