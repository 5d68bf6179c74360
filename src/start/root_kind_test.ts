import assert from "node:assert/strict";
import { Store } from "../store/store.ts";
import { rootKind } from "./root_kind.ts";
import { World } from "./world.ts";

/** What rkt finds out for a data directory, and what the file says that remembers it. */
async function found(dataDir: string) {
  const kind = await rootKind(dataDir, true, new World());
  return { kind, text: Deno.readTextFileSync(`${dataDir}/cas/root-kind`) };
}

Deno.test("how roots are made is remembered for a kernel and a directory, and found out anew for others", async () => {
  const dir = Deno.makeTempDirSync({ prefix: "rkt-kind-" });
  try {
    const [one, other] = [`${dir}/one`, `${dir}/other`];
    for (const each of [one, other]) {
      new Store(each);
      Deno.mkdirSync(`${each}/cas/tmp`, { recursive: true });
    }
    const first = await found(one);
    assert.match(first.text, new RegExp(`^${first.kind} `));
    const wrong = first.kind === "copy" ? "overlay" : "copy";
    const remember = (text: string, where = one) =>
      Deno.writeTextFileSync(`${where}/cas/root-kind`, text.replace(first.kind, wrong));
    // What is remembered for this very kernel and directory is believed.
    remember(first.text);
    assert.equal((await found(one)).kind, wrong);
    const kernel = Deno.readTextFileSync("/proc/sys/kernel/osrelease").trim();
    for (const text of [first.text.replace(kernel, "5.4.0-other"), `${wrong} ${kernel}`, ""]) {
      remember(text);
      assert.deepEqual(await found(one), first, text);
    }
    // A copy of the directory may be on another file system.
    remember(first.text, other);
    const there = await found(other);
    assert.equal(there.kind, first.kind);
    assert.notEqual(there.text, first.text);
  } finally {
    Deno.removeSync(dir, { recursive: true });
  }
});
