import assert from "node:assert/strict";
import { RawDirectory } from "../../linux/raw_directory.ts";
import { ENDED_PODS, EndedPods } from "./ended_pods.ts";
import { podPath, type PodView } from "../directory/pod_directory.ts";
import { seePod } from "./pod_summary.ts";

const MANIFEST = JSON.stringify({ apps: [{ name: "one", image: { name: "example.com/one" } }] });

/** A data directory with pods that have ended, of which a list was made and kept. */
function listedPods(count = 20): { readonly dir: string; readonly uuids: readonly string[] } {
  const dir = Deno.makeTempDirSync({ prefix: "rkt-ended-" });
  const uuids = Array.from({ length: count }, () => crypto.randomUUID());
  const ended = new EndedPods(dir);
  for (const uuid of uuids) {
    const path = podPath(dir, "run", uuid);
    Deno.mkdirSync(path, { recursive: true });
    Deno.writeTextFileSync(`${path}/pod`, MANIFEST);
    Deno.writeTextFileSync(`${path}/ppid`, "1");
    const pod: PodView = { uuid, stage: "run", state: "exited", path };
    using files = new RawDirectory(path);
    ended.add(uuid, seePod(files, dir, pod));
  }
  ended.keep();
  return { dir, uuids };
}

/** What is known of pods, by the names of their apps. */
function known(dir: string, uuids: readonly string[]): readonly (string | undefined)[] {
  const ended = new EndedPods(dir);
  using directory = new RawDirectory(`${dir}/pods/run`);
  return uuids.map((uuid) => ended.find(directory, `${uuid}/`, uuid)?.apps?.[0]?.name);
}

/** Changes a file in place, until the kernel's clock, which ticks every few milliseconds, has seen it. */
function write(path: string, text: string): void {
  const changed = () => Deno.statSync(path).ctime?.getTime();
  const before = changed();
  while (changed() === before) Deno.writeTextFileSync(path, text);
}

Deno.test("what was seen of pods that have ended is known, until they change or go", () => {
  const { dir, uuids: [edited = "", again = "", gone = "", replaced = "", ...rest] } = listedPods();
  const all = [edited, again, gone, replaced, ...rest];
  assert.deepEqual(known(dir, all), all.map(() => "one"));
  assert.deepEqual(known(dir, [crypto.randomUUID(), "__proto__", "toString"]), [
    undefined,
    undefined,
    undefined,
  ]);
  const past = new Date(0);
  const path = (uuid: string) => podPath(dir, "run", uuid);
  // Of the same length, and with the same time of its last change: the kernel's own time tells.
  write(`${path(edited)}/pod`, MANIFEST.replace("one", "two"));
  Deno.utimeSync(`${path(edited)}/pod`, past, past);
  write(`${path(again)}/ppid`, "2");
  Deno.removeSync(path(gone), { recursive: true });
  Deno.writeTextFileSync(`${path(replaced)}/new`, MANIFEST);
  Deno.renameSync(`${path(replaced)}/new`, `${path(replaced)}/pod`);
  assert.deepEqual(known(dir, [edited, again, gone, replaced]), Array(4).fill(undefined));
  assert.deepEqual(known(dir, rest), rest.map(() => "one"));
  Deno.removeSync(dir, { recursive: true });
});

Deno.test("what a torn file, or one of another rkt, knows of ended pods is nothing", () => {
  const { dir, uuids } = listedPods();
  const path = `${dir}/${ENDED_PODS}`;
  const text = Deno.readTextFileSync(path);
  for (
    const other of [text.slice(0, -1), "", "null", "[]", "{}", text.replace(/"form":"/, "$&x")]
  ) {
    Deno.writeTextFileSync(path, other);
    assert.deepEqual(known(dir, uuids), uuids.map(() => undefined), other.slice(0, 40));
  }
  Deno.removeSync(dir, { recursive: true });
});
