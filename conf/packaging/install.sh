#!/usr/bin/env bash
# Installs a built program with everything around it: what `make install` runs.
#
#   install.sh BINARY
#
# From the environment: PREFIX (/usr/local), DESTDIR (nothing), and NUTCRACKER_LINK=yes for a
# link `nutcracker` beside the program, under which it has nutcracker's default files.
set -euo pipefail
source=$(dirname "$0")
binary=$1
prefix=${PREFIX:-/usr/local}
destination=${DESTDIR:-}
programs=$prefix/sbin

[ -x "$binary" ] || {
    echo "install: no program at $binary: run \`make build\` first" >&2
    exit 1
}

# Installs a file under its final name.
put() {
    install -D --mode="${3:-644}" "$1" "$destination$2"
}

# The same for what the operator may have changed.
put_once() {
    [ -e "$destination$2" ] || put "$1" "$2"
}

put "$binary" "$programs/cashew" 755
put "$source/../../docs/cashew.8" "$prefix/share/man/man8/cashew.8"
put "$source/cashew.sysusers" "$prefix/lib/sysusers.d/cashew.conf"
put_once "$source/cashew.yml" /etc/cashew/cashew.yml
put_once "$source/cashew.default" /etc/default/cashew
put_once "$source/cashew.logrotate" /etc/logrotate.d/cashew
install -d "$destination$prefix/lib/systemd/system"
sed "s|@SBINDIR@|$programs|" "$source/cashew.service" \
    >"$destination$prefix/lib/systemd/system/cashew.service"

if [ -z "$destination" ] && ! getent passwd cashew >/dev/null; then
    if command -v systemd-sysusers >/dev/null; then
        echo "install: the service's user is missing; to make it:" \
            "systemd-sysusers $prefix/lib/sysusers.d/cashew.conf" >&2
    else
        echo "install: there is no systemd-sysusers to make the service's user; by hand:" \
            "useradd --system --user-group --no-create-home --home-dir / --shell" \
            "/usr/sbin/nologin cashew" >&2
    fi
fi

if [ "${NUTCRACKER_LINK:-no}" = yes ]; then
    link=$destination$programs/nutcracker
    if [ -e "$link" ] && [ ! -L "$link" ]; then
        echo "install: $link is a program: move it away first" >&2
        exit 1
    fi
    ln -sfn cashew "$link"
fi
