#!/usr/bin/env bash
# Removes what install.sh has installed, with the same PREFIX and DESTDIR: what `make uninstall`
# runs. Files that the operator has changed, logs and the user stay.
set -euo pipefail
source=$(dirname "$0")
prefix=${PREFIX:-/usr/local}
destination=${DESTDIR:-}
programs=$prefix/sbin

remove_unchanged() {
    if cmp --quiet "$1" "$destination$2"; then
        rm "$destination$2"
    elif [ -e "$destination$2" ]; then
        echo "uninstall: $destination$2 was changed, and stays" >&2
    fi
}

if [ "$(readlink "$destination$programs/nutcracker")" = cashew ]; then
    rm "$destination$programs/nutcracker"
fi
rm -f "$destination$programs/cashew" "$destination$prefix/share/man/man8/cashew.8" \
    "$destination$prefix/lib/sysusers.d/cashew.conf" \
    "$destination$prefix/lib/systemd/system/cashew.service"
remove_unchanged "$source/cashew.yml" /etc/cashew/cashew.yml
remove_unchanged "$source/cashew.default" /etc/default/cashew
remove_unchanged "$source/cashew.logrotate" /etc/logrotate.d/cashew
if [ -d "$destination/etc/cashew" ]; then
    rmdir --ignore-fail-on-non-empty "$destination/etc/cashew"
fi
