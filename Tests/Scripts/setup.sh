#!/usr/bin/env bash
# Installs what Cashew needs on Debian 12, and only what is missing: nothing is downloaded, and
# no root asked for, when everything is there.
#
#   setup.sh run     what `make build` and `make run` need
#   setup.sh         that, and what the tests and benchmarks need
set -euo pipefail
cd "$(dirname "$0")/../.."

swift_needed=6.3
run_packages=(liburing-dev libyaml-dev pkg-config redis-server redis-tools)
test_packages=(memcached libmemcached-tools nutcracker haproxy python3 python3-venv binutils dpkg-dev gcc libc6-dev
    logrotate man-db strace)
# Debian starts these when it installs them; here they are only ever started by hand.
services=(redis-server memcached nutcracker haproxy)
virtual_environment=.build/venv

fail() {
    echo "setup: $*" >&2
    exit 1
}

require_swift() {
    command -v swift >/dev/null ||
        fail "no swift on PATH: install Swift $swift_needed from" \
            "https://www.swift.org/install/linux/ and try again"
    local found
    found=$(swift --version 2>/dev/null | sed -n 's/.*Swift version \([0-9.]*\).*/\1/p' | head -n 1)
    printf '%s\n' "$swift_needed" "$found" | sort --version-sort --check=quiet ||
        fail "Swift $swift_needed or newer is needed, this is ${found:-of unknown version}:" \
            "see https://www.swift.org/install/linux/"
}

is_installed() {
    [ "$(dpkg-query --show --showformat='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

# Runs a command as root. `missing` names what root is needed for.
as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        fail "root is needed, and there is no sudo. As root: apt-get install ${missing[*]}"
    fi
}

# Keeps Debian from starting services, as long as the packages are being installed.
policy=/usr/sbin/policy-rc.d
remove_policy() {
    [ -z "${policy_is_ours:-}" ] || as_root rm -f "$policy"
    policy_is_ours=
}

forbid_services() {
    [ ! -e "$policy" ] || return 0
    policy_is_ours=1
    printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null
    as_root chmod 755 "$policy"
}

install_missing() {
    missing=()
    for package in "$@"; do
        is_installed "$package" || missing+=("$package")
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    command -v apt-get >/dev/null ||
        fail "this is not Debian: please install what it calls ${missing[*]}"
    echo "setup: installing ${missing[*]}"
    trap remove_policy EXIT
    forbid_services
    local apt=(env DEBIAN_FRONTEND=noninteractive apt-get --quiet --quiet
        -o DPkg::Lock::Timeout=120 -o Dpkg::Use-Pty=0)
    as_root "${apt[@]}" update || fail "apt-get update failed: is the network reachable?"
    as_root "${apt[@]}" install --yes --no-install-recommends "${missing[@]}" >/dev/null ||
        fail "apt-get could not install ${missing[*]}"
    remove_policy
    for service in "${services[@]}"; do
        [[ " ${missing[*]} " = *" $service "* ]] || continue
        # Nor at the next boot. Without systemd there is nothing to keep from starting.
        ! command -v systemctl >/dev/null || as_root systemctl disable --quiet "$service" || true
    done
}

install_python_packages() {
    local list=Tests/requirements.txt
    cmp --silent "$list" "$virtual_environment/installed.txt" && return
    echo "setup: installing the Python packages of $list in $virtual_environment"
    mkdir -p "$(dirname "$virtual_environment")"
    /usr/bin/python3 -m venv --clear "$virtual_environment"
    "$virtual_environment/bin/pip" install --quiet --disable-pip-version-check -r "$list" ||
        fail "pip could not install the packages of $list"
    # Last, so that an installation that was cut short is done again.
    cp "$list" "$virtual_environment/installed.txt"
}

require_swift
case "${1:-all}" in
run) install_missing "${run_packages[@]}" ;;
all)
    install_missing "${run_packages[@]}" "${test_packages[@]}"
    install_python_packages
    ;;
*) fail "usage: setup.sh [run]" ;;
esac
