#!/usr/bin/env bash
# Builds a Debian package of a built program: what `make deb` runs. Prints the package's path.
#
#   make-deb.sh BINARY FOLDER
set -euo pipefail
source=$(cd "$(dirname "$0")" && pwd)
binary=$(realpath "$1")
mkdir -p "$2"
folder=$(cd "$2" && pwd)

for tool in dpkg-deb dpkg-shlibdeps strip; do
    command -v "$tool" >/dev/null || {
        echo "make-deb: no $tool: install dpkg-dev and binutils" >&2
        exit 1
    }
done

version=$(sed -n 's/.*releaseNumber.* = "\(.*\)"/\1/p' "$source/../../Sources/Proxy/Stats/Release.swift")
architecture=$(dpkg --print-architecture)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
root=$scratch/root
# The same bytes from the same commit.
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git -C "$source" log -1 --format=%ct 2>/dev/null || date +%s)}
export SOURCE_DATE_EPOCH
umask 022

strip --strip-unneeded -o "$scratch/cashew" "$binary"
DESTDIR=$root PREFIX=/usr "$source/install.sh" "$scratch/cashew"
gzip --best --no-name "$root/usr/share/man/man8/cashew.8"
documents=$root/usr/share/doc/cashew
install -D --mode=644 "$source/copyright" "$documents/copyright"
install --mode=644 "$source/../../README.md" "$source"/../../docs/{COMPATIBILITY,deployment}.md \
    "$documents"
install -D --mode=644 --target-directory="$documents/examples" \
    "$source"/../{nutcracker,nutcracker.leaf,nutcracker.root}.yml "$source/../haproxy.cfg"

# dpkg-shlibdeps reads the beginnings of a source package.
mkdir "$scratch/debian"
printf 'Source: cashew\n\nPackage: cashew\nArchitecture: any\n' >"$scratch/debian/control"
depends=$(cd "$scratch" && dpkg-shlibdeps -O root/usr/sbin/cashew 2>/dev/null |
    sed 's/^shlibs:Depends=//')

mkdir "$root/DEBIAN"
install --mode=755 "$source/postinst" "$source/prerm" "$source/postrm" "$root/DEBIAN"
(cd "$root" && find etc -type f -printf '/%p\n' | sort) >"$root/DEBIAN/conffiles"
(cd "$root" && find usr -type f -print0 | sort -z | xargs -0 md5sum) >"$root/DEBIAN/md5sums"
cat >"$root/DEBIAN/control" <<END
Package: cashew
Version: $version
Architecture: $architecture
Maintainer: Cashew maintainers <maintainers@cashew.invalid>
Installed-Size: $(du --summarize --apparent-size --block-size=1024 "$root" | cut -f 1)
Depends: $depends, procps
Suggests: logrotate, redis-server, memcached
Section: net
Priority: optional
Description: fast proxy for Redis and memcached, in the place of twemproxy
 Cashew makes many Redis or memcached servers look like one. It reads the
 configuration of twemproxy (nutcracker), places every key on the same
 server, and does its input and output with io_uring.
END

package=$folder/cashew_${version}_$architecture.deb
dpkg-deb --root-owner-group --build "$root" "$package" >/dev/null
echo "$package"
