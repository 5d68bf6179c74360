import assert from "node:assert/strict";
import { gzipSync } from "node:zlib";
import { DirectoryReader } from "../linux/directory_reader.ts";
import { bytesOf, byteString } from "../linux/byte_string.ts";
import {
  directory,
  entry,
  hardlink,
  image,
  joined,
  paxRecord,
  special,
  symlink,
} from "./testing/archive_fixture.ts";
import { extractAci } from "./extract.ts";
import type { ExtractOptions } from "./extract_options.ts";
import { bytesSource } from "./bytes/source.ts";

const privileged = Deno.uid() === 0;

/** Extracts into a directory that is removed at the end. */
async function extracted(
  bytes: Uint8Array,
  check: (directory: string) => void | Promise<void>,
  options: ExtractOptions = {},
) {
  const target = await Deno.makeTempDir();
  try {
    await extractAci(bytesSource("test.aci", bytes), target, { privileged, ...options });
    await check(target);
  } finally {
    await Deno.remove(target, { recursive: true });
  }
}

/** What `find -printf` says about a path, as text with one unit a byte. */
function find(path: string, format: string): string {
  const { stdout } = new Deno.Command("find", { args: [path, "-printf", format] }).outputSync();
  return byteString(stdout);
}

/** Names and values of a file's extended attributes. */
function attributes(path: string): string[] {
  const reader = new DirectoryReader();
  const slash = path.lastIndexOf("/");
  const parent = reader.openRoot(path.slice(0, slash));
  const fd = reader.open(parent, path.slice(slash + 1));
  const found = reader.xattrs(fd, (name) => !name.startsWith("security.selinux"));
  reader.close(fd);
  reader.close(parent);
  return [...found].map(([name, value]) => `${name}=${byteString(value)}`);
}

Deno.test("extractAci() creates files with mode, owner, time and attributes", async () => {
  const owner = { uid: privileged ? 1234 : 0, gid: privileged ? 5678 : 0 };
  const pax = paxRecord("mtime", "1234567890.123456789") + paxRecord("SCHILY.xattr.user.a", "b");
  const bytes = image(
    joined(special("x", pax), entry({ path: "rootfs/f", mode: 0o6755, ...owner }, "hello")),
    entry({ path: "rootfs/f2", xattrs: new Map([["trusted.overlay.opaque", bytesOf("y")]]) }),
    entry({ path: "rootfs/f3", xattrs: new Map([["user.overlay.opaque", bytesOf("y")]]) }),
  );
  await extracted(bytes, (target) => {
    const wanted = privileged ? "1234 5678" : `${Deno.uid()} ${Deno.gid()}`;
    assert.equal(
      find(`${target}/rootfs/f`, "%y %m %U %G %T@ %s"),
      `f 6755 ${wanted} 1234567890.1234567890 5`,
    );
    assert.deepEqual(attributes(`${target}/rootfs/f`), ["user.a=b"]);
    assert.deepEqual(attributes(`${target}/rootfs/f2`), []);
    assert.deepEqual(attributes(`${target}/rootfs/f3`), []);
    assert.equal(Deno.readTextFileSync(`${target}/rootfs/f`), "hello");
  });
});

Deno.test("extractAci() sets times and modes of directories after their contents", async () => {
  const bytes = image(
    joined(special("x", paxRecord("mtime", "-1.25")), directory("rootfs/old")),
    directory("rootfs/d", { mode: 0o555, mtime: 1000 }),
    directory("rootfs/d/e", { mode: 0o1777, mtime: 2000 }),
    entry({ path: "rootfs/d/e/f" }),
    entry({ path: "rootfs/x/y/f" }),
    directory("rootfs/x", { mode: 0o700, mtime: 3000 }),
  );
  await extracted(bytes, (target) => {
    assert.match(
      find(`${target}/rootfs/d`, "%f %m %T@\n"),
      /^d 555 1000\.0+\ne 1777 2000\.0+\nf 644/,
    );
    assert.match(find(`${target}/rootfs/x`, "%f %m %T@\n"), /^x 700 3000\.0+\ny 755/);
    // find prints whole seconds and the fraction side by side: -2 s and 0.75 s
    assert.equal(find(`${target}/rootfs/old`, "%T@"), "-2.7500000000");
    Deno.chmodSync(`${target}/rootfs/d`, 0o755);
  });
});

Deno.test("extractAci() creates links, fifos, names of any bytes, sparse files", async () => {
  const sparse = paxRecord("GNU.sparse.map", "1000000,3") +
    paxRecord("GNU.sparse.size", "9000000") + paxRecord("GNU.sparse.name", "rootfs/sparse");
  const bytes = image(
    entry({ path: "rootfs/a" }, "same"),
    hardlink("rootfs/b", "rootfs/a"),
    hardlink("./rootfs/c", "./rootfs//b"),
    symlink("rootfs/s", "/etc/../passwd"),
    hardlink("rootfs/s2", "rootfs/s"),
    entry({ path: "rootfs/p", kind: "fifo", mode: 0o622 }),
    entry({ path: "rootfs/\xff\n\x01" }, "odd"),
    joined(special("x", sparse), entry({ path: "x" }, "abc")),
  );
  await extracted(bytes, (target) => {
    const root = `${target}/rootfs`;
    assert.match(find(`${root}/a`, "%n"), /3/);
    assert.equal(find(`${root}/b`, "%i"), find(`${root}/a`, "%i"));
    assert.equal(find(`${root}/c`, "%i"), find(`${root}/a`, "%i"));
    assert.equal(Deno.readLinkSync(`${root}/s`), "/etc/../passwd");
    assert.equal(find(`${root}/s2`, "%y%n"), "l2");
    assert.equal(find(`${root}/p`, "%y %m"), "p 622");
    assert(find(root, "%f\\0").split("\0").includes("\xff\n\x01"));
    const content = Deno.readFileSync(`${root}/sparse`);
    assert.equal(content.length, 9_000_000);
    assert.equal(byteString(content, 999_999, 1_000_004), "\0abc\0");
    assert(Number(find(`${root}/sparse`, "%b")) < 1000);
  });
});

