/**
 * The disk of the virtual machine for tests: a small Debian with systemd, and its kernel. It is made once, of the
 * packages of the sources that apt is set up with here, and kept in .cache/vm.
 */
import { debianSources, ownRelease, run } from "./debian.ts";
import { type Platform, X86_64 } from "./platform.ts";

/** What a machine starts from. */
export interface Image {
  readonly kernel: string;
  /** An ext4 file system; machines do not change it. */
  readonly disk: string;
  /** A static one for pods, where the machine's processor is not the host's. */
  readonly busybox: string;
}

const ROOT = new URL("../..", import.meta.url).pathname;
const CACHE = `${ROOT}.cache/vm`;

// deno-fmt-ignore
const PACKAGES = [
  "systemd", "systemd-sysv", "dbus", "kmod", "procps", "iproute2", "nftables", "util-linux", "mount",
  "apparmor", "libpam-systemd", "uidmap", "passt", "systemd-container",
];

/** What pods are made of where the host's programs are of another processor. */
const PODS = ["busybox-static"];

const UNPACKED_ROOT = new URL("unpacked_root.sh", import.meta.url).pathname;

/** How packages of another processor come into a root: their programs, and so their scripts, do not run here. */
const UNPACKED = [
  "--variant=extract",
  "--skip=check/qemu",
  // That variant leaves them to whoever wants them.
  "--include=?essential",
  `--extract-hook=${UNPACKED_ROOT}`,
];

/** What a test machine is quicker without. */
// deno-fmt-ignore
const MASKED = [
  "apt-daily.timer", "apt-daily-upgrade.timer", "dpkg-db-backup.timer", "e2scrub_all.timer", "e2scrub_reap.service",
  "fstrim.timer", "systemd-tmpfiles-clean.timer", "getty@tty1.service", "serial-getty@ttyS0.service",
  "systemd-update-utmp.service", "systemd-update-utmp-runlevel.service", "systemd-firstboot.service",
  "systemd-pstore.service", "systemd-random-seed.service", "systemd-timesyncd.service", "ldconfig.service",
  "modprobe@drm.service", "modprobe@efi_pstore.service", "modprobe@fuse.service", "modprobe@configfs.service",
  "systemd-udevd.service", "systemd-udev-trigger.service", "systemd-udevd-control.socket",
  "systemd-udevd-kernel.socket", "systemd-network-generator.service", "systemd-networkd.service",
];

/** Runs the tests that the second disk brings, and ends the machine. */
const UNIT = `[Unit]
Description=Tests of rkt
After=multi-user.target
[Service]
Type=exec
# Without udev nobody loads the disk's driver, and there is no unit to wait for.
ExecStartPre=/sbin/modprobe -a virtio_pci virtio_blk
ExecStartPre=/bin/sh -c 'until mount /dev/vda /work; do sleep 0.1; done'
ExecStart=/bin/bash /work/main.sh
Environment=HOME=/root
Delegate=yes
TasksMax=infinity
OOMPolicy=continue
`;

/** What nobody reads in a machine. */
const UNREAD = ["doc", "man", "locale", "info"].map((name) => `usr/share/${name}`);

/** Raise it when what is made of the packages changes. */
const FORMAT = 3;

/** The releases of Debian that there are machines of, with their kernels: Linux 6.1 and 6.12. */
export const RELEASES = ["bookworm", "trixie"] as const;

/** One of {@linkcode RELEASES}. */
export type Release = typeof RELEASES[number];

/** The image of a release; made where there is none yet, which takes a minute. */
export async function image(name: Release, platform: Platform = X86_64): Promise<Image> {
  const unpacking = platform.machine === Deno.build.arch ? [] : [
    UNPACKED,
    Deno.readTextFileSync(UNPACKED_ROOT),
  ];
  const recipe = JSON.stringify([
    ...[FORMAT, name, platform.kernel, PACKAGES, MASKED, UNIT],
    ...unpacking,
  ]);
  const hash = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(recipe));
  const key = new Uint8Array(hash).toHex().slice(0, 12);
  const directory = `${CACHE}/${name}-${key}`;
  const made: Image = {
    kernel: `${directory}/vmlinuz`,
    disk: `${directory}/disk`,
    busybox: `${directory}/busybox`,
  };
  if (await exists(directory)) return made;
  await Deno.mkdir(CACHE, { recursive: true });
  // Tests beside each other want the same one.
  using lock = await Deno.open(`${directory}.lock`, { create: true, write: true });
  await lock.lock(true);
  if (await exists(directory)) return made;
  console.log(`vm: making ${directory}, once`);
  const temporary = await Deno.makeTempDir({ dir: CACHE, prefix: "making-" });
  try {
    await make(temporary, name, platform);
    await Deno.rename(temporary, directory);
  } finally {
    await Deno.remove(temporary, { recursive: true }).catch(() => {});
  }
  return made;
}

