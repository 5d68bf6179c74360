import assert from "node:assert/strict";
import { Failure } from "../failure.ts";
import { MANIFEST_TEXT } from "./testing/archive_fixture.ts";
import { buildAci } from "./build.ts";
import { extractAci } from "./extract.ts";
import { fileSource } from "./bytes/source.ts";

const privileged = Deno.uid() === 0;

/** A temporary directory with a root file system of everything, made by a shell. */
class Tree implements Disposable {
  readonly path: string = Deno.makeTempDirSync();
  readonly rootfs: string = `${this.path}/rootfs`;

  constructor() {
    sh(
      `umask 022; mkdir -p rootfs/b rootfs/a/deep rootfs/empty; cd rootfs
      echo one > b/file; ln b/file a/zlink; ln b/file a/alink; ln -s ../nowhere a/sym; ln a/sym a/sym2
      printf x > "$(printf 'a/\\377\\n')"; chmod 4755 b/file; chmod 1777 empty; mkfifo -m 622 a/fifo
      name=$(printf 'n%.0s' $(seq 120)); echo long > a/deep/$name; ln -s $name$name a/deep/longlink
      mkdir -p $name/$name; echo deep > $name/$name/f
      dd if=/dev/zero of=big bs=1000 count=700 status=none
      [ $(id -u) != 0 ] || { mknod a/null c 1 3; chown 70000:3000000 b; }
      find . -depth -exec touch -h -d @1234567890.987 {} +`,
      this.path,
    );
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.path, { recursive: true });
  }
}

function sh(script: string, cwd: string): string {
  const { success, stdout, stderr } = new Deno.Command("sh", { args: ["-ec", script], cwd })
    .outputSync();
  assert(success, new TextDecoder().decode(stderr));
  return new TextDecoder("latin1").decode(stdout);
}

/** Everything about a tree, times in whole seconds. */
const state = (path: string) =>
  sh(
    String
      .raw`find . -printf '%P\t%y %m %U %G %Ts %l\t' \( -type d -printf '\0' -o -printf '%n %s\0' \) | sort -z`,
    path,
  );

const build = (tree: Tree, name: string, compression: "gzip" | "none" = "gzip") =>
  buildAci({
    rootfs: tree.rootfs,
    manifest: MANIFEST_TEXT,
    out: `${tree.path}/${name}`,
    compression,
  });

Deno.test("buildAci() makes an image that extracts to the same tree", async () => {
  using tree = new Tree();
  const id = await build(tree, "image.aci");
  const target = `${tree.path}/target`;
  Deno.mkdirSync(target);
  const source = fileSource(`${tree.path}/image.aci`);
  const { imageId, manifestText } = await extractAci(source, target, { privileged });
  assert.deepEqual([imageId, manifestText], [id, MANIFEST_TEXT]);
  assert.equal(state(`${target}/rootfs`), state(tree.rootfs));
});

Deno.test("buildAci() makes an image that GNU tar extracts to the same tree", async () => {
  using tree = new Tree();
  await build(tree, "image.aci", "none");
  sh("mkdir target; tar -xp --numeric-owner -f image.aci -C target", tree.path);
  assert.equal(state(`${tree.path}/target/rootfs`), state(tree.rootfs));
});

Deno.test("buildAci() gives the same bytes for the same tree, wherever it is", async () => {
  using tree = new Tree();
  const id = await build(tree, "one.aci");
  sh("cp -a rootfs copy; rm -r rootfs; mv copy rootfs", tree.path);
  assert.equal(await build(tree, "two.aci"), id);
  const [one, two] = ["one", "two"].map((name) => Deno.readFileSync(`${tree.path}/${name}.aci`));
  assert.deepEqual(one, two);
  assert.equal(await build(tree, "three.aci", "none"), id);
  Deno.writeTextFileSync(`${tree.rootfs}/b/file`, "two");
  assert.notEqual(await build(tree, "four.aci"), id);
});

Deno.test("buildAci() leaves sockets out", async () => {
  using tree = new Tree();
  const id = await build(tree, "one.aci");
  using _socket = Deno.listen({ transport: "unix", path: `${tree.rootfs}/a/socket` });
  sh("touch -d @1234567890 rootfs/a", tree.path);
  assert.equal(await build(tree, "two.aci"), id);
});

Deno.test("buildAci() reads what GNU tar writes, in all of its formats, into the same tree", async () => {
  using tree = new Tree();
  Deno.writeTextFileSync(`${tree.path}/manifest`, MANIFEST_TEXT);
  sh(
    "truncate -s 3M rootfs/holes; printf x | dd of=rootfs/holes seek=1000000 bs=1 conv=notrunc status=none",
    tree.path,
  );
  const expected = state(tree.rootfs);
  const sparse = ["0.0", "0.1", "1.0"].map((version) =>
    `-S --format=posix --sparse-version=${version}`
  );
  for (const flags of ["--format=gnu", "--format=posix", "-S --format=gnu", ...sparse]) {
    sh(`tar -c ${flags} -f gnu.tar manifest rootfs; rm -rf target; mkdir target`, tree.path);
    await extractAci(fileSource(`${tree.path}/gnu.tar`), `${tree.path}/target`, { privileged });
    assert.equal(state(`${tree.path}/target/rootfs`), expected, flags);
    assert.equal(sh("cmp rootfs/holes target/rootfs/holes", tree.path), "", flags);
  }
});

Deno.test("buildAci() refuses, and leaves nothing behind", async () => {
  using tree = new Tree();
  const out = `${tree.path}/out.aci`;
  const options = { rootfs: tree.rootfs, manifest: MANIFEST_TEXT, out };
  const cases: [RegExp, Parameters<typeof buildAci>[0]][] = [
    [/rootfs2: no such directory/, { ...options, rootfs: `${tree.path}/rootfs2` }],
    [/file: is not a directory/, { ...options, rootfs: `${tree.rootfs}/b/file` }],
    [/no such directory/, { ...options, out: `${tree.path}/none/out.aci` }],
    [/would lie inside/, { ...options, out: `${tree.rootfs}/b/out.aci` }],
    [/would lie inside/, { ...options, out: `${tree.rootfs}/out.aci` }],
    [/manifest is too large/, { ...options, manifest: " ".repeat(5 << 20) }],
  ];
  for (const [message, wrong] of cases) {
    await assert.rejects(buildAci(wrong), (error: unknown) => {
      assert(error instanceof Failure, String(error));
      assert.match(error.message, message);
      return true;
    });
  }
  await buildAci(options);
  await assert.rejects(buildAci(options), /out\.aci: exists; --overwrite replaces it/);
  await buildAci({ ...options, overwrite: true });
  assert.equal(sh("ls -A", tree.path), "out.aci\nrootfs\n");
});
