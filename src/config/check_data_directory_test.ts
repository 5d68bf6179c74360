import assert from "node:assert/strict";
import { Failure } from "../failure.ts";
import { checkDataDirectory } from "./check_data_directory.ts";

/** Owner, group and mode of a directory. */
type Whose = readonly [path: string, uid: number, gid: number, mode: number];

/** What is said of a data directory with these directories; undefined where it is believed. */
function said(...directories: readonly Whose[]): string | undefined {
  const dir = Deno.makeTempDirSync();
  try {
    for (const [path, uid, gid, mode] of directories) {
      Deno.mkdirSync(`${dir}/data/${path}`, { recursive: true });
      Deno.chownSync(`${dir}/data/${path}`, uid, gid);
      Deno.chmodSync(`${dir}/data/${path}`, mode);
    }
    checkDataDirectory(`${dir}/data`);
    return undefined;
  } catch (error) {
    assert.ok(error instanceof Failure);
    return error.message.replaceAll(`${dir}/`, "");
  } finally {
    Deno.removeSync(dir, { recursive: true });
  }
}

Deno.test("checkDataDirectory() lets be what only root can write to", () => {
  assert.equal(said(), undefined, "not there yet");
  assert.equal(said(["", 0, 0, 0o755]), undefined);
  assert.equal(said(["", 0, 0, 0o1777], ["cas", 0, 0, 0o700]), undefined, "as in /tmp");
  for (const name of ["cas", "locks", "pods"]) {
    assert.equal(said([name, 0, 0, 0o750]), undefined, name);
    assert.equal(said(["", 0, 998, 0o2750], [name, 0, 998, 0o2700]), undefined, name);
  }
});

Deno.test("checkDataDirectory() refuses what others can write to, or lock", () => {
  const cases: readonly (readonly [Whose, RegExp])[] = [
    [["", 1000, 0, 0o700], /^"data" is open to user 1000, .*chown/],
    [["", 0, 0, 0o777], /^"data" is open to everybody, /],
    [["", 0, 998, 0o2770], /^"data" is open to group 998, /],
    ...["cas", "locks", "pods"].flatMap((name): [Whose, RegExp][] => [
      [[name, 1000, 0, 0o700], new RegExp(`^"data/${name}" is open to user 1000, `)],
      [[name, 0, 0, 0o757], new RegExp(`^"data/${name}" is open to everybody, `)],
      // As rkt 1 made them.
      [[name, 0, 998, 0o2770], new RegExp(`^"data/${name}" is open to group 998, .*chmod go=`)],
      [[name, 0, 998, 0o2750], new RegExp(`^"data/${name}" is open to group 998, `)],
    ]),
  ];
  for (const [whose, message] of cases) {
    assert.match(said(["", 0, 0, 0o755], whose) ?? "nothing", message, Deno.inspect(whose));
  }
});
