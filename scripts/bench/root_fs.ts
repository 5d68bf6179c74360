/** The root file system that everything in the benchmark runs: busybox-static and empty mount points. */

const DIRECTORIES = ["bin", "dev", "etc", "proc", "sys", "tmp"];
const APPLETS = ["true", "sh", "sleep"];

/** The static busybox of the system. */
const BUSYBOX = "/bin/busybox";

/** Makes the tree below `dir`, which must not exist yet. */
export async function makeRootFs(dir: string): Promise<void> {
  for (const name of DIRECTORIES) await Deno.mkdir(`${dir}/${name}`, { recursive: true });
  await Deno.copyFile(BUSYBOX, `${dir}/bin/busybox`);
  for (const applet of APPLETS) await Deno.symlink("busybox", `${dir}/bin/${applet}`);
  await Deno.writeTextFile(`${dir}/etc/passwd`, "root:x:0:0:root:/:/bin/sh\n");
  await Deno.writeTextFile(`${dir}/etc/group`, "root:x:0:\n");
}
