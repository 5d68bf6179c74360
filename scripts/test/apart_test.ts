import { deepStrictEqual, match, notStrictEqual, strictEqual } from "node:assert/strict";
import { APART } from "./apart.ts";
import { runDeno } from "./run_deno.ts";

const apart = (code: string, seconds = 60) =>
  runDeno(["eval", code], { seconds, visible: false, before: APART });

Deno.test("a command apart has a network, processes and a /run of its own, and the host's cgroups", async () => {
  const { success, stdout } = await apart(`console.log(JSON.stringify({
    links: Deno.networkInterfaces().map(({ name }) => name).filter((name) => name !== "lo"),
    network: Deno.readLinkSync("/proc/self/ns/net"),
    first: Deno.readTextFileSync("/proc/1/comm"),
    // mount(8) keeps its table there.
    run: [...Deno.readDirSync("/run")].map(({ name }) => name).filter((name) => name !== "mount").sort(),
    sysfs: [...Deno.readDirSync("/sys/class/net")].map(({ name }) => name),
    cgroups: [...Deno.readDirSync("/sys/fs/cgroup")].length > 0,
  }))`);
  strictEqual(success, true, stdout);
  const { network, ...seen } = JSON.parse(stdout);
  notStrictEqual(network, Deno.readLinkSync("/proc/self/ns/net"));
  const run = ["cgroups", "lock", "netns"];
  deepStrictEqual(seen, { links: [], first: "bash\n", run, sysfs: ["lo"], cgroups: true });
});

Deno.test("what a command apart starts ends with it when its time is over", async () => {
  const word = `apart-${crypto.randomUUID()}`;
  const code = `new Deno.Command("sh", { args: ["-c", "sleep 1000; : ${word}"] }).spawn();
    while (true) await new Promise((done) => setTimeout(done, 50));`;
  const { success, stdout } = await apart(code, 5);
  strictEqual(success, false);
  match(stdout, /not done within 5 s/);
  const left = () =>
    [...Deno.readDirSync("/proc")].filter(({ name }) => {
      try {
        const line = Deno.readTextFileSync(`/proc/${name}/cmdline`);
        return line.includes(word) && !line.includes("--kill-child");
      } catch {
        return false;
      }
    });
  // What was killed may still have to get a processor to end.
  for (let looks = 0; looks < 600 && left().length > 0; looks++) {
    await new Promise((done) => setTimeout(done, 50));
  }
  deepStrictEqual(left(), []);
});
