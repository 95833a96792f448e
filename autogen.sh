#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Alone: generates configure. With a word: runs or checks everything on a Debian machine.

set -u

usage() {
    cat <<'HELP'
usage: ./autogen.sh                      generate configure (then: ./configure && make && make check && make install)
       ./autogen.sh run [--detach] [--server=lighttpd|apache]
                                         install missing Debian packages, build, start everything under run/ and make one paid
                                         call; until Ctrl-C, or in the background with --detach
       ./autogen.sh stop                 end what `run` started
       ./autogen.sh check                install, build and run every test
       ./autogen.sh --help

PORT             port of `run` on 127.0.0.1 (default 8080)
OPENAI_API_KEY, ANTHROPIC_API_KEY, GEMINI_API_KEY, OPENROUTER_API_KEY, KIE_API_KEY
                 are used by `run`; a provider without a key is played by the fake upstream of tests/
AIG_<KEY>        any setting of the gateway, for example AIG_ANTHROPIC_URL=http://127.0.0.1:9000
HELP
}

die() {
    printf 'autogen.sh: %s\n' "$*" >&2
    exit 1
}

# step LOG TEXT COMMAND...: one line of progress, the rest goes into run/log/LOG.log
step() {
    log=run/log/$1.log
    printf '%s ... ' "$2"
    what=$2
    shift 2
    begin=$(date +%s)
    if "$@" >"$log" 2>&1 </dev/null; then
        echo "done ($(($(date +%s) - begin)) s)"
    else
        echo "failed"
        tail -n 5 "$log" | sed 's/^/    /' >&2
        die "$what failed; see $log"
    fi
}

generate() {
    command -v autoreconf >/dev/null 2>&1 ||
        die "autoreconf is missing: apt-get install autoconf automake autoconf-archive pkg-config"
    autoreconf -i
}

find_python() {
    for python in /usr/bin/python3 python3; do
        if command -v "$python" >/dev/null 2>&1; then
            return 0
        fi
    done
    die "python3 is not installed: apt-get install python3"
}

reconfigure() {
    ./config.status --recheck && ./config.status
}

# build run|check
build() {
    [ -f configure ] || step autoreconf "generating configure" generate
    if [ ! -f config.status ]; then
        step configure "configuring" ./configure
    elif [ -n "$installed" ] || { [ "$1" = check ] && grep -q '^S\["HAVE_CMOCKA_TRUE"\]="#"' config.status; }; then
        # what was missing then is there now; the options stay
        step configure "configuring again" reconfigure
    fi
    # make brings configure up to date by itself where its sources changed
    step make "building" make -j"$(nproc)" all
}

prepare() {
    [ -w . ] || die "this directory cannot be written"
    mkdir -p run/log || die "run/log cannot be made"
    . tests/env/packages.sh
}

case "${1:-}" in
run) ;;
stop | check)
    [ $# = 1 ] || die "$1 takes no arguments (--help shows the usage)"
    ;;
'') ;;
--help | -h)
    usage
    exit 0
    ;;
*) die "unknown word: $1 (--help shows the usage)" ;;
esac

cd "$(dirname "$0")" || exit 1
case "${1:-}" in
'')
    generate
    ;;
run)
    shift
    server=lighttpd detach=
    for option; do
        case $option in
        --detach) detach=--detach ;;
        --server=lighttpd | --server=apache) server=${option#--server=} ;;
        *) die "unknown option: $option (--help shows the usage)" ;;
        esac
    done
    port=${PORT:-8080}
    case $port in
    *[!0-9]* | ??????*) die "PORT is not a port: $port" ;;
    esac
    if [ "$port" -lt 1 ] || [ "$port" -gt 65535 ]; then
        die "PORT is not a port: $port"
    fi
    prepare
    case $server in apache) package=apache2 ;; *) package=lighttpd ;; esac
    # shellcheck disable=SC2086
    packages_install $packages_build $packages_run $package
    build run
    find_python
    exec "$python" -B tests/env/demo.py run --port="$port" --server="$server" $detach
    ;;
stop)
    find_python
    exec "$python" -B tests/env/demo.py stop
    ;;
check)
    prepare
    node=
    if ! command -v node >/dev/null 2>&1; then node=nodejs; fi
    if ! command -v npm >/dev/null 2>&1; then node="$node npm"; fi
    # shellcheck disable=SC2086
    packages_install $packages_build $packages_run $packages_check $node
    build check
    exec sh tests/env/check.sh
    ;;
esac
