/** Records of what happens: in the file, in a journal, and where neither takes them. */
import assert from "node:assert/strict";
import { AF_UNIX, SOCK_CLOEXEC, SOCK_DGRAM } from "../../src/linux/constants.ts";
import { closeDescriptor } from "../../src/linux/lock.ts";
import { syscall, trySyscall } from "../../src/linux/syscall.ts";
import { FetchWorld } from "../world/fetch_world.ts";
import { BOX, World } from "../world/pod_world.ts";
import { type Outcome, RKT } from "../world/rkt.ts";
import { runningPod } from "../world/running_pod.ts";
import { keptStarts } from "../world/start_entries.ts";

let world: World;
Deno.test.beforeAll(async () => {
  world = await World.make();
});
Deno.test.afterAll(() => world[Symbol.asyncDispose]());

/** A record as `rkt audit --format=json` prints it, without what differs each time. */
interface Printed {
  readonly record: string;
  readonly pod?: string;
  readonly status?: number;
  readonly from: string;
  readonly privileges?: readonly string[];
  readonly [key: string]: unknown;
}

/** The records of a data directory that fit. */
async function records(...words: string[]): Promise<readonly Printed[]> {
  const { code, stdout, stderr } = await world.rkt("audit", "--format=json", ...words);
  assert.deepEqual([code, stderr], [0, ""]);
  return JSON.parse(stdout);
}

const FILE = () => `${world.dataDir}/audit.log`;

/** Forgets what was recorded so far. */
const forget = () => Deno.truncateSync(FILE());

/** A configuration with a file in `audit.d`. */
function configured(audit: Record<string, unknown>): string {
  const etc = Deno.makeTempDirSync({ dir: world.dir });
  Deno.mkdirSync(`${etc}/audit.d`);
  const text = JSON.stringify({ rktKind: "audit", rktVersion: "v1", ...audit });
  Deno.writeTextFileSync(`${etc}/audit.d/audit.json`, text);
  return `--local-config=${etc}`;
}

Deno.test("each start and end of a pod is recorded, repeated starts too, with what the pod may do", async () => {
  forget();
  const words = world.words("exit 3", "--net=host", "--caps-retain=CAP_SYS_ADMIN,CAP_KILL");
  for (let i = 0; i < 4; i++) assert.equal((await spawned(words)).code, 3);
  assert.notEqual(keptStarts(world.dataDir), "");
  const found = await records();
  assert.deepEqual(found.map(({ record }) => record), Array(4).fill(["start", "end"]).flat());
  for (let i = 0; i < found.length; i += 2) {
    const [start, end] = [found[i], found[i + 1]];
    assert.ok(start !== undefined && end !== undefined);
    assert.equal(start.pod, end.pod);
    assert.deepEqual([start.uid, end.status], [0, 3]);
    assert.deepEqual(start.privileges, ["the host's network", "box: capabilities CAP_SYS_ADMIN"]);
  }
  const uuids = new Set(found.map(({ pod }) => pod));
  assert.equal(uuids.size, 4);
  assert.deepEqual([...uuids].toSorted(), world.pods().map((each) => each.slice(4)).toSorted());
  const { mode } = Deno.statSync(FILE());
  assert.equal((mode ?? 0) & 0o7777, 0o600);
});

/** Runs rkt; in a mount namespace where a directory is /run/systemd/journal, where one is given. */
async function spawned(words: readonly string[], journal?: string): Promise<Outcome> {
  const script = 'mkdir -p /run/systemd/journal; mount --bind "$0" /run/systemd/journal; exec "$@"';
  const [program, ...args] = journal === undefined
    ? [RKT, ...words]
    : ["unshare", "--mount", "sh", "-c", script, journal, RKT, ...words];
  const { code, stdout, stderr } = await new Deno.Command(program ?? RKT, { args, stdin: "null" })
    .output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, stdout: text(stdout), stderr: text(stderr) };
}

