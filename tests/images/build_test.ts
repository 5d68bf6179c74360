/** `rkt image build`: from directories, archives, packages and programs. */
import assert from "node:assert/strict";
import { BOX, World } from "../world/pod_world.ts";
import { type Outcome, RKT, rkt } from "../world/rkt.ts";

let world: World;
Deno.test.beforeAll(async () => {
  world = await World.make();
});
Deno.test.afterAll(() => world[Symbol.asyncDispose]());

const NAME = "--name=example.com/made";

/** Builds an image, and returns its ID. */
async function built(file: string, ...words: string[]): Promise<string> {
  const { code, stdout, stderr } = await rkt(
    ...["image", "build", "--overwrite", NAME, ...words.slice(0, -1)],
    ...[...words.slice(-1), `${world.dir}/${file}`].filter((word) => word !== ""),
  );
  assert.equal(code, 0, stderr);
  return stdout.trim();
}

/** The same, of what takes no SOURCE. */
const builtOf = (file: string, ...words: string[]) => built(file, ...words, "");

/** The entries of an image, as tar lists them. */
function listing(file: string): string[] {
  const { stdout, success } = new Deno.Command("tar", {
    args: ["-tvf", `${world.dir}/${file}`, "--full-time", "--numeric-owner"],
    env: { TZ: "UTC" },
  }).outputSync();
  assert.ok(success);
  return new TextDecoder().decode(stdout).trim().split("\n");
}

function sh(script: string, ...args: string[]): void {
  const { success, stderr } = new Deno.Command("sh", { args: ["-ec", script, ...args] })
    .outputSync();
  assert.ok(success, new TextDecoder().decode(stderr));
}

/** Runs a program in an image of a file. */
async function run(file: string, ...words: string[]): Promise<Outcome> {
  return await world.rkt("run", "--net=none", `${world.dir}/${file}`, ...words);
}

Deno.test("a directory with more files, and without, has all of them, and the same ID each time", async () => {
  const dir = `${world.dir}/more`;
  sh(
    'mkdir -p "$0/sub"; echo one >"$0/sub/one"; ln -s one "$0/sub/link"; chmod 640 "$0/sub/one"; touch -d @1000 "$0/sub"',
    dir,
  );
  const words = [`--copy=${dir}/sub/one:/etc/new/one`, `--copy=${dir}/sub:/opt/sub`, world.root];
  const id = await built("more.aci", ...words);
  const found = listing("more.aci");
  for (
    const line of [
      /^-rw-r----- 0\/0 +4 .* rootfs\/etc\/new\/one$/,
      /^drwxr-xr-x 0\/0 +0 1970-01-01 00:00:00 rootfs\/etc\/new$/,
      /^drwxr-xr-x 0\/0 +0 1970-01-01 00:16:40 rootfs\/opt\/sub$/,
      /rootfs\/opt\/sub\/link -> one$/,
      /^-rw-r--r-- 1234\/2345 +0 .* rootfs\/srv\/owned$/,
    ]
  ) assert.ok(found.some((each) => line.test(each)), `${line}\n${found.join("\n")}`);
  assert.equal(await built("more.aci", ...words), id);
  // Without more files, staged or not, it is the same image.
  sh('tar -C "$0" -cf "$1" .', world.root, `${world.dir}/root.tar`);
  assert.equal(await built("a.aci", world.root), await built("b.aci", `${world.dir}/root.tar`));
});

Deno.test("--owner says whose all files are, of whatever the image is made", async () => {
  const owners = (file: string) =>
    new Set(
      listing(file).filter((line) => !line.endsWith(" manifest"))
        .map((line) => line.split(/ +/)[1]),
    );
  sh('tar -C "$0" -cf "$1" .', world.root, `${world.dir}/root.tar`);
  for (const [flag, all] of [["7:8", "7/8"], ["9", "9/9"], ["0", "0/0"]] as const) {
    const id = await built("owned.aci", `--owner=${flag}`, world.root);
    assert.deepEqual([...owners("owned.aci")], [all]);
    assert.equal(await built("owned.aci", `--owner=${flag}`, `${world.dir}/root.tar`), id);
  }
  for (const bad of ["root", "1:", "-1", "4294967295", "1:2:3"]) {
    const out = `${world.dir}/no.aci`;
    const { code, stderr } = await rkt("image", "build", NAME, `--owner=${bad}`, world.root, out);
    assert.equal(code, 254);
    assert.match(stderr, /^build: --owner: ".*" is not of the form UID or UID:GID\n$/);
  }
});

