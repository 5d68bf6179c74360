import assert from "node:assert/strict";
import { deleteTree } from "./delete_tree.ts";
import { syscall } from "./syscall.ts";

function sh(script: string): void {
  const { success, stderr } = new Deno.Command("sh", { args: ["-ec", script] }).outputSync();
  assert.ok(success, new TextDecoder().decode(stderr));
}

function inTemp(test: (dir: string) => void): () => void {
  return () => {
    const dir = Deno.makeTempDirSync({ prefix: "rkt-delete-" });
    try {
      test(dir);
    } finally {
      sh(`umount -l ${dir}/t/m/busy 2>/dev/null || true; rm -rf ${dir}`);
    }
  };
}

function exists(path: string): boolean {
  return Deno.statSync(path.slice(0, path.lastIndexOf("/"))).isDirectory &&
    [...Deno.readDirSync(path.slice(0, path.lastIndexOf("/")))]
      .some((e) => e.name === path.slice(path.lastIndexOf("/") + 1));
}

/** Does something while this process may have so many descriptors, and no more. */
function withDescriptors<T>(most: number, act: () => T): T {
  const limits = new BigUint64Array(2);
  const bytes = new Uint8Array(limits.buffer);
  const RLIMIT_NOFILE = 7; // include/uapi/asm-generic/resource.h
  syscall("read the limit of files", "prlimit64", 0, RLIMIT_NOFILE, 0, bytes);
  const [soft = 0n] = limits;
  const set = (value: bigint) => {
    limits[0] = value;
    syscall("limit the files", "prlimit64", 0, RLIMIT_NOFILE, bytes, 0);
  };
  set(BigInt(most));
  try {
    return act();
  } finally {
    set(soft);
  }
}

Deno.test(
  "deleteTree() deletes what shells find hard",
  inTemp((dir) => {
    sh(`mkdir -p ${dir}/t/a/b ${dir}/keep; echo 1 > ${dir}/keep/f
      ln -s ../../keep ${dir}/t/a/link; ln -s /nowhere ${dir}/t/dangling; mkfifo ${dir}/t/fifo
      printf x > "$(printf '${dir}/t/a/\\377\\n')"; mkdir "$(printf '${dir}/t/\\376dir')"
      mkdir -m 0 ${dir}/t/closed; touch ${dir}/t/' ' ${dir}/t/-rf ${dir}/t/...`);
    const deletion = deleteTree(`${dir}/t`);
    assert.equal(deletion.left, undefined);
    assert.ok(!exists(`${dir}/t`));
    assert.equal(Deno.readTextFileSync(`${dir}/keep/f`), "1\n");
  }),
);

Deno.test(
  "deleteTree() deletes a thousand levels without a thousand descriptors",
  inTemp((dir) => {
    sh(`mkdir -p ${dir}/t/${"d/".repeat(1000)}; touch ${dir}/t/${"d/".repeat(500)}f`);
    const before = [...Deno.readDirSync("/proc/self/fd")].length;
    const { left } = withDescriptors(before + 100, () => deleteTree(`${dir}/t`));
    assert.equal(left, undefined);
    assert.ok(!exists(`${dir}/t`));
    assert.equal([...Deno.readDirSync("/proc/self/fd")].length, before);
  }),
);

Deno.test(
  "deleteTree() deletes a directory of many entries and counts the bytes",
  inTemp((dir) => {
    Deno.mkdirSync(`${dir}/t/many`, { recursive: true });
    for (let i = 0; i < 3000; i++) Deno.writeTextFileSync(`${dir}/t/many/file-${i}`, "");
    Deno.writeFileSync(`${dir}/t/big`, new Uint8Array(1 << 20));
    Deno.linkSync(`${dir}/t/big`, `${dir}/shared`);
    Deno.writeFileSync(`${dir}/t/own`, new Uint8Array(1 << 20));
    const { freed, left } = deleteTree(`${dir}/t`);
    assert.equal(left, undefined);
    assert.ok(freed >= 1 << 20 && freed < 2 << 20, `freed ${freed}`);
  }),
);

Deno.test(
  "deleteTree() unmounts what is left and never empties it",
  inTemp((dir) => {
    Deno.mkdirSync(`${dir}/t/m/target`, { recursive: true });
    Deno.mkdirSync(`${dir}/host`);
    Deno.writeTextFileSync(`${dir}/host/f`, "kept");
    Deno.writeTextFileSync(`${dir}/t/file`, "");
    const bind = (from: string, to: string) => sh(`mount --bind ${from} ${to}`);
    bind(`${dir}/host`, `${dir}/t/m/target`);
    bind(`${dir}/host`, `${dir}/t/m/target`);
    bind(`${dir}/host/f`, `${dir}/t/file`);
    assert.match(deleteTree(`${dir}/t`).left ?? "", /EBUSY/);
    assert.deepEqual(deleteTree(`${dir}/t`, "unmount").left, undefined);
    assert.equal(Deno.readTextFileSync(`${dir}/host/f`), "kept");
    assert.ok(!exists(`${dir}/t`));
  }),
);

Deno.test(
  "deleteTree() leaves a busy mount and deletes the rest",
  inTemp((dir) => {
    Deno.mkdirSync(`${dir}/t/m/busy`, { recursive: true });
    Deno.mkdirSync(`${dir}/host`);
    Deno.writeTextFileSync(`${dir}/host/f`, "kept");
    Deno.writeTextFileSync(`${dir}/t/other`, "x");
    sh(`mount --bind ${dir}/host ${dir}/t/m/busy`);
    const file = Deno.openSync(`${dir}/t/m/busy/f`);
    const { left } = deleteTree(`${dir}/t`, "unmount");
    assert.match(left ?? "", /^m\/busy: EBUSY/);
    assert.ok(!exists(`${dir}/t/other`));
    assert.equal(Deno.readTextFileSync(`${dir}/host/f`), "kept");
    file.close();
    assert.equal(deleteTree(`${dir}/t`, "unmount").left, undefined);
  }),
);

Deno.test(
  "deleteTree() refuses a symbolic link and accepts what is not there",
  inTemp((dir) => {
    Deno.mkdirSync(`${dir}/real`);
    Deno.symlinkSync("real", `${dir}/link`);
    assert.throws(() => deleteTree(`${dir}/link`), /open .*link: E/);
    assert.deepEqual(deleteTree(`${dir}/none`), { freed: 0, left: undefined });
    assert.ok(exists(`${dir}/real`));
  }),
);
