import assert from "node:assert/strict";
import { COUNT, toHostId } from "../../../stage1/root/private_users.ts";
import { mapText, newPrivateUsers, toPodId } from "./user_ranges.ts";

Deno.test("a pod's user who is the caller is 0 outside, and all others are of the range", () => {
  const users = { shift: 1, count: 65_536, kept: { uid: 1000, gid: 100 } };
  const ids = [0, 99, 100, 101, 999, 1000, 1001, 65_535];
  for (const kind of ["uid", "gid"] as const) {
    const outside = ids.map((id) => toHostId(id, users, kind));
    assert.equal(new Set(outside).size, ids.length);
    assert.deepEqual(outside.map((id) => toPodId(id, users, kind)), ids);
    assert.equal(toHostId(users.kept[kind], users, kind), 0);
    // The kernel's map says the same.
    const lines = mapText(users, kind).trim().split("\n").map((line) =>
      line.split(" ").map(Number)
    );
    for (const [i, id] of ids.entries()) {
      const line = lines.find(([first = 0, , count = 0]) => id >= first && id < first + count);
      const [first = 0, at = 0] = line ?? assert.fail(`${id} has no line`);
      assert.equal(at + id - first, outside[i]);
    }
  }
  assert.equal(mapText(users, "uid"), "0 1 1000\n1000 0 1\n1001 1002 64535\n");
  const far = { shift: 1, count: 65_536, kept: { uid: 1_200_001, gid: 65_535 } };
  assert.equal(mapText(far, "uid"), "0 1 65536\n1200001 0 1\n");
  assert.equal(mapText(far, "gid"), "0 1 65535\n65535 0 1\n");
  assert.equal(toHostId(1_200_001, far, "uid"), 0);
});

Deno.test("a range of a user's namespace is one of those that it has, and never the user", () => {
  for (const own of [1, 65_536]) assert.equal(newPrivateUsers(own), undefined);
  for (let i = 0; i < 50; i++) {
    assert.deepEqual(newPrivateUsers(65_537), { shift: 1, count: 65_536 });
    const { shift, count } = newPrivateUsers(3 * 65_536 + 5) ?? assert.fail();
    assert.ok([1, 65_537, 131_073].includes(shift) && count === 65_536, `${shift}`);
  }
});

Deno.test("a range starts at a multiple of its size, above the host's users, within 31 bits", () => {
  const seen = new Set<number>();
  for (let i = 0; i < 500; i++) {
    const { shift, count } = newPrivateUsers() ?? assert.fail();
    assert.equal(count, COUNT);
    assert.equal(shift % COUNT, 0);
    assert.ok(shift >= COUNT && shift + count <= 2 ** 31, `${shift}`);
    seen.add(shift);
  }
  assert.ok(seen.size > 400, "they are chosen by chance");
});
