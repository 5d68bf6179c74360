/** What the virtual machine gets: the scripts of tests/vm, rkt, and an image with busybox and programs that try things. */
import { Failure } from "../../src/failure.ts";
import type { Script } from "./machine.ts";

const ROOT = new URL("../..", import.meta.url).pathname;
const SCRIPTS = `${ROOT}tests/vm`;

/**
 * The test scripts, sorted by name: every `NAME_test.sh` of a folder of tests.
 *
 * @param folder `vm`: for a machine; `systemd`: any systemd will do; `release`: for the machine that a release is tried in
 */
export function machineScripts(folder: "vm" | "systemd" | "release" = "vm"): readonly Script[] {
  const directory = `${ROOT}tests/${folder}`;
  return [...Deno.readDirSync(directory)].map(({ name }) => name)
    .filter((name) => name.endsWith("_test.sh")).sort()
    .map((name) => ({ name, text: Deno.readTextFileSync(`${directory}/${name}`) }));
}

/** A directory for the machine; it is deleted at the end. */
export async function machineFiles(): Promise<AsyncDisposable & { readonly path: string }> {
  const path = await Deno.makeTempDir({ prefix: "rkt-vm-files-" });
  const root = `${path}/root`;
  const script = `
    cp ${Deno.env.get("RKT") ?? `${ROOT}dist/rkt`} ${path}/rkt
    cp ${SCRIPTS}/lib.sh ${path}/lib.sh
    cp ${ROOT}packaging/rkt.catalog ${path}/rkt.catalog
    mkdir -p ${root}/bin ${root}/etc
    cp "$(command -v busybox)" ${root}/bin/busybox
    gcc -static -O1 -o ${root}/bin/probe ${ROOT}testdata/probe/*.c
    gcc -m32 -static -nostdlib -O1 -fno-pie -no-pie -fno-stack-protector -Wall -Wextra -Werror \
      -o ${root}/bin/i386 ${ROOT}testdata/vm/i386.c
    for name in $(${root}/bin/busybox --list | grep -v busybox); do ln -s busybox ${root}/bin/$name; done
    image() {
      name=$1; shift
      ${path}/rkt image build --compression=none --name=example.com/$name --exec=/bin/sh "$@" ${root} ${path}/$name.aci
    }
    image box
    image reached --port=http,protocol=tcp,port=8080
    image armoured --isolator='os/linux/apparmor-profile={"profile":"rkt-test"}'
    image limited --isolator='resource/cpu={"limit":"200m"}' --isolator='resource/block-bandwidth={"default":true,"limit":"1Mi"}' \
      --isolator='resource/block-iops={"default":true,"limit":"1000"}'
    ${path}/rkt --dir=${path}/converted image convert ${path}/box.aci oci-archive:${path}/layered.tar
    rm -rf ${path}/converted
    mkdir -p ${path}/marked/bin
    cp -a ${root}/bin/busybox ${root}/bin/sh ${root}/bin/cat ${path}/marked/bin
    i=0; while [ $i -lt 1000 ]; do i=$((i + 1)); echo marker-of-the-test; done >${path}/marked/marker
    ${path}/rkt image build --compression=none --name=example.com/marked --exec=/bin/sh ${path}/marked ${path}/marked.aci
    rm -r ${path}/marked
    truncate -s 64M ${path}/verity.img
    mke2fs -q -t ext4 -b 4096 -O verity -F ${path}/verity.img
    rm -r ${root}`;
  await shell("files for the machine", script);
  return {
    path,
    [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }),
  };
}

/**
 * Adds images of servers, made of this host's programs: `etcd.aci`; `server.aci`, a perl whose port is socket-activated; and
 * `proxy.aci`, which leads what comes to a socket that it is passed to another server.
 */
export async function addServers(path: string): Promise<void> {
  const root = `${path}/server`;
  const script = `
    # image NAME PROGRAM… -- FLAG…: of the programs, with the libraries that they load; the first one is what runs.
    image() {
      name=$1; shift; first=$1
      mkdir -p ${root}/bin ${root}/tmp
      while [ $1 != -- ]; do
        program=$(command -v "$1"); cp "$program" ${root}/bin/; shift
        for library in $(ldd "$program" | grep -o '/[^ ]*'); do install -D "$library" ${root}$library; done
      done; shift
      ${path}/rkt image build --compression=none --name=example.com/$name --exec="/bin/\${first##*/}" "$@" ${root} ${path}/$name.aci
      rm -r ${root}
    }
    image etcd etcd etcdctl -- --annotation=appc.io/executor/supports-systemd-notify=true
    image server perl -- --port=web,protocol=tcp,port=8080,socketActivated=true
    image proxy /lib/systemd/systemd-socket-proxyd -- --port=client,protocol=tcp,port=2379,socketActivated=true
    cp -r ${ROOT}packaging/units ${path}/units
    cp -r ${ROOT}tests/systemd/units ${path}/fixtures`;
  await shell("images of servers", script);
}

/** Runs a script of files for a machine. */
export async function shell(what: string, script: string): Promise<void> {
  const made = await new Deno.Command("sh", { args: ["-ec", script], stdin: "null" }).output();
  if (!made.success) {
    throw new Failure(`vm: ${what}: ${new TextDecoder().decode(made.stderr).trim()}`);
  }
}
