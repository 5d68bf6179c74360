/** What the virtual machine of aarch64 gets: the binary and the packages of a release, as they are made on another machine. */
import { architectureLabel } from "../../src/appc/label.ts";
import { Failure } from "../../src/failure.ts";
import { image, type Release } from "./image.ts";
import { addPackages } from "./packages.ts";
import type { Platform } from "./platform.ts";
import { machineScripts, shell } from "./scripts.ts";
import type { Script } from "./machine.ts";

const ROOT = new URL("../..", import.meta.url).pathname;

/**
 * The scripts that are about a processor, not a release of Debian: the main job, pods, their limits, networks, users, units, and
 * packages that are installed, upgraded and removed below pods.
 */
// deno-fmt-ignore
const CHOSEN: readonly (readonly ["release" | "vm" | "systemd", readonly string[]])[] = [
  ["release", ["main_job", "pods"]],
  ["systemd", ["packages", "rkt_unit", "restart", "journal"]],
  ["vm", ["unit", "unit_limits", "added_apps", "users", "etc"]],
];

/** These scripts; the first one finds an empty store. */
export const arm64Scripts = (): readonly Script[] =>
  CHOSEN.flatMap(([folder, names]) => {
    const all = machineScripts(folder);
    return names.map((name) => {
      const script = all.find((each) => each.name === `${name}_test.sh`);
      if (script === undefined) {
        throw new TypeError(`there is no script ${name} in tests/${folder}`);
      }
      return script;
    });
  });

/**
 * A directory for the machine; it is deleted at the end.
 *
 * @throws {Failure} where there is no binary of a release
 */
export async function arm64Files(
  platform: Platform,
  release: Release,
): Promise<AsyncDisposable & { readonly path: string }> {
  const binary = `${ROOT}dist/release/rkt-${platform.machine}`;
  if (!await Deno.stat(binary).then(() => true, () => false)) {
    throw new Failure(`vm: there is no ${binary}; \`deno task release\` makes it`);
  }
  const { busybox } = await image(release, platform);
  const path = await Deno.makeTempDir({ prefix: "rkt-vm-files-" });
  await shell(
    "files for the machine of aarch64",
    `
    cp ${binary} ${path}/rkt
    cp ${ROOT}tests/vm/lib.sh ${ROOT}packaging/rkt.catalog ${path}
    cp -r ${ROOT}packaging/units ${path}/units`,
  );
  await addImages(path, busybox, platform);
  await addPackages(`${path}/packages`, ["deb"], { target: platform, binary });
  return { path, [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }) };
}

/**
 * Adds what the scripts of tests/release run: images of busybox, `box.aci` and, with a port, `web.aci`; and `site`, a site of a
 * signed one, with the certificate of example.com that it is served with.
 */
export async function addImages(
  path: string,
  busybox: string,
  { machine }: Platform,
): Promise<void> {
  const root = `${path}/root`;
  await shell(
    "images",
    `
    export GNUPGHOME=${path}/gnupg
    rkt() { ${ROOT}dist/rkt --dir=${path}/data --local-config=${path}/data "$@"; }
    image() {
      name=$1; shift
      rkt image build --compression=none --name=example.com/$name --exec=/bin/sh --label=arch=${
      architectureLabel(machine)
    } "$@"
    }
    mkdir -p ${root}/bin ${root}/etc
    cp ${busybox} ${root}/bin/busybox
    for name in $(busybox --list | grep -v busybox); do ln -s busybox ${root}/bin/$name; done
    image box ${root} ${path}/box.aci
    image web --port=http,protocol=tcp,port=8080 ${root} ${path}/web.aci
    echo "hello from a signed image" >${root}/etc/greeting
    image greeter --label=version=1.0 ${root} ${path}/greeter.aci
    mkdir -m 700 $GNUPGHOME
    gpg --batch --quiet --passphrase '' --quick-generate-key 'Peer <peer@example.com>' ed25519 sign
    gpg --armor --export peer@example.com >${path}/key.asc
    gpg --batch --armor --detach-sign ${path}/greeter.aci
    rkt image publish --public-key=${path}/key.asc --url=https://example.com ${path}/site ${path}/greeter.aci
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ${path}/tls.key -out ${path}/tls.pem -days 2 \
      -subj /CN=example.com -addext subjectAltName=DNS:example.com -addext basicConstraints=critical,CA:FALSE
    gpgconf --kill all
    rm -rf ${root} ${path}/data $GNUPGHOME`,
  );
}
