/**
 * The suites of pods and isolation, as a user other than root: `deno run -A tests/rootless/suite.ts [--mode=MODE] [FILE…]`.
 *
 * The tests are those of root. They run in namespaces of their own, where RKT is a program that becomes the user and executes
 * rkt; what a test does besides, it does as root. What can't pass, or means something else, is in skipped.ts, each with its
 * reason, and is printed at the end.
 */
import { type Mode, MODES, SKIPPED, skippedIn, SUITE } from "./skipped.ts";

const UID = 70_400;
const ROOT = new URL("../..", import.meta.url).pathname;
const SKIP = new URL("skip_tests.ts", import.meta.url).pathname;

/** What the administrator has given the user. */
const SUBIDS: Readonly<Record<Mode, string>> = { range: `${UID}:6000000:65536\n`, one: "" };

/** Run as root in the namespaces: the user's network, and what the system says of him. */
const SCRIPT = `
set -e

ip link set lo up
ip link add out type veth peer name far; ip link set far up; ip link set out up
ip addr add 192.0.2.7/24 dev out; ip route add default via 192.0.2.1
mount -t tmpfs -o mode=755 tmpfs /run; mkdir -p /run/lock /run/netns /run/cg /run/user
mkdir -m 700 /run/user/${UID}; chown ${UID}:${UID} /run/user/${UID}
mount --rbind /sys/fs/cgroup /run/cg; mount -t sysfs sysfs /sys; mount --rbind /run/cg /sys/fs/cgroup
mount --bind "$1/passwd" /etc/passwd
mount --bind "$1/subids" /etc/subuid; mount --bind "$1/subids" /etc/subgid
test -e "$1/tun" || mknod "$1/tun" c 10 200; chmod 666 "$1/tun"; mount --bind "$1/tun" /dev/net/tun
shift
# The shell stays: what ends without a parent is its child, and it reaps.
code=0; "$@" || code=$?
exit $code
`;

/** The program that tests take for rkt. */
const wrapper = (home: string, rkt: string): string =>
  `#!/bin/sh
exec setpriv --reuid=${UID} --regid=${UID} --clear-groups env HOME=${home} XDG_RUNTIME_DIR=/run/user/${UID} ${rkt} "$@"
`;

/** Runs the tests of files in a mode; returns whether all have passed. */
async function runIn(mode: Mode, files: readonly string[]): Promise<boolean> {
  const dir = Deno.makeTempDirSync({ prefix: "rkt-suite-" });
  try {
    Deno.chmodSync(dir, 0o711);
    Deno.mkdirSync(`${dir}/home`, { mode: 0o700 });
    Deno.chownSync(`${dir}/home`, UID, UID);
    const passwd = Deno.readTextFileSync("/etc/passwd");
    Deno.writeTextFileSync(
      `${dir}/passwd`,
      `${passwd}user:x:${UID}:${UID}::${dir}/home:/bin/sh\n`,
    );
    Deno.writeTextFileSync(`${dir}/subids`, SUBIDS[mode]);
    const rkt = Deno.env.get("RKT") ?? `${ROOT}dist/rkt`;
    Deno.writeTextFileSync(`${dir}/rkt`, wrapper(`${dir}/home`, rkt));
    Deno.chmodSync(`${dir}/rkt`, 0o755);
    let passed = true;
    for (const file of files) {
      const skipped = skippedIn(mode, file);
      if (skipped === "all") continue;
      const { success } = await new Deno.Command("unshare", {
        args: [
          ...["--net", "--mount", "--pid", "--ipc", "--fork", "--kill-child", "--mount-proc"],
          ...["--propagation", "private", "bash", "-c", SCRIPT, "suite", dir],
          ...[Deno.execPath(), "test", "-A", "--frozen", "--no-check", `--preload=${SKIP}`],
          `${ROOT}tests/${file}`,
        ],
        stdin: "null",
        env: {
          ...{ RKT: `${dir}/rkt`, RKT_TEST_ROOT: rkt, RKT_TEST_USER: `${UID}` },
          RKT_TEST_SKIP: JSON.stringify(skipped),
        },
      }).spawn().status;
      passed &&= success;
    }
    return passed;
  } finally {
    Deno.removeSync(dir, { recursive: true });
  }
}

const asked = Deno.args.filter((word) => !word.startsWith("--"));
const only = Deno.args.find((word) => word.startsWith("--mode="))?.slice("--mode=".length);
const files = asked.length > 0 ? asked : SUITE;
const modes = MODES.filter((mode) => only === undefined || mode === only);
const failed: string[] = [];
for (const mode of modes) if (!await runIn(mode, files)) failed.push(mode);
for (const mode of modes) {
  for (const file of files) {
    for (const { tests, why } of skippedOf(mode, file)) {
      console.log(`skipped ${mode}: ${file}: ${tests}: ${why}`);
    }
  }
}
if (failed.length > 0) {
  console.log(`failed: ${failed.join(", ")}`);
  Deno.exit(1);
}

function skippedOf(mode: Mode, file: string) {
  return SKIPPED.filter((each) => each.file === file && (each.mode ?? mode) === mode);
}
