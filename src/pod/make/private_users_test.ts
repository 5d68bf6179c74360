import assert from "node:assert/strict";
import { PRIVATE_USERS } from "../../../stage1/root/private_users.ts";
import { privateUsersOf } from "./private_users.ts";

const UUID = "00000000-0000-4000-8000-000000000000";

Deno.test("privateUsersOf() reads a pod's range of users, and believes none that has users of the host", () => {
  const path = Deno.makeTempDirSync();
  const read = (text: string) => {
    Deno.writeTextFileSync(`${path}/${PRIVATE_USERS}`, text);
    return privateUsersOf({ path, uuid: UUID });
  };
  try {
    assert.equal(privateUsersOf({ path, uuid: UUID }), undefined);
    assert.deepEqual(read("65536:65536"), { shift: 65536, count: 65536 });
    assert.deepEqual(read("131072:65536\n"), { shift: 131072, count: 65536 });
    const wrong = ["0:65536", "1:65536", "65535:65536", "65536:65537", "65536:1", "-65536:65536"];
    for (const text of [...wrong, "65536", "", "65536:65536:0", "0x10000:65536"]) {
      assert.throws(() => read(text), /is not a range of users/, text);
    }
  } finally {
    Deno.removeSync(path, { recursive: true });
  }
});
