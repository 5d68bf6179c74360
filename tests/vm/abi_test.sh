# The filter's verdict on calls of each ABI: the kernel's own, that of i386, which this one has too, and x32, which
# Debian's have not; filters see calls of it all the same.
probes=("i386 getpid" "i386 unshare" "x32 getpid" "native getpid")
# verdicts SHOULD [GLOBAL FLAG ...] -- [FLAG OF THE APP ...]
verdicts() {
  local should=$1 global=(); shift
  while [ "$1" != -- ]; do global+=("$1"); shift; done; shift
  equal "the verdict with ${global[*]} $*" \
    "$(rkt "${global[@]}" run --net=none example.com/box --exec=/bin/probe "$@" -- "${probes[@]}" | cut -f 2 | xargs)" "$should"
}
verdicts "ok ok ENOSYS ok" --insecure-options=seccomp,capabilities --
verdicts "SIGSYS SIGSYS ENOSYS ok" --
verdicts "SIGSYS SIGSYS ENOSYS EXDEV" -- --seccomp=mode=remove,errno=EXDEV,getpid
verdicts "SIGSYS SIGSYS EOPNOTSUPP ok" -- --seccomp=mode=retain,errno=EOPNOTSUPP,@rkt/default-whitelist

# A program of 32 bits.
code=0; rkt run --net=none example.com/box --exec=/bin/i386 2>/tmp/err || code=$?
equal "its status" $code $((128 + 31))
out=$(rkt --insecure-options=seccomp run --net=none example.com/box --exec=/bin/i386)
equal "what it says without a filter" "$out" $'32 bits\nunshared'
