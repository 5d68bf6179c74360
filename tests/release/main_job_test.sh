# The main job on the binary of a release: discovery by https, a key, a signature, a pod; and what must be refused.
echo "127.0.0.1 example.com" >>/etc/hosts
ip link set lo up
signed() { SSL_CERT_FILE=/work/tls.pem /work/rkt --dir=/var/lib/signed "$@"; }
# refused WHAT WORDS...: the command ends with 254, and says so in one line.
refused() {
  local what=$1 said status=0; shift
  said=$("$@" 2>&1) || status=$?
  equal "the status of $*" "$status" 254
  has "what $* says" "$said" ".*$what.*"
}

has "its version" "$(/work/rkt version)" "rkt Version: .*"
cp -r /work/site /tmp/site
systemd-run -q --unit=site -p Type=exec /work/rkt serve --listen=:443 --tls-cert=/work/tls.pem --tls-key=/work/tls.key /tmp/site
until_true bash -c 'exec 3<>/dev/tcp/127.0.0.1/443' 2>/dev/null
refused "not trusted" signed fetch example.com/greeter:1.0
signed trust --prefix=example.com --skip-fingerprint-review
id=$(signed fetch example.com/greeter:1.0)
has "its image ID" "$id" 'sha512-[0-9a-f]+'
equal "what it says" "$(signed run --net=none --rm example.com/greeter:1.0 -- -c 'uname -m; cat /etc/greeting')" \
  "$(uname -m)"$'\nhello from a signed image'
status=0; signed run --net=none --rm example.com/greeter:1.0 -- -c 'exit 7' || status=$?
equal "its exit status" "$status" 7
# A start that is repeated.
equal "what it says again" "$(signed run --net=none --rm example.com/greeter:1.0 -- -c 'cat /etc/greeting')" "hello from a signed image"

printf x | dd of="$(echo /tmp/site/example.com/greeter-1.0-*.aci)" bs=1 seek=1000 conv=notrunc status=none
refused "signature" signed fetch --pull-policy=update example.com/greeter:1.0
refused "signature" signed run --net=none /work/box.aci
signed image rm "$id" >/dev/null
signed gc --grace-period=0s >/dev/null 2>&1
equal "pods that are left" "$(signed list --no-legend)" ""
systemctl stop site
rm -r /tmp/site /var/lib/signed
