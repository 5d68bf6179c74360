/**
 * What tests, benchmarks and the demo need of the system, installed by apt on Debian and Ubuntu, else named.
 */
import { Failure } from "../src/failure.ts";

/** A file of the system that something here depends on. */
interface Need {
  /** A command looked for in PATH and the sbin directories, or an absolute path. */
  readonly file: string;
  /** Debian's package of it. */
  readonly package: string;
  readonly why: string;
}

/** What the tests need. */
// deno-fmt-ignore
export const TEST_NEEDS: readonly Need[] = [
  { file: "x86_64-linux-gnu-as", package: "binutils-x86-64-linux-gnu", why: "assemble the stubs and the engine, compare with the bytes checked in" },
  { file: "aarch64-linux-gnu-as", package: "binutils-aarch64-linux-gnu", why: "the same for aarch64" },
  { file: "strip", package: "binutils", why: "strip, objcopy and readelf on a packed binary" },
  { file: "qemu-aarch64-static", package: "qemu-user-static", why: "run aarch64 stub and engine" },
  { file: "/usr/aarch64-linux-gnu/lib/libc.so.6", package: "libc6-arm64-cross", why: "the C library of Deno for aarch64 under qemu-user" },
  { file: "/usr/aarch64-linux-gnu/lib/libgcc_s.so.1", package: "libgcc-s1-arm64-cross", why: "the same" },
  { file: "busybox", package: "busybox-static", why: "a root file system in one file" },
  { file: "aria2c", package: "aria2", why: "BitTorrent, as a transport and as its peers" },
  { file: "bwrap", package: "bubblewrap", why: "start rkt on a read-only root without /tmp; compare with" },
  { file: "runc", package: "runc", why: "compare isolation and limits with" },
  { file: "gpg", package: "gnupg", why: "make keys and signatures, as users do" },
  { file: "openssl", package: "openssl", why: "make certificates for web servers" },
  { file: "script", package: "bsdutils", why: "a terminal to print on" },
  { file: "tmux", package: "tmux", why: "a real terminal for --interactive" },
  { file: "etcd", package: "etcd-server", why: "a real server to run" },
  { file: "etcdctl", package: "etcd-client", why: "a client to talk to it" },
  { file: "chattr", package: "e2fsprogs", why: "files that can't be deleted" },
  { file: "strace", package: "strace", why: "see which system calls were made; inject errors" },
  { file: "ip", package: "iproute2", why: "look at networks from outside" },
  { file: "gcc", package: "gcc", why: "build the probe of what an app can do" },
  { file: "/usr/include/stdio.h", package: "libc6-dev", why: "the same, and its static C library" },
  { file: "/usr/include/asm-generic/errno.h", package: "linux-libc-dev", why: "the kernel's numbers of errors, to compare ours with" },
  { file: "setpriv", package: "util-linux", why: "start rkt with fewer capabilities" },
  { file: "nft", package: "nftables", why: "see the rules of networks as others see them" },
  { file: "iptables", package: "iptables", why: "what CNI's plugins portmap and firewall use" },
  { file: "/usr/lib/cni/bridge", package: "containernetworking-plugins", why: "CNI plugins to run as external ones" },
  { file: "nc.openbsd", package: "netcat-openbsd", why: "servers and clients of networks, in pods too" },
  { file: "dnsmasq", package: "dnsmasq-base", why: "a DHCP server" },
  { file: "nsenter", package: "util-linux", why: "run rkt in a network of the test's own" },
  { file: "zsh", package: "zsh", why: "completion in the real shell" },
  { file: "fish", package: "fish", why: "the same" },
  { file: "man", package: "man-db", why: "see that the manual pages are well-formed" },
  { file: "tar", package: "tar", why: "archives of every flavor" },
  { file: "xz", package: "xz-utils", why: "archives compressed by the real tool" },
  { file: "bzip2", package: "bzip2", why: "the same" },
  { file: "zstd", package: "zstd", why: "the same" },
  { file: "umoci", package: "umoci", why: "make OCI images" },
  { file: "skopeo", package: "skopeo", why: "copy images between layouts, archives and registries" },
  { file: "buildah", package: "buildah", why: "build images as Dockerfiles do" },
  { file: "podman", package: "podman", why: "archives of podman save; compare with; an engine above the OCI runtime" },
  { file: "containerd", package: "containerd", why: "an engine above the OCI runtime, and what a kubelet speaks to" },
  { file: "systemd-socket-activate", package: "systemd", why: "pass sockets to pods" },
  { file: "perl", package: "perl-base", why: "pass descriptors of any kind, and a server in pods that takes them" },
  { file: "docker-registry", package: "docker-registry", why: "a real registry" },
  { file: "pasta", package: "passt", why: "networks of pods whose user is not root" },
  { file: "rpmbuild", package: "rpm", why: "make rkt's package for Fedora, and install it" },
  { file: "swtpm", package: "swtpm", why: "a TPM 2.0 for the secret of identities" },
  { file: "tpm2_unseal", package: "tpm2-tools", why: "the same" },
  { file: "newuidmap", package: "uidmap", why: "several users in pods whose user is not root" },
];

/** What a release is made with. */
// deno-fmt-ignore
export const RELEASE_NEEDS: readonly Need[] = [
  { file: "tar", package: "tar", why: "the archive" },
  { file: "dpkg-deb", package: "dpkg", why: "the package for Debian" },
  { file: "rpmbuild", package: "rpm", why: "the package for Fedora" },
  { file: "gpg", package: "gnupg", why: "sign the checksums" },
];