Deno.test("entering, copying, starting an app and removing are recorded, with who and what", async () => {
  forget();
  const pod = world.spawn(...world.flags, "app", "sandbox", "--net=none");
  const uuid = await runningPod(world, pod.pid);
  const does = async (...words: string[]) => {
    const { code, stderr } = await world.rkt(...words);
    assert.equal(code, 0, `${words}: ${stderr}`);
  };
  await does("app", "add", uuid, BOX, "--name=one", "--", "-c", "sleep 1000");
  await does("app", "start", uuid, "--app=one");
  await does("enter", "--app=one", uuid, "/bin/true", "a word\nand a line");
  await does("enter", "--privileged", "--app=one", uuid, "/bin/true");
  await does("cp", "--app=one", RKT, `${uuid}:/srv/rkt`);
  await does("cp", "--app=one", `${uuid}:/srv/owned`, `${world.dir}/owned`);
  await pod.stop();
  await does("rm", uuid);
  const found = await records(`--pod=${uuid.slice(0, 8)}`);
  assert.ok(found.every((each) => each.pod === uuid));
  assert.deepEqual(found.map(({ record }) => record), [
    ...["start", "app-start", "enter", "enter", "copy", "copy", "end", "remove"],
  ]);
  const [, started, entered, privileged, copiedIn, copiedOut] = found;
  assert.match(JSON.stringify(started?.apps), /"name":"one","image":"example.com\/box"/);
  assert.equal(entered?.command, JSON.stringify(["/bin/true", "a word\nand a line"]));
  assert.deepEqual([entered?.privileges, privileged?.privileges], [
    undefined,
    ["one: entered with --privileged"],
  ]);
  assert.deepEqual([copiedIn?.direction, copiedIn?.path, copiedIn?.host_path], [
    ...["in", "/srv/rkt", RKT],
  ]);
  assert.deepEqual([copiedOut?.direction, copiedOut?.path], ["out", "/srv/owned"]);
});

Deno.test("which pods have run images that were signed by a key; what was decided about it", async () => {
  using place = new FetchWorld();
  const { key } = place;
  const does = async (code: number, ...words: string[]) => {
    const ended = await place.rkt(...words);
    assert.equal(ended.code, code, `${words}: ${ended.err}`);
    return ended.out;
  };
  Deno.writeFileSync(`${place.directory}/key.asc`, place.gpg.export(key));
  await does(
    0,
    "trust",
    "--prefix=example.com",
    "--skip-fingerprint-review",
    `${place.directory}/key.asc`,
  );
  const id = (await does(0, "fetch", "example.com/app:1.0")).trim();
  await does(254, "run", "--net=none", "example.com/app:1.0", "--exec=/no/program");
  await does(0, "--insecure-options=image", "fetch", place.url("example.com/app", "1.0"));
  await does(0, "trust", "revoke", "--prefix=example.com", key);
  const found: readonly Printed[] = JSON.parse(
    await does(0, "audit", "--format=json", `--signer=${key.slice(-16).toUpperCase()}`),
  );
  const [trusted, fetched, ...others] = found;
  assert.deepEqual([trusted?.record, trusted?.decision, trusted?.decided_by, trusted?.key], [
    ...["trust", "trusted", "a flag", key],
  ]);
  assert.deepEqual([trusted?.prefix, trusted?.source], [
    ...["example.com", `${place.directory}/key.asc`],
  ]);
  assert.deepEqual([fetched?.record, fetched?.verified_by, fetched?.source, fetched?.signers], [
    ...["fetch", "signature", place.url("example.com/app", "1.0"), [key]],
  ]);
  assert.ok(String(fetched?.image_id).startsWith(id) && String(fetched?.image_id).length === 135);
  assert.deepEqual(others.at(-1)?.decision, "revoked");
  const byId = await does(0, "audit", "--no-legend", `--image=${id}`);
  assert.match(byId, /\tfetch\t.*verified by signature by /);
  assert.match(await does(0, "audit", "--image=example.com/app"), /verified by/);
  assert.equal(await does(0, "audit", "--image=example.com/other", "--no-legend"), "");
});

Deno.test("a pod says who has signed its image", async () => {
  using place = new FetchWorld();
  const { key } = place;
  place.trust();
  const run = async (...words: string[]) => {
    const { code, err, out } = await place.here(...words);
    assert.equal(code, 0, err);
    return out;
  };
  const path = `${place.directory}/signed.aci`;
  const box = `${world.dir}/box.aci`;
  Deno.copyFileSync(box, path);
  Deno.writeFileSync(`${path}.asc`, place.gpg.sign(Deno.readFileSync(box), key));
  for (let i = 0; i < 2; i++) await run("run", "--net=none", path, "--", "-c", "true");
  const text = await run("audit", "--format=json", `--signer=${key}`);
  const starts = (JSON.parse(text) as readonly Printed[]).filter(({ record }) =>
    record === "start"
  );
  assert.equal(starts.length, 2);
  for (const { signers, apps } of starts) {
    assert.deepEqual(signers, [key]);
    assert.match(JSON.stringify(apps), new RegExp(`"signers":\\["${key}"\\]`));
  }
});

/** A socket as journald's. */
class Journal implements Disposable {
  readonly directory = Deno.makeTempDirSync({ prefix: "rkt-journal-" });
  readonly #socket = syscall("open a socket", "socket", AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  readonly #path = new TextEncoder().encode(`${this.directory}/socket\0`);
  #open = true;

