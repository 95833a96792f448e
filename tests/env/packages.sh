# SPDX-License-Identifier: Apache-2.0
# Debian packages: which ones, and installing those that are missing. Sourced by autogen.sh, which gives `step` and `die`.

packages_build="autoconf automake autoconf-archive pkg-config make gcc libc6-dev libmariadb-dev libfcgi-dev libcurl4-openssl-dev \
libjson-c-dev libssl-dev"
packages_run="mariadb-server mariadb-client curl ca-certificates python3 python3-aiohttp"
packages_check="lighttpd apache2 libapache2-mod-fcgid libcmocka-dev python3-venv clang clang-format cppcheck valgrind libclang-rt-14-dev chromium"

packages_missing() {
    for package in "$@"; do
        [ "$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || printf '%s ' "$package"
    done
}

# Services of packages that were installed here must not start, now or with the system.
packages_without_services() {
    $as_root sh -s "$@" <<'SCRIPT'
set -u
rc=/usr/sbin/policy-rc.d
if [ ! -e "$rc" ]; then
    printf '#!/bin/sh\nexit 101\n' >"$rc" && chmod 755 "$rc" && trap 'rm -f "$rc"' EXIT
    trap 'exit 130' INT TERM HUP
fi
export DEBIAN_FRONTEND=noninteractive
apt-get -q update || echo "apt-get update failed; going on with the lists that are there"
apt-get -q -y --no-install-recommends install "$@" || exit 1
for package in "$@"; do
    case $package in
    mariadb-server) service=mariadb ;;
    lighttpd | apache2) service=$package ;;
    *) continue ;;
    esac
    if [ -d /run/systemd/system ]; then
        systemctl disable --now "$service" || true
    else
        update-rc.d "$service" disable || true
    fi
done
SCRIPT
}

# packages_install PACKAGE...: `installed` says which were missing.
packages_install() {
    installed=
    command -v dpkg-query >/dev/null 2>&1 || return 0
    missing=$(packages_missing "$@")
    missing=${missing% }
    [ -n "$missing" ] || return 0
    as_root=
    if [ "$(id -u)" != 0 ]; then
        if command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; then
            as_root="sudo -n"
        else
            die "packages are missing and this is not root: apt-get install $missing"
        fi
    fi
    # shellcheck disable=SC2086
    step packages "installing $missing" packages_without_services $missing
    installed=$missing
}
