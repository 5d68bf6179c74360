# How layers are kept follows the kernel: compressed where its EROFS reads zstd, as tars where there are no indexes.
of() { /work/rkt --dir=/tmp/layered --insecure-options=image "$@"; }
of image convert /work/box.aci oci-archive:/tmp/layered.tar >/dev/null
id=$(of fetch --quiet oci-archive:/tmp/layered.tar)
kept=$(cd /tmp/layered/cas; find layer compressedLayer -type f 2>/dev/null | sed 's/\/.*//')
case $(uname -r) in
  6.1.*) should=layer ;;
  *) should=compressedLayer ;; # 6.12 and later, as Debian builds them
esac
equal "how the layer is kept" "$kept" "$should"
equal "a file of the image" \
  "$(of run --net=none "$id" -- -c 'cat /bin/busybox' </dev/null | sha256sum)" \
  "$(tar -xOf /work/box.aci rootfs/bin/busybox | sha256sum)"
