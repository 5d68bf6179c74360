# Read before each script: bash -e, as root, in /work of the machine.

# Nothing in the store is signed.
rkt() { /work/rkt --dir=/var/lib/rkt --insecure-options=image "$@"; }

# The store is filled by the first script that runs.
[ -e /var/lib/rkt/cas ] || {
  modprobe overlay 2>/dev/null || grep -qw overlay /proc/filesystems
  rkt --insecure-options=image fetch /work/box.aci >/dev/null
}

# fail TEXT: says why, and ends the script.
fail() { echo "FAILED: $*"; exit 1; }

# equal WHAT IS SHOULD
equal() { [ "$2" = "$3" ] || fail "$1 is \"$2\", not \"$3\""; }

# until_true COMMAND...: waits for something that the system will do.
until_true() {
  local end=$((SECONDS + 180))
  while [ $SECONDS -lt $end ]; do if "$@"; then return 0; fi; sleep 0.1; done
  fail "not in 3 minutes: $*"
}

# start UNIT [PROPERTY...] -- WORDS...: rkt run WORDS in a unit of its own.
start() {
  local unit=$1 properties=(); shift
  while [ "$1" != -- ]; do properties+=(-p "$1"); shift; done; shift
  systemd-run -q --unit="$unit" "${properties[@]}" /work/rkt --dir=/var/lib/rkt --insecure-options=image run --net=none "$@"
}

# uuid NAME: that of the pod that was run with --uuid-file-save=/tmp/NAME.
uuid() { cat "/tmp/$1"; }

# has WHAT TEXT PATTERN: a line of the text is what the pattern (grep -E) says.
has() { grep -qxE -- "$3" <<<"$2" || fail "$1 has no line \"$3\": $2"; }

# alone UNIT [-p PROPERTY ...] -- WORDS: rkt run WORDS in a unit of its own, until it has ended, with its output and status.
alone() {
  local unit=$1 properties=(); shift
  while [ "$1" != -- ]; do properties+=("$1"); shift; done; shift
  systemd-run -q --wait --pipe --unit="$unit" -p Delegate=yes -p OOMPolicy=continue "${properties[@]}" \
    /work/rkt --dir=/var/lib/rkt --insecure-options=image run --net=none --uuid-file-save="/tmp/$unit" "$@" </dev/null
}
