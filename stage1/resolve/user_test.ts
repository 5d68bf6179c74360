import assert from "node:assert/strict";
import { Failure } from "../../src/failure.ts";
import { ImageRoot, resolveGroup, resolveUser } from "./user.ts";

/** A tree with some files in it, for as long as its block lasts. */
class Tree implements Disposable {
  readonly path = Deno.makeTempDirSync({ prefix: "rkt-user-" });
  readonly root: ImageRoot;

  constructor(files: Readonly<Record<string, string>>) {
    Deno.mkdirSync(`${this.path}/root/etc`, { recursive: true });
    for (const [path, text] of Object.entries(files)) {
      Deno.writeTextFileSync(`${this.path}/root/${path}`, text);
    }
    this.root = new ImageRoot(`${this.path}/root`);
  }

  [Symbol.dispose](): void {
    this.root[Symbol.dispose]();
    Deno.removeSync(this.path, { recursive: true });
  }
}

const PASSWD = "root:x:0:0::/root:/bin/sh\nwww:x:33:34::/srv:/bin/sh\nodd:x:1:1::home:\n";
const GROUP = "root:x:0:\nstaff:x:50:www\n";
const FILES = { "etc/passwd": PASSWD, "etc/group": GROUP };

Deno.test("resolveUser() takes numbers as they are, but for those that passwd has as names", () => {
  using tree = new Tree({ "etc/passwd": "33:x:99:99::/x:/x\n" });
  assert.equal(resolveUser(tree.root, "33", "app").uid, 99);
  assert.deepEqual(resolveUser(tree.root, "4294967294", "app"), { uid: 0xffff_fffe });
});

Deno.test("resolveUser() refuses the number that means unchanged, and larger ones", () => {
  using tree = new Tree(FILES);
  for (const user of ["4294967295", "4294967296", "99999999999", "-1", "0x10", "1 "]) {
    assert.throws(() => resolveUser(tree.root, user, "app"), Failure, user);
  }
});

Deno.test("resolveUser() finds names in passwd, with their homes", () => {
  using tree = new Tree(FILES);
  assert.deepEqual(resolveUser(tree.root, "www", "app"), {
    uid: 33,
    name: "www",
    home: "/srv",
    shell: "/bin/sh",
  });
  assert.deepEqual(resolveUser(tree.root, "odd", "app"), { uid: 1, name: "odd" });
  assert.equal(resolveGroup(tree.root, "staff", "app"), 50);
});

Deno.test("resolveUser() skips lines of passwd that are none", () => {
  const lines = [
    "www",
    "www:x",
    "www:x:",
    "www:x:-1:1:::",
    "www:x:abc:1:::",
    ":x:5:5:::",
    "www:x:7:7:::",
  ];
  using tree = new Tree({ "etc/passwd": `# www:x:1:1\n\n${lines.join("\n")}` });
  assert.equal(resolveUser(tree.root, "www", "app").uid, 7);
});

Deno.test("resolveUser() and resolveGroup() say what is missing", () => {
  using tree = new Tree({});
  const message = /^app "app": there is no user "www" in the image's \/etc\/passwd; .*--user$/;
  assert.throws(() => resolveUser(tree.root, "www", "app"), { name: "Failure", message });
  const group = /^app "app": there is no group "www" in the image's \/etc\/group; .*--group$/;
  assert.throws(() => resolveGroup(tree.root, "www", "app"), { name: "Failure", message: group });
});

Deno.test("resolveUser() takes the owner of a path", () => {
  using tree = new Tree({ "etc/owned": "" });
  Deno.chownSync(`${tree.path}/root/etc/owned`, 1234, 2345);
  assert.deepEqual(resolveUser(tree.root, "/etc/owned", "app"), { uid: 1234 });
  assert.equal(resolveGroup(tree.root, "/etc/owned", "app"), 2345);
  assert.throws(() => resolveUser(tree.root, "/none", "app"), /has no \/none/);
});

Deno.test("ImageRoot follows no link out of its root", () => {
  using tree = new Tree({});
  const outside = `${tree.path}/outside`;
  Deno.writeTextFileSync(outside, "www:x:5:5:::\n");
  const links = [
    outside,
    "../../outside",
    "../../../../../../../../../../etc/passwd",
    "/proc/self/root/etc/passwd",
    "passwd",
  ];
  for (const link of links) {
    Deno.symlinkSync(link, `${tree.path}/root/etc/passwd`);
    assert.equal(tree.root.read("etc/passwd"), undefined, link);
    Deno.removeSync(`${tree.path}/root/etc/passwd`);
  }
  // What a link means to the app it means here.
  Deno.writeTextFileSync(`${tree.path}/root/users`, "www:x:6:6:::\n");
  Deno.symlinkSync("/users", `${tree.path}/root/etc/passwd`);
  assert.equal(resolveUser(tree.root, "www", "app").uid, 6);
});

Deno.test("ImageRoot reads no file that is too large, and nothing that is none", () => {
  using tree = new Tree({});
  const passwd = `${tree.path}/root/etc/passwd`;
  Deno.writeTextFileSync(passwd, "");
  Deno.truncateSync(passwd, (4 << 20) + 1);
  assert.throws(() => resolveUser(tree.root, "www", "app"), /etc\/passwd .*larger than 4 MiB/);
  Deno.removeSync(passwd);
  // A fifo would be waited for.
  assert.ok(new Deno.Command("mkfifo", { args: [passwd] }).outputSync().success);
  assert.throws(() => resolveUser(tree.root, "www", "app"), /no user "www"/);
  Deno.removeSync(passwd);
  Deno.mkdirSync(passwd);
  assert.throws(() => resolveUser(tree.root, "www", "app"), /no user "www"/);
});