async function exists(path: string): Promise<boolean> {
  try {
    await Deno.lstat(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** The kernel is only unpacked: its package would make an initrd. */
function kernelHook({ kernel, machine }: Platform): string {
  const depmod = machine === Deno.build.arch ? 'chroot "$1" depmod' : 'depmod --basedir "$1"';
  return `set -e; cd "$1/tmp"; export APT_CONFIG="$MMDEBSTRAP_APT_CONFIG"
deb=$(apt-cache depends ${kernel} | sed -n 's/ *Depends: *\\(linux-image-[0-9].*\\)/\\1/p')
apt-get -qq -o APT::Sandbox::User=root download "$deb"
mkdir kernel; dpkg-deb -x linux-image*.deb kernel
mkdir -p "$1/boot" "$1/usr/lib/modules"
cp kernel/boot/vmlinuz-* "$1/boot/vmlinuz"; cp -a "$(find kernel -name modules -type d | head -n 1)"/. "$1/usr/lib/modules"
rm -r kernel linux-image*.deb
${depmod} "$(ls "$1/usr/lib/modules")"`;
}

async function make(directory: string, suite: string, platform: Platform): Promise<void> {
  const root = `${directory}/root`;
  // The suites of updates and security bear the release's name too.
  const lines = (await debianSources()).replaceAll(` ${await ownRelease()}`, ` ${suite}`);
  await Deno.writeTextFile(`${directory}/sources.list`, lines);
  const acquire = (await run("apt-config", "dump")).split("\n")
    .filter((line) => /^Acquire::(http|https|Check)/.test(line) && !line.endsWith(' "";'));
  const excluded = UNREAD.map((path) => `path-exclude=/${path}/*\n`).join("");
  const own = platform.machine === Deno.build.arch;
  await run(
    "mmdebstrap",
    ...["--quiet", "--mode=root", "--format=directory", `--architectures=${platform.debian}`],
    ...own
      ? ["--variant=minbase", `--include=${PACKAGES.join(",")}`]
      : UNPACKED.concat(`--include=${[...PACKAGES, ...PODS].join(",")}`),
    // Of a machine that crashes while it is made, nothing is kept: its files need not be safe.
    "--dpkgopt=force-unsafe-io",
    // Else usrmerge does it, with all of perl.
    "--hook-dir=/usr/share/mmdebstrap/hooks/merged-usr",
    "--skip=cleanup/apt/lists",
    // As an option of mmdebstrap it would lead the essential packages through a filter in Python.
    `--setup-hook=mkdir -p "$1/etc/dpkg/dpkg.cfg.d"; printf '${excluded}' >"$1/etc/dpkg/dpkg.cfg.d/unread"`,
    ...acquire.map((option) => `--aptopt=${option}`),
    `--${own ? "customize" : "extract"}-hook=${kernelHook(platform)}`,
    ...[suite, root, `${directory}/sources.list`],
  );
  await run("mv", `${root}/boot/vmlinuz`, `${directory}/vmlinuz`);
  if (!own) await run("cp", `${root}/bin/busybox`, `${directory}/busybox`);
  await setUp(root);
  const size = ["-m", "0", "-L", "vm"];
  await run("mke2fs", "-q", "-t", "ext4", "-F", ...size, "-d", root, `${directory}/disk`, "3G");
  await run("rm", "-rf", "--one-file-system", root);
}

async function setUp(root: string): Promise<void> {
  const units = `${root}/etc/systemd/system`;
  for (const name of MASKED) {
    await Deno.remove(`${units}/${name}`).catch(() => {});
    await Deno.symlink("/dev/null", `${units}/${name}`);
  }
  const files: Readonly<Record<string, string>> = {
    "etc/systemd/system/rkt-tests.service": UNIT,
    "etc/fstab": "",
    // Auditing slows each system call; the script that is about it turns it on.
    "etc/systemd/journald.conf.d/audit.conf": "[Journal]\nAudit=no\n",
    "etc/hostname": "vm\n",
    "etc/hosts": "127.0.0.1 localhost vm\n",
    "etc/machine-id": `${crypto.randomUUID().replaceAll("-", "")}\n`,
  };
  await Deno.mkdir(`${units}/multi-user.target.wants`, { recursive: true });
  await Deno.mkdir(`${root}/etc/systemd/journald.conf.d`, { recursive: true });
  for (const [path, text] of Object.entries(files)) {
    await Deno.writeTextFile(`${root}/${path}`, text);
  }
  const wants = `${units}/multi-user.target.wants/rkt-tests.service`;
  await Deno.symlink("../rkt-tests.service", wants);
  await Deno.remove(`${units}/default.target`).catch(() => {});
  await Deno.symlink("/lib/systemd/system/multi-user.target", `${units}/default.target`);
  await Deno.mkdir(`${root}/work`);
  // A journal on the disk of a machine that does not last only takes time.
  await Deno.remove(`${root}/var/log/journal`, { recursive: true }).catch(() => {});
  await run(
    "rm",
    "-rf",
    ...["var/lib/apt/lists", "var/cache/apt", "boot", ...UNREAD].map((d) => `${root}/${d}`),
  );
}

if (import.meta.main) {
  const chosen = RELEASES.filter((name) => Deno.args.length === 0 || Deno.args.includes(name));
  for (const name of chosen) console.log((await image(name)).disk);
}
