/**
 * `deno task demo`: builds rkt where that is needed, then does its main job in front of your eyes: makes
 * images, runs them, runs a server and talks to it, checks signatures. All in a temporary directory,
 * which is removed, also after Ctrl-C. The environment variable RKT names another binary.
 */
import { Failure } from "../src/failure.ts";
import { apps, busybox, collectGarbage, etcd } from "./demo/pods.ts";
import { Shell } from "./demo/shell.ts";
import { signedImage } from "./demo/signed.ts";
import { DEMO_NEEDS, provide } from "./needs.ts";

const ROOT = new URL("..", import.meta.url).pathname;

/** The script `bin/rkt`. Where there is a file `proxy`, that is what leads to example.com. */
function script(binary: string, directory: string): string {
  const flags = `--dir=${directory}/store --local-config=${directory}/etc`;
  return `#!/bin/sh
if [ -e ${directory}/proxy ]; then
  export no_proxy= https_proxy="$(cat ${directory}/proxy)"
  exec ${binary} ${flags} --ca-file=${directory}/tls/ca.pem "$@"
fi
exec ${binary} ${flags} "$@"
`;
}

/** The path of a binary that is as new as the sources. */
async function builtBinary(): Promise<string> {
  const given = Deno.env.get("RKT");
  if (given !== undefined) return given;
  const binary = `${ROOT}dist/rkt`;
  const built = await Deno.stat(binary).then((info) => info.mtime?.getTime() ?? 0, () => 0);
  const newest = await Promise.all(["main.ts", "deno.json", "src", "stage1", "scripts"].map(newer));
  if (Math.max(...newest) < built) return binary;
  const from = performance.now();
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--allow-all", `${ROOT}scripts/build.ts`],
  }).output();
  const [out = "", err = ""] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
  if (!success) throw new Failure(`demo: the build failed:\n${out}${err}`);
  const seconds = ((performance.now() - from) / 1000).toFixed(0);
  console.log(`built dist/rkt in ${seconds} s: ${out.match(/dist\/rkt: (.*),/)?.[1] ?? ""}`);
  return binary;
}

/** When a file, or one below a directory, was changed last: milliseconds since 1970. */
async function newer(path: string): Promise<number> {
  const info = await Deno.stat(`${ROOT}${path}`);
  const own = info.mtime?.getTime() ?? 0;
  if (!info.isDirectory) return own;
  const names = await Array.fromAsync(Deno.readDir(`${ROOT}${path}`), (entry) => entry.name);
  return Math.max(own, ...await Promise.all(names.map((name) => newer(`${path}/${name}`))));
}

async function demo(): Promise<void> {
  if (Deno.build.os !== "linux") {
    throw new Failure("demo: rkt is for Linux: try it in a machine with that");
  }
  await provide("demo", DEMO_NEEDS);
  const binary = await builtBinary();
  const from = performance.now();
  const directory = await Deno.makeTempDir({ prefix: "rkt-demo-" });
  const shell = new Shell(directory);
  const interrupt = () => shell.interrupt();
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    Deno.addSignalListener(signal, interrupt);
  }
  try {
    await Deno.mkdir(`${directory}/bin`);
    await Deno.writeTextFile(`${directory}/bin/rkt`, script(binary, directory), { mode: 0o755 });
    shell.say(
      `rkt is ${binary.replace(ROOT, "")} here, with --dir=${directory}/store`,
      "so that it leaves nothing behind.",
    );
    await busybox(shell);
    await apps(shell);
    await etcd(shell);
    await signedImage(shell);
    await collectGarbage(shell);
  } finally {
    await remove(shell);
  }
  const seconds = ((performance.now() - from) / 1000).toFixed(0);
  console.log(`# ${shell.typed} commands in ${seconds} s; ${directory} is removed.`);
}

/** Ends what is still there and removes the directory. */
async function remove(shell: Shell): Promise<void> {
  await shell.quietly(
    "for pod in $(rkt list --no-legend --full | cut -f1); do rkt stop --force $pod; done; " +
      "rkt gc --grace-period=0s; gpgconf --kill all",
  );
  await Deno.remove(shell.directory, { recursive: true });
}

if (import.meta.main) {
  try {
    await demo();
    Deno.exit(0);
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    console.error(error.message);
    Deno.exit(1);
  }
}
