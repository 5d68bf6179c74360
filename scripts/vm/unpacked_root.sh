#!/bin/bash
# unpacked_root.sh ROOT: packages were only unpacked there, because their programs are of another processor. What their scripts
# would have done is done here, as far as the machine for tests needs it.
set -eu
root=$1
shopt -s nullglob
for deb in "$root"/var/cache/apt/archives/*.deb; do
  dpkg-deb --field "$deb" | sed '/^Package:/a Status: install ok installed'
  echo
done >>"$root/var/lib/dpkg/status"
for file in passwd group; do cp "$root/usr/share/base-passwd/$file.master" "$root/etc/$file"; done
systemd-sysusers --root="$root"
cp "$root/usr/share/libc-bin/nsswitch.conf" "$root/etc"
for name in awk nawk; do ln -sf mawk "$root/usr/bin/$name"; done
[ -e "$root/bin/sh" ] || ln -s dash "$root/bin/sh"