/** What the tests against the reference implementation need; packages of Debian and Ubuntu only. */
// deno-fmt-ignore
export const ACTOOL_NEEDS: readonly Need[] = [
  { file: "go", package: "golang-go", why: "build actool, the reference implementation's tool for images, and its validator of executors" },
  { file: "/usr/share/gocode/src/github.com/appc/spec/actool", package: "golang-github-appc-spec-dev", why: "its sources" },
];

/** What the tests in a virtual machine need; it is a Debian, made of the sources that apt has. */
// deno-fmt-ignore
export const QEMU_NEEDS: readonly Need[] = [
  { file: "qemu-system-x86_64", package: "qemu-system-x86", why: "a machine with a systemd of its own" },
  { file: "mmdebstrap", package: "mmdebstrap", why: "its disk" },
  { file: "mke2fs", package: "e2fsprogs", why: "the same" },
  { file: "busybox", package: "busybox-static", why: "the pods' root file system" },
  { file: "gcc", package: "gcc", why: "programs in it that try what pods may do" },
  { file: "/usr/include/stdio.h", package: "libc6-dev", why: "the same" },
];

/** What a machine of aarch64 needs besides, to try a release for it. */
// deno-fmt-ignore
export const FOREIGN_QEMU_NEEDS: readonly Need[] = [
  { file: "qemu-system-aarch64", package: "qemu-system-arm", why: "the machine" },
  { file: "depmod", package: "kmod", why: "list its kernel's modules" },
  { file: "systemd-sysusers", package: "systemd", why: "its users" },
  { file: "openssl", package: "openssl", why: "the certificate of a site" },
  { file: "gpg", package: "gnupg", why: "sign an image" },
];

/** What the benchmark needs. podman is compared with where it is there, and not installed. */
// deno-fmt-ignore
export const BENCH_NEEDS: readonly Need[] = [
  { file: "hyperfine", package: "hyperfine", why: "measure" },
  { file: "mkfs.ext4", package: "e2fsprogs", why: "a file system to measure in" },
  { file: "busybox", package: "busybox-static", why: "the root file system" },
  { file: "runc", package: "runc", why: "compare with" },
  { file: "crun", package: "crun", why: "compare with" },
  { file: "bwrap", package: "bubblewrap", why: "compare with" },
];

/** What the demo needs. */
// deno-fmt-ignore
export const DEMO_NEEDS: readonly Need[] = [
  { file: "busybox", package: "busybox-static", why: "the files of the first image" },
  { file: "gpg", package: "gnupg", why: "make a key and sign an image" },
  { file: "openssl", package: "openssl", why: "make a certificate for a web server" },
];

/** What the demo's server needs; without it, that part is left out. */
// deno-fmt-ignore
export const SERVER_NEEDS: readonly Need[] = [
  { file: "etcd", package: "etcd-server", why: "a real server to run" },
  { file: "etcdctl", package: "etcd-client", why: "a client to talk to it" },
];

async function exists(file: string): Promise<boolean> {
  const path = (Deno.env.get("PATH") ?? "").split(":");
  const places = file.startsWith("/")
    ? [file]
    : [...path, "/usr/local/sbin", "/usr/sbin", "/sbin"].map((dir) => `${dir}/${file}`);
  const found = await Promise.all(
    places.map((place) => Deno.stat(place).then(() => true, () => false)),
  );
  return found.includes(true);
}

async function missing(needs: readonly Need[]): Promise<Need[]> {
  const found = await Promise.all(needs.map((need) => exists(need.file)));
  return needs.filter((_, index) => !found[index]);
}

async function apt(...args: string[]): Promise<boolean> {
  console.log(`$ apt-get ${args.join(" ")}`);
  const command = new Deno.Command("apt-get", {
    args,
    // Servers among the packages (etcd) must not be started.
    env: { DEBIAN_FRONTEND: "noninteractive", RUNLEVEL: "1" },
    stdin: "null",
  });
  return (await command.spawn().status).success;
}

/** Whether apt has all of the packages. */
async function aptKnows(needs: readonly Need[]): Promise<boolean> {
  if (!await exists("apt-cache")) return false;
  const names = needs.map((need) => need.package);
  const show = new Deno.Command("apt-cache", { args: ["show", ...names], stdout: "null" });
  return (await show.output()).success;
}

/**
 * Sees to it that needs are met where the system has packages for them; elsewhere says what is left out.
 *
 * @param leftOut what is left out, like `tests/images/actool_test.ts`
 * @throws {Failure} where there are packages, but they can't be installed
 */
export async function provideIfPackaged(
  who: string,
  needs: readonly Need[],
  leftOut: string,
): Promise<void> {
  try {
    await provide(who, needs);
  } catch (error) {
    if (!(error instanceof Failure) || await aptKnows(needs)) throw error;
    console.log(`SKIPPED: ${leftOut}: ${error.message}`);
  }
}

/**
 * Sees to it that all needs are met.
 *
 * @param who for messages: `test`
 * @throws {Failure} that names what is missing and can't be installed
 */
export async function provide(who: string, needs: readonly Need[]): Promise<void> {
  const wanted = await missing(needs);
  if (wanted.length === 0) return;
  for (const need of wanted) console.log(`needs ${need.file} (${need.package}): ${need.why}`);
  if (await exists("apt-get") && Deno.uid() === 0) {
    const install = ["install", "-y", "-q", "--no-install-recommends"]
      .concat([...new Set(wanted.map((need) => need.package))]);
    // Package lists are absent (images) or out of date (404): then they are fetched, and we try again.
    if (!await apt(...install) && await apt("update", "-q")) await apt(...install);
  }
  const still = await missing(needs);
  if (still.length === 0) return;
  const list = still.map((need) => `${need.file} (Debian: ${need.package})`).join(", ");
  throw new Failure(`${who}: missing, please install: ${list}`);
}
