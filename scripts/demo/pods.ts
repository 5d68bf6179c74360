/** The demo's first part: images of directories, and pods of them. */
import { Failure } from "../../src/failure.ts";
import { provide, SERVER_NEEDS } from "../needs.ts";
import type { Shell } from "./shell.ts";

/** An image of busybox, and pods that end by themselves. */
export async function busybox(shell: Shell): Promise<void> {
  shell.chapter("An image of a directory");
  await shell.type("mkdir -p rootfs/bin && cp $(command -v busybox) rootfs/bin/busybox");
  await shell.type(
    "rkt image build --name=example.com/busybox --label=version=1 rootfs busybox.aci -- " +
      "/bin/busybox uname -n",
  );
  shell.say("It is not signed, so rkt must be told to take it. Signatures come below.");
  await shell.type("rkt --insecure-options=image fetch ./busybox.aci");
  await shell.type("rkt image list");

  shell.chapter("Pods of it: each is a process of this shell, there is no daemon");
  await shell.type(
    "rkt --insecure-options=image run --net=none --hostname=demo example.com/busybox:1",
  );
  await shell.type(
    "rkt --insecure-options=image run --net=none example.com/busybox:1 --exec=/bin/busybox -- " +
      `sh -c 'busybox ps; exit 7'`,
    7,
  );
  shell.say("What would it do? Every step and system call, and what the app is left with:");
  const dryRun = "rkt --insecure-options=image run --net=none --dry-run example.com/busybox:1 2>&1";
  await shell.type(`${dryRun} | head -14`);
  await shell.type(`${dryRun} | grep -A14 '^# what app' | cut -c1-110`);
}

/** A pod of two apps, and one on a network of its own. */
export async function apps(shell: Shell): Promise<void> {
  shell.chapter("Two apps, one pod: limits, restarts, a shared volume, a log");
  const image = "example.com/busybox:1";
  // A user has limits where his systemd gives him cgroups for them.
  const limit = isRoot ? "--memory=16Mi " : "";
  await shell.type(
    "rkt --insecure-options=image run --net=none --uuid-file-save=pair \\\n" +
      "    --volume=box,kind=empty --mount=volume=box,target=/box \\\n" +
      `    ${image} --name=writer --stdout=log --exec=/bin/busybox \\\n` +
      "    -- sh -c 'busybox sleep 0.3; echo hello >/box/file; echo written' --- \\\n" +
      `    ${image} --name=reader --restart=on-failure ${limit}--exec=/bin/busybox \\\n` +
      "    -- cat /box/file",
  );
  await shell.type("rkt logs $(cat pair)");
  await shell.type("rkt status $(cat pair) | grep app-");
  if (isRoot) shell.say("A network of the pod's own, made without any other program:");
  else if (await shell.quietly("command -v pasta") !== "") {
    shell.say("A network of the pod's own, made by pasta:");
  } else return shell.say("Networks of users' pods take pasta (Debian's package passt): left out.");
  await shell.type(
    `rkt --insecure-options=image run ${image} --exec=/bin/busybox -- ip -4 -o addr show eth0`,
  );
}

const isRoot = Deno.uid() === 0;

/** A real server: etcd of Debian, or a word about why not. */
export async function etcd(shell: Shell): Promise<void> {
  shell.chapter("A real server: etcd");
  try {
    await provide("demo", SERVER_NEEDS);
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    return shell.say(`left out: ${error.message}`);
  }
  await shell.type("mkdir -p etcd/bin && cp $(command -v etcd) etcd/bin/");
  shell.say("and the libraries that it is linked with:");
  await shell.type(
    "for lib in $(ldd etcd/bin/etcd | grep -o '/[^ ]*'); do install -D $lib etcd$lib; done",
  );
  await shell.type(
    "rkt image build --name=example.com/etcd --mount=data,path=/var/lib/etcd etcd etcd.aci -- " +
      "/bin/etcd --data-dir=/var/lib/etcd",
  );
  const [client, peer] = freePorts();
  const url = `http://127.0.0.1:${client}`;
  const ended = await shell.background(
    "rkt --insecure-options=image run --net=host --uuid-file-save=uuid " +
      "--volume=data,kind=empty,mode=0700 ./etcd.aci -- " +
      `--listen-client-urls=${url} --advertise-client-urls=${url} ` +
      `--listen-peer-urls=http://127.0.0.1:${peer} 2>&1 | ` +
      "grep --line-buffered -E 'Version|ready to serve'",
    "ready to serve",
  );
  await shell.type(`etcdctl --endpoints=${url} put greeting hello`);
  await shell.type(`etcdctl --endpoints=${url} get greeting`);
  await shell.type("rkt list");
  await shell.type("rkt stop $(cat uuid)");
  await ended();
  await shell.type("rkt status $(cat uuid)");
}

/** Two ports of loopback that were free a moment ago. */
function freePorts(): number[] {
  const listeners = [1, 2].map(() => Deno.listen({ hostname: "127.0.0.1", port: 0 }));
  const ports = listeners.map((listener) => (listener.addr as Deno.NetAddr).port);
  listeners.forEach((listener) => listener.close());
  return ports;
}

/** What is left of the pods goes. */
export async function collectGarbage(shell: Shell): Promise<void> {
  shell.chapter("What is left of the pods");
  await shell.type("rkt list");
  await shell.type("rkt gc --grace-period=0s");
  await shell.type("rkt list");
}
