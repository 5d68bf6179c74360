/** What the virtual machine gets: the scripts of tests/vm, rkt, and an image with busybox and programs that try things. */
import { Failure } from "../../src/failure.ts";
import type { Script } from "./machine.ts";

const ROOT = new URL("../..", import.meta.url).pathname;
const SCRIPTS = `${ROOT}tests/vm`;

/** The test scripts, sorted by name: every `NAME_test.sh` in tests/vm. */
export function machineScripts(): readonly Script[] {
  return [...Deno.readDirSync(SCRIPTS)].map(({ name }) => name)
    .filter((name) => name.endsWith("_test.sh")).sort()
    .map((name) => ({ name, text: Deno.readTextFileSync(`${SCRIPTS}/${name}`) }));
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
    image armoured --isolator='os/linux/apparmor-profile={"profile":"rkt-test"}'
    image limited --isolator='resource/cpu={"limit":"200m"}' --isolator='resource/block-bandwidth={"default":true,"limit":"1Mi"}' \
      --isolator='resource/block-iops={"default":true,"limit":"1000"}'
    truncate -s 64M ${path}/verity.img
    mke2fs -q -t ext4 -b 4096 -O verity -F ${path}/verity.img
    rm -r ${root}`;
  const made = await new Deno.Command("sh", { args: ["-ec", script], stdin: "null" }).output();
  if (!made.success) {
    throw new Failure(`vm: files for the machine: ${new TextDecoder().decode(made.stderr).trim()}`);
  }
  return {
    path,
    [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }),
  };
}