Deno.test("an archive of tar, on standard input too, compressed too", async () => {
  sh('tar -C "$0" -cf "$1" .', world.root, `${world.dir}/root.tar`);
  sh('gzip -nkf "$0"', `${world.dir}/root.tar`);
  const id = await built("tar.aci", `${world.dir}/root.tar`);
  assert.equal(await built("tar.aci", `${world.dir}/root.tar.gz`), id);
  sh(
    '"$0" image build --overwrite "$1" - "$2" <"$3" >"$4"',
    RKT,
    NAME,
    `${world.dir}/stdin.aci`,
    `${world.dir}/root.tar.gz`,
    `${world.dir}/id`,
  );
  assert.equal(Deno.readTextFileSync(`${world.dir}/id`).trim(), id);
  const { stdout } = await run("tar.aci", "--exec=/bin/sh", "--", "-c", "stat -c %u:%g /srv/owned");
  assert.equal(stdout, "1234:2345\n");
});

Deno.test("SOURCE_DATE_EPOCH bounds every time", async () => {
  const word =
    `touch -d @2000000000 "$0/late"; SOURCE_DATE_EPOCH=1500000000 "$1" image build --overwrite "$2" "$0" "$3"`;
  const dir = `${world.dir}/late`;
  Deno.mkdirSync(dir);
  sh(word, dir, RKT, NAME, `${world.dir}/late.aci`);
  const found = listing("late.aci").filter((line) => line.includes("rootfs"));
  assert.equal(found.length, 2);
  assert.ok(found.every((line) => line.includes("2017-07-14 02:40:00")), found.join("\n"));
  const { code, stderr } = await new Deno.Command(RKT, {
    args: ["image", "build", NAME, dir, `${world.dir}/never.aci`],
    env: { SOURCE_DATE_EPOCH: "yesterday" },
  }).output();
  assert.equal(code, 254);
  assert.match(
    new TextDecoder().decode(stderr),
    /^build: SOURCE_DATE_EPOCH=yesterday: not a number/,
  );
});

Deno.test("a dynamic program brings what it needs, and runs; a static one is alone", async () => {
  sh(
    `printf '%s\\n' '#include <stdio.h>' '#include <pwd.h>' '#include <math.h>' 'int main(int n, char **v)
    { struct passwd *p = getpwuid(0); printf("%s %.0f %s\\n", p ? p->pw_name : "?", cbrt(n * 27.0), v[n - 1]); return 0; }' >"$0.c"
    gcc -o "$0" "$0.c" -lm; gcc -static -o "$0-static" "$0.c" -lm 2>/dev/null`,
    `${world.dir}/tool`,
  );
  const said = await rkt(
    "image",
    "build",
    "--overwrite",
    NAME,
    `--from-binary=${world.dir}/tool`,
    `${world.dir}/tool.aci`,
  );
  assert.equal(said.code, 0, said.stderr);
  assert.match(said.stderr, /^build: with \/lib.*\/ld-linux.*$/m);
  assert.match(said.stderr, /^build: with \/.*libm\.so\.6$/m);
  assert.match(said.stderr, /^build: with \/etc\/passwd, made$/m);
  const { code, stdout, stderr } = await run("tool.aci", "--", "words");
  assert.deepEqual([code, stdout], [0, "root 4 words\n"], stderr);
  await builtOf("static.aci", `--from-binary=${world.dir}/tool-static`);
  assert.ok(!listing("static.aci").some((line) => /ld-linux|\.so/.test(line)));
  assert.equal((await run("static.aci")).stdout.split(" ")[1], "3");
});

