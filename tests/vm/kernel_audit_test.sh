# The kernel's audit log, where auditing is on: AUDIT_SET with AUDIT_STATUS_ENABLED (linux/audit.h). journald reads it.
auditing() { perl -e 'socket(S, 16, 3, 9) or die; send(S, pack("LSSLLL10", 56, 1001, 1, 1, 0, 1, $ARGV[0], (0) x 8), 0) or die' "$1"; }
auditing 1
rkt run --net=none --uuid-file-save=/tmp/audited example.com/box -- -c true
auditing 0
audited() { journalctl -q -o cat _TRANSPORT=audit | grep -a "op=rkt-$1 pod=$(uuid audited)"; }
until_true audited end >/dev/null
has "the kernel's record of a start" "$(audited start)" '.*uid=0 auid=[0-9]+ .*app=box image=example\.com/box image-id=sha512-.*'
