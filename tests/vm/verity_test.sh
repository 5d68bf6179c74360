# Where the file system can, archives and indexes are sealed: what is read is what was stored, or an error.
cp /work/verity.img /verity.img
mkdir -p /verity
mount -o loop /verity.img /verity
of() { /work/rkt --dir=/verity/rkt --insecure-options=image "$@"; }
say() { of run --net=none example.com/marked -- -c "$1" </dev/null 2>&1; }
unmount() { for each in /run/rkt/trees/*/*; do if mountpoint -q "$each"; then umount "$each"; fi; done; }
equal "an app's output" "$(of run --net=none /work/marked.aci -- -c 'echo up' </dev/null 2>&1)" up
root=$(of image list --full --no-legend | awk '{print $NF}')
if [ "$root" = directory ]; then # Linux 6.1 has no index to mount
  umount /verity
  exit 0
fi
equal "the kind of the tree" "$root" erofs+verity
tree=$(echo /verity/rkt/cas/tree/*)
if echo x 2>/dev/null >>"$tree/1"; then fail "the archive can be written"; fi

# Another file in its place, with the same bytes.
unmount
cp "$tree/1" /verity/copy; mv "$tree/1" /verity/kept; mv /verity/copy "$tree/1"
if said=$(say 'echo up'); then fail "what was replaced runs: $said"; fi
grep -q 'is not the file that was stored' <<<"$said" || fail "what is said of another file: $said"
mv /verity/kept "$tree/1"

# A page that changes on the disk.
unmount; rm -rf /run/rkt/trees/*/* 2>/dev/null || true
of gc --grace-period=0s >/dev/null
umount /verity
at=$(grep -abo -m1 marker-of-the-test /verity.img | head -1 | cut -d: -f1)
printf X | dd of=/verity.img bs=1 seek=$((at + 9000)) conv=notrunc status=none
mount -o loop /verity.img /verity
if said=$(say 'cat /marker >/dev/null'); then fail "a changed page is read"; fi
grep -qi 'i/o error\|input/output error' <<<"$said" || fail "what is said of a changed page: $said"
equal "the output of another file" "$(say 'echo up')" up
unmount
umount /verity