Deno.test("extractAci() creates device nodes for root, and leaves them out for others", async () => {
  const fields = { path: "rootfs/n", mode: 0o660, major: 259, minor: 1_000_000 };
  const bytes = image(entry({ kind: "character device", ...fields }));
  await extracted(bytes, (target) => {
    const stat = new Deno.Command("stat", { args: ["-c", "%F %t %T %a", `${target}/rootfs/n`] });
    const text = new TextDecoder().decode(stat.outputSync().stdout).trim();
    assert.equal(text, privileged ? "character special file 103 f4240 660" : "");
  });
});

Deno.test("extractAci() maps owners", async () => {
  const options = { mapUid: (n: number) => n + 100_000, mapGid: (n: number) => n + 200_000 };
  if (!privileged) Object.assign(options, { privileged: false });
  await extracted(image(entry({ path: "rootfs/d/f", uid: 5, gid: 6 })), (target) => {
    const wanted = privileged ? "100000 200000\n100005 200006\n" : undefined;
    const found = find(`${target}/rootfs/d`, "%U %G\n");
    assert.equal(found, wanted ?? found);
  }, options);
});

Deno.test("extractAci() extracts only the root file system when asked", async () => {
  const bytes = image(entry({ path: "rootfs/f" }), hardlink("rootfs/g", "rootfs/f"));
  await extracted(bytes, (target) => {
    assert.deepEqual([...Deno.readDirSync(target)].map((each) => each.name).sort(), ["f", "g"]);
  }, { rootfsOnly: true });
});

Deno.test("extractAci() gives the same tree from plain and gzip, and the same ID", async () => {
  const bytes = image(entry({ path: "rootfs/f" }, "x".repeat(100_000)));
  const results: string[] = [];
  for (const form of [bytes, gzipSync(bytes)]) {
    const target = await Deno.makeTempDir();
    try {
      const { imageId, size } = await extractAci(bytesSource("t", form, 1000), target, {
        privileged,
      });
      results.push(`${imageId} ${size} ${find(target, "%P %m %s %T@ ").length}`);
    } finally {
      await Deno.remove(target, { recursive: true });
    }
  }
  assert.equal(results[0], results[1]);
});

Deno.test("extractAci() never follows a symlink that is there already", async () => {
  const outside = await Deno.makeTempDir();
  const target = await Deno.makeTempDir();
  try {
    Deno.mkdirSync(`${target}/rootfs`);
    Deno.symlinkSync(outside, `${target}/rootfs/d`);
    const bytes = image(entry({ path: "rootfs/d/f" }, "x"), entry({ path: "rootfs/g" }, "x"));
    await extractAci(bytesSource("t", bytes), target, { privileged });
    assert.deepEqual([...Deno.readDirSync(outside)], []);
    assert.equal(Deno.readTextFileSync(`${target}/rootfs/g`), "x");
  } finally {
    await Deno.remove(outside, { recursive: true });
    await Deno.remove(target, { recursive: true });
  }
});

Deno.test("extractAci() names the entry that fails", async () => {
  const long = "n".repeat(300);
  const cases: [RegExp, Uint8Array][] = [
    [
      /^test\.aci: entry "rootfs\/n+…" at byte 1536: create the file: ENAMETOOLONG/,
      entry({ path: `rootfs/${long}` }),
    ],
    [
      /entry "rootfs\/l" at byte 1536 is a hardlink to "rootfs\/no", which is missing or a directory/,
      hardlink("rootfs/l", "rootfs/no"),
    ],
  ];
  for (const [message, bytes] of cases) {
    await assert.rejects(extracted(image(bytes), () => {}), { name: /Failure/, message });
  }
});

Deno.test("extractAci() reports a link whose target an image below may have", async () => {
  const target = await Deno.makeTempDir();
  try {
    const bytes = image(hardlink("rootfs/l", "rootfs/none"), entry({ path: "rootfs/f" }));
    const options = { privileged, danglingLinks: "report" } as const;
    const { danglingLink } = await extractAci(bytesSource("t", bytes), target, options);
    assert.match(danglingLink ?? "", /^t: entry "rootfs\/l" .* hardlink to "rootfs\/none"/);
    assert.deepEqual([...Deno.readDirSync(`${target}/rootfs`)].map((each) => each.name), ["f"]);
  } finally {
    await Deno.remove(target, { recursive: true });
  }
});

Deno.test("extractAci() leaves no descriptor open", async () => {
  const open = () => [...Deno.readDirSync("/proc/self/fd")].length;
  await extracted(image(entry({ path: "rootfs/f" })), () => {});
  const before = open();
  const directories = Array.from({ length: 400 }, (_, i) => entry({ path: `rootfs/d${i}/f` }, "x"));
  await extracted(image(...directories), () => {});
  await assert.rejects(extracted(image(...directories, symlink("manifest", "x")), () => {}));
  assert.equal(open(), before);
});
