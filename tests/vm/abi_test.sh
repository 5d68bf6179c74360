# The filter's verdict on calls of each ABI: the kernel's own, that of i386, which this one has too, and x32, which
# Debian's have not; filters see calls of it all the same. And a program of 32 bits.
probes=("i386 getpid" "i386 unshare" "x32 getpid" "native getpid")
verdicts() { cut -f 2 | xargs; }
# filter NAME [FLAG ...]: words of an app that makes the calls under a filter; its lines begin with its name.
filter() {
  local name=$1; shift
  words+=(example.com/box --name="$name" "$@" -- -c "probe \"\$@\" | sed s/^/$name:/" sh "${probes[@]}" ---)
}
words=()
filter default
filter remove --seccomp=mode=remove,errno=EXDEV,getpid
filter retain --seccomp=mode=retain,errno=EOPNOTSUPP,@rkt/default-whitelist
out=$(rkt run --net=none --uuid-file-save=/tmp/abi "${words[@]}" example.com/box --name=i386 --exec=/bin/i386 --on-exit=keep) || true
said() { grep "^$1:" <<<"$out" | verdicts; }
equal "the verdict by default" "$(said default)" "SIGSYS SIGSYS ENOSYS ok"
equal "the verdict where getpid is removed" "$(said remove)" "SIGSYS SIGSYS ENOSYS EXDEV"
equal "the verdict on what is not retained" "$(said retain)" "SIGSYS SIGSYS EOPNOTSUPP ok"
equal "the status of a program of 32 bits" \
  "$(cat "/var/lib/rkt/pods/run/$(uuid abi)/stage1/rootfs/rkt/status/i386")" $((128 + 31))

out=$(rkt --insecure-options=seccomp,capabilities run --net=none example.com/box -- -c '
  probe "$@"; exec i386' sh "${probes[@]}")
equal "the verdict without a filter" "$(head -n 4 <<<"$out" | verdicts)" "ok ok ENOSYS ok"
equal "what a program of 32 bits says without a filter" "$(tail -n 2 <<<"$out")" $'32 bits\nunshared'