Deno.test("Debian packages are extracted, and none of their scripts is run", async () => {
  const dir = `${world.dir}/debs`;
  sh(
    `mkdir -p "$0/base/DEBIAN" "$0/base/usr/bin" "$0/tool/DEBIAN" "$0/tool/bin" "$0/out"
    ln -s usr/bin "$0/base/bin"
    printf 'Package: base-files\\nVersion: 1\\nArchitecture: all\\nMaintainer: a\\nDescription: b\\n' >"$0/base/DEBIAN/control"
    printf 'Package: atool\\nVersion: 1\\nArchitecture: all\\nMaintainer: a\\nDescription: b\\n' >"$0/tool/DEBIAN/control"
    printf '#!/bin/sh\\ntouch /ran\\n' >"$0/tool/DEBIAN/postinst"; chmod 755 "$0/tool/DEBIAN/postinst"
    cp "$(command -v busybox)" "$0/tool/bin/sh"
    for c in xz gzip; do rm -f "$0"/out/*; dpkg-deb -Z$c --root-owner-group -b "$0/base" "$0/out" >/dev/null
      dpkg-deb -Z$c --root-owner-group -b "$0/tool" "$0/out" >/dev/null; done`,
    dir,
  );
  await builtOf("debs.aci", `--from-debs=${dir}/out`, "--exec=/bin/sh");
  const found = listing("debs.aci");
  assert.ok(found.some((line) => /rootfs\/bin -> usr\/bin$/.test(line)), found.join("\n"));
  assert.ok(found.some((line) => /rootfs\/usr\/bin\/sh$/.test(line)), found.join("\n"));
  assert.equal((await run("debs.aci", "--", "-c", "echo in; test ! -e /ran")).stdout, "in\n");
});

Deno.test("dependencies and handlers are in the manifest, and count", async () => {
  const layer = `${world.dir}/layer`;
  sh('mkdir -p "$0"; echo upper >"$0/upper"', layer);
  await built(
    "upper.aci",
    `--dependency=${BOX}`,
    "--exec=/bin/sh",
    "--pre-start=/bin/sh",
    "--pre-start=-c",
    "--pre-start=echo before >/srv/file",
    layer,
  );
  const { code, stdout, stderr } = await run("upper.aci", "--", "-c", "cat /srv/file /upper");
  assert.deepEqual([code, stdout], [0, "before\nupper\n"], stderr);
});

Deno.test("what can't be made is refused in one line, with nothing left", async () => {
  Deno.writeTextFileSync(`${world.dir}/script`, "#!/bin/sh\n");
  sh('mkdir -p "$0"; printf "!<arch>\\nnonsense" >"$0/a.deb"', `${world.dir}/bad`);
  sh('mkdir -p "$0"', `${world.dir}/none`);
  sh(
    'cd "$0"; printf x >x; tar -cPf up.tar ../x 2>/dev/null || { mkdir d; cd d; tar -cPf ../up.tar ../x; }',
    world.dir,
  );
  const cases: readonly (readonly [readonly string[], RegExp])[] = [
    [["/no/such"], /^build: \/no\/such: no such file or directory\n$/],
    [[`--copy=x`, world.root], /is not SOURCE:\/PATH\/IN\/THE\/IMAGE\n$/],
    [[`--copy=/etc/passwd:/a/../../b`, world.root], /not an absolute path in the image\n$/],
    [[`--copy=/no/such:/b`, world.root], /no such file\n$/],
    [
      [`--copy=/etc/passwd:/etc/passwd/x`, world.root],
      /a parent of it is no directory|not a directory/i,
    ],
    [[`--from-binary=${world.dir}/script`], /is no program \(ELF of 64 bits\)/],
    [[`--from-binary=/no/such`], /^build: \/no\/such: no such file\n$/],
    [[`--from-debs=${world.dir}/bad`], /is no Debian package/],
    [[`--from-debs=${world.dir}/none`], /has no package \(\*\.deb\)/],
    [[`${world.dir}/script`], /script: /],
    [[`${world.dir}/up.tar`], /may not have "\.\." in it/],
    [["--dependency=Wrong Name", world.root], /^build: --dependency: /],
    [["--dependency=a.b/c,imageID=sha512-1", world.root], /^build: --dependency: /],
  ];
  for (const [words, why] of cases) {
    const { code, stdout, stderr } = await rkt(
      "image",
      "build",
      NAME,
      ...words,
      `${world.dir}/refused.aci`,
    );
    assert.deepEqual([code, stdout], [254, ""], `${words}: ${stderr}`);
    assert.match(stderr, why, `${words}`);
    assert.equal(stderr.trim().split("\n").length, 1, stderr);
  }
  const left = [...Deno.readDirSync(world.dir)].map(({ name }) => name);
  assert.deepEqual(left.filter((name) => /refused|rkt-build/.test(name)), []);
});