  constructor() {
    const address = new Uint8Array(2 + this.#path.length);
    address[0] = AF_UNIX;
    address.set(this.#path, 2);
    syscall("bind it", "bind", this.#socket, address, address.length);
    // As journald's is: everybody may write to it.
    Deno.chmodSync(this.directory, 0o755);
    Deno.chmodSync(`${this.directory}/socket`, 0o666);
  }

  /** Takes one entry; undefined where there is none. */
  take(): string | undefined {
    const buffer = new Uint8Array(1 << 18);
    const size = trySyscall("recvfrom", this.#socket, buffer, buffer.length, 0x40, 0, 0);
    return size < 0 ? undefined : new TextDecoder().decode(buffer.subarray(0, size));
  }

  /** Ends; its name stays. */
  stop(): void {
    if (this.#open) closeDescriptor(this.#socket);
    this.#open = false;
  }

  [Symbol.dispose](): void {
    this.stop();
    Deno.removeSync(this.directory, { recursive: true });
  }
}

Deno.test("with a journal the file stays as it is; what a journal does not take goes there", async () => {
  forget();
  using journal = new Journal();
  const words = world.words("exit 4");
  assert.equal((await spawned(words, journal.directory)).code, 4);
  const [start = "", end = ""] = [journal.take(), journal.take()];
  assert.match(start, /^MESSAGE=Pod [0-9a-f-]{36} starts: box of example.com\/box\nPRIORITY=5\n/);
  assert.match(start, /\nRKT_LOGIN_UID=\d*\nRKT_CGROUP\n/);
  assert.match(start, /\nMESSAGE_ID=bf713f12b12f420698c067c39f64caef\n$/);
  assert.match(end, /\nRKT_STATUS=4\nMESSAGE_ID=13c3677854c14ac997c82a2f4aeb5fbc\n$/);
  assert.equal(journal.take(), undefined);
  assert.equal(Deno.statSync(FILE()).size, 0);

  // Nobody reads: the queue is full at some time, and no pod waits for it.
  let pods = 0;
  while (Deno.statSync(FILE()).size === 0) {
    assert.ok(++pods < 600, "the queue has no end");
    assert.equal((await spawned(words, journal.directory)).code, 4);
  }
  let taken = 0;
  while (journal.take() !== undefined) taken++;
  assert.equal(taken + (await records()).length, 2 * pods);

  forget();
  journal.stop();
  assert.equal((await spawned(words, journal.directory)).code, 4);
  assert.deepEqual((await records()).map(({ record }) => record), ["start", "end"]);
});

Deno.test("audit.d says where records go", async () => {
  using journal = new Journal();
  const words = world.words("exit 0");
  const ran = async (audit: Record<string, unknown>, code = 0) => {
    forget();
    while (journal.take() !== undefined);
    const flag = configured(audit);
    for (let i = 0; i < 2; i++) {
      const ended = await spawned([flag, ...words], journal.directory);
      assert.equal(ended.code, code, ended.stderr);
    }
    let taken = 0;
    while (journal.take() !== undefined) taken++;
    return [taken, (await records()).length];
  };
  assert.deepEqual(await ran({}), [4, 0]);
  assert.deepEqual(await ran({ to: ["journal", "file"] }), [4, 4]);
  assert.deepEqual(await ran({ to: ["file"], required: true }), [0, 4]);
  assert.deepEqual(await ran({ to: ["kernel"] }), [0, 0]);
  assert.deepEqual(await ran({ to: [] }), [0, 0]);
  assert.deepEqual(await ran({ to: ["journal"], required: true }), [4, 0]);
  journal.stop();
  assert.deepEqual(await ran({ to: ["journal"], required: true }, 254), [0, 0]);
});

Deno.test("a start that is kept is not repeated when audit.d says something else", async () => {
  forget();
  const etc = Deno.makeTempDirSync({ dir: world.dir });
  const words = [`--local-config=${etc}`, ...world.words("exit 0")];
  for (let i = 0; i < 3; i++) assert.equal((await spawned(words)).code, 0);
  assert.equal((await records()).length, 6);
  const file = `${etc}/audit.d/a.json`;
  Deno.mkdirSync(`${etc}/audit.d`);
  const say = (audit: Record<string, unknown>) =>
    Deno.writeTextFileSync(file, JSON.stringify({ rktKind: "audit", rktVersion: "v1", ...audit }));
  say({ to: [] });
  for (let i = 0; i < 2; i++) assert.equal((await spawned(words)).code, 0);
  assert.equal((await records()).length, 6);
  say({ to: ["file"] });
  for (let i = 0; i < 2; i++) assert.equal((await spawned(words)).code, 0);
  assert.equal((await records()).length, 10);
});

Deno.test("a full disk: the pod runs, with a warning, and does not where audit.d demands records", async () => {
  const full = [
    ...["unshare", "--mount", "sh", "-c", 'mount --bind /dev/full "$0" && exec "$@"', FILE(), RKT],
  ];
  const ran = async (...words: string[]): Promise<Outcome> => {
    const [program = "", ...args] = [...full, ...words];
    const output = await new Deno.Command(program, { args, stdin: "null" }).output();
    const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
    return { code: output.code, stdout: text(output.stdout), stderr: text(output.stderr) };
  };
  const before = world.pods();
  for (let i = 0; i < 2; i++) {
    const { code, stdout, stderr } = await ran(...world.words("echo it runs; exit 5"));
    assert.deepEqual([code, stdout], [5, "it runs\n"]);
    assert.equal(
      stderr,
      "rkt: warning: the start of this pod is not recorded\n" +
        "rkt: warning: the end of this pod is not recorded\n",
    );
  }
  const demanded = configured({ required: true });
  for (let i = 0; i < 2; i++) {
    const { code, stdout, stderr } = await ran(demanded, ...world.words("echo it runs"));
    assert.deepEqual([code, stdout], [254, ""]);
    assert.equal(
      stderr,
      `stage1: record in ${FILE()}: ENOSPC (no space left on device); audit.d demands it\n`,
    );
  }
  const pod = await world.start("sleep 1000");
  const uuid = await runningPod(world, pod.pid);
  for (const words of [["enter", uuid, "/bin/true"], ["cp", RKT, `${uuid}:/srv/x`]]) {
    const { code, stderr } = await ran(...world.flags, demanded, ...words);
    assert.equal(code, 254);
    assert.match(
      stderr,
      /^\w+: this can't be recorded: .*\/audit\.log: .*; audit\.d demands it\n$/,
    );
  }
  await pod.stop();
  // Of the pods that did not begin, gc removes what there is.
  await world.rkt("gc", "--grace-period=0s");
  await world.rkt("gc", "--grace-period=0s");
  assert.deepEqual(world.pods().filter((each) => !before.includes(each)), []);
});

Deno.test("starts at once lose no record, and none gets into another", async () => {
  forget();
  const words = world.words("exit 0");
  for (let i = 0; i < 2; i++) assert.equal((await spawned(words)).code, 0);
  forget();
  const most = Number(Deno.env.get("RKT_TEST_STARTS") ?? "100");
  const ends: Outcome[] = [];
  let left = most;
  await Promise.all(Array.from({ length: 50 }, async () => {
    while (left-- > 0) ends.push(await spawned(words));
  }));
  assert.deepEqual(ends.filter(({ code }) => code !== 0), []);
  const found = await records();
  for (const kind of ["start", "end"]) {
    const uuids = found.filter(({ record }) => record === kind).map(({ pod }) => pod);
    assert.equal(new Set(uuids).size, most, kind);
    assert.equal(uuids.length, most, kind);
  }
  assert.equal(found.length, 2 * most);
});

Deno.test("rkt audit refuses in one line, and makes nothing", async () => {
  const nowhere = `${world.dir}/nowhere`;
  const none = await spawned([`--dir=${nowhere}`, "audit", "--no-legend"]);
  assert.deepEqual([none.code, none.stdout, none.stderr], [0, "", ""]);
  assert.throws(() => Deno.statSync(nowhere), Deno.errors.NotFound);
  for (
    const [word, why] of [
      ["--since=tomorrow", /neither a duration like 2h or 7d nor a time/],
      ["--signer=abc", /not a fingerprint/],
      ["--pod=x/y", /not the beginning of a UUID/],
    ] as const
  ) {
    const { code, stdout, stderr } = await world.rkt("audit", word);
    assert.deepEqual([code, stdout], [254, ""]);
    assert.match(stderr, why);
    assert.equal(stderr.split("\n").length, 2);
  }
  for (
    const [audit, why] of [
      [{ require: true }, /require: is not to or required/],
      [{ to: ["syslog"] }, /to\[0\]: "syslog" is not journal, file or kernel/],
      [{ required: "yes" }, /required: .*true or false/],
    ] as const
  ) {
    const { code, stdout, stderr } = await world.rkt(configured(audit), "run", "--net=none", BOX);
    assert.deepEqual([code, stdout], [254, ""]);
    assert.match(stderr, why);
    assert.equal(stderr.split("\n").length, 2);
  }
});
