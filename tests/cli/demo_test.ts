/** The demonstration of the README's first command. */
import assert from "node:assert/strict";
import { RKT } from "../world/rkt.ts";
import { within } from "../world/until.ts";

const DEMO = new URL("../../scripts/demo.ts", import.meta.url).pathname;

function demo(): Deno.Command {
  return new Deno.Command(Deno.execPath(), {
    args: ["run", "--allow-all", "--frozen", DEMO],
    env: { RKT, NO_COLOR: "1" },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  });
}

function assertRemoved(directory: string): void {
  assert.match(directory, /^\/\S+\/rkt-demo-\w+$/);
  assert.throws(() => Deno.statSync(directory), Deno.errors.NotFound);
  assert.ok(!Deno.readTextFileSync("/proc/self/mountinfo").includes(directory));
}

Deno.test("deno task demo shows images, pods, a server and signatures, and leaves nothing", async () => {
  const output = await demo().output();
  const [out, err] = [output.stdout, output.stderr].map((bytes) => new TextDecoder().decode(bytes));
  assert.equal(output.code, 0, `${out}${err}`);
  const expected = [
    /^\$ rkt --insecure-options=image run --net=none --hostname=demo example\.com\/busybox:1\ndemo$/m,
    /\n# \(exit status 7\)\n/,
    /\n {4}own namespaces {2}mount, PID, UTS, IPC, network, cgroup\n/,
    /\nhello\n\n\$ rkt logs \$\(cat pair\)\nwriter \| written\n/,
    /\napp-writer=0\napp-reader=0\n/,
    /^2: eth0 {4}inet 172\.16\.28\.\d+\/24 /m,
    /ready to serve client requests/,
    /\ngreeting\nhello\n/,
    /\n\w{8}\tetcd\texample\.com\/etcd\trunning\t/,
    /\napp-etcd=143\n/,
    /which is not trusted for this name/,
    /\nHello from a signed image\n/,
    /signature refused: these are not the bytes that key \w+ \(Peer <peer@example\.com>\) signed/,
    /\n# \d+ commands in \d+ s; \S+ is removed\.\n$/,
  ];
  for (const line of expected) assert.match(out ?? "", line);
  assertRemoved(/; (\S+) is removed/.exec(out ?? "")?.[1] ?? "");
});

for (
  const moment of ["image fetch ./busybox.aci", "image run --net=host", "embed: ready to serve"]
) {
  Deno.test(`deno task demo cleans up when it is interrupted at "${moment}"`, async () => {
    const process = demo().spawn();
    const errors = new Response(process.stderr).text();
    const lines = process.stdout.pipeThrough(new TextDecoderStream()).getReader();
    let out = "";
    while (!out.includes(moment)) {
      const { value, done } = await within(lines.read(), 120, moment);
      assert.ok(!done, out);
      out += value;
    }
    process.kill("SIGTERM");
    while (!(await within(lines.read(), 120, "the end of the demo")).done);
    assert.equal((await process.status).code, 1);
    assert.equal(await errors, "demo: interrupted\n");
    assertRemoved(/--dir=(\S+)\/store/.exec(out)?.[1] ?? "");
  });
}
