# How layers are kept follows the kernel: compressed where its EROFS reads zstd, as tars where there are no indexes.
of() { /work/rkt --dir=/tmp/layered --insecure-options=image "$@"; }
sum=$(of run --net=none oci-archive:/work/layered.tar -- -c 'cat /bin/busybox' </dev/null 2>/dev/null | sha256sum)
kept=$(cd /tmp/layered/cas; find layer compressedLayer -type f 2>/dev/null | sed 's/\/.*//')
case $(uname -r) in
  6.1.*) should=layer ;;
  *) should=compressedLayer ;; # 6.12 and later, as Debian builds them
esac
equal "how the layer is kept" "$kept" "$should"
equal "a file of the image" "$sum" "$(tar -xOf /work/box.aci rootfs/bin/busybox | sha256sum)"
