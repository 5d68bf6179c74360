/** What a packed program must bear (docs/build/building.md), shown with a small one that reports how it was
 * started, since rkt itself must not. */
import { deepStrictEqual, match, notStrictEqual, ok, strictEqual } from "node:assert/strict";
import { makeBinary } from "../../scripts/binary.ts";
import { type Bundle, bundle } from "../../scripts/bundle.ts";
import { aarch64Deno } from "../../scripts/foreign_deno.ts";
import { MODULE_BASE, pack } from "../../scripts/pack/pack.ts";
import type { Report } from "../../testdata/pack_probe/main.ts";

let dir = "";
let probe = "";
let program: Bundle;

Deno.test.beforeAll(async () => {
  dir = await Deno.makeTempDir({ prefix: "rkt-pack-test-" });
  probe = `${dir}/probe`;
  program = await bundle(new URL("../../testdata/pack_probe/main.ts", import.meta.url).pathname);
  await makeBinary(program, probe, () => {}, "packed");
});

Deno.test.afterAll(async () => {
  await Deno.remove(dir, { recursive: true });
});

interface Run extends Omit<Deno.CommandOptions, "args"> {
  readonly binary?: string;
}

async function run(command: string, args: readonly string[], options: Run = {}) {
  const { code, stdout, stderr } = await new Deno.Command(command, {
    ...options,
    args: [...args],
  }).output();
  const decoder = new TextDecoder();
  return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
}

async function report(args: readonly string[], options: Run = {}): Promise<Report> {
  const { code, stdout, stderr } = await run(options.binary ?? probe, args, options);
  strictEqual(stderr, "");
  strictEqual(code, 0);
  return JSON.parse(stdout);
}

const ARGUMENTS: readonly (readonly string[])[] = [
  [],
  ["--version"],
  ["--help"],
  ["-A"],
  ["-h", "-V"],
  ["--"],
  ["--", "--", "x"],
  ["", "", ""],
  ["äöü", "日本", "\u{1f680}"],
  ["a\nb", "\t", " ", "'\"\\$`"],
  ["--eszip-internal-do-not-use", "file:///app/main.js#/proc/self/fd/3"],
  ["run", "eval", "-"],
  ["--inspect", "--v8-flags=--help", "--allow-none", "--config=/nowhere"],
  ["\x01", "-"],
  Array.from({ length: 5000 }, (_, index) => `argument ${index}`),
];

for (const args of ARGUMENTS) {
  Deno.test(`a packed program gets the arguments ${JSON.stringify(args).slice(0, 60)}`, async () => {
    deepStrictEqual((await report(args)).args, args);
  });
}

Deno.test("a packed program starts with an empty environment", async () => {
  const { environment, execPath } = await report(["x"], { clearEnv: true });
  deepStrictEqual(environment, []);
  strictEqual(execPath, probe);
});

const HOSTILE_ENVIRONMENT = {
  COMPLETE: "bash",
  DENO_CERT: "/nowhere",
  DENO_DIR: "/nowhere",
  DENO_NO_PROMPT: "0",
  DENO_TLS_CA_STORE: "nonsense",
  DENO_V8_FLAGS: "--no-such-flag",
  FOO: "bar",
  HOME: "/nowhere",
  JSR_URL: "nonsense",
  NODE_EXTRA_CA_CERTS: "/nowhere",
  NODE_OPTIONS: "--no-such-option",
  NPM_CONFIG_REGISTRY: "nonsense",
  npm_config_registry: "nonsense",
  OTEL_DENO: "true",
  SSLKEYLOGFILE: "/nowhere/keys",
};

Deno.test("a packed program ignores Deno's and Node's variables and knows them all the same", async () => {
  const run = { clearEnv: true, env: HOSTILE_ENVIRONMENT };
  const { environment, seenByDeno } = await report([], run);
  const expected = Object.entries(HOSTILE_ENVIRONMENT).map(([name, value]) => `${name}=${value}`);
  deepStrictEqual(environment.toSorted(), expected.toSorted());
  const reaching = Object.entries(HOSTILE_ENVIRONMENT).flatMap(([name, value]) =>
    seenByDeno[name] === value ? [name] : []
  );
  deepStrictEqual(reaching, ["FOO"]);
});

Deno.test("a packed program prints nothing of its own on a terminal", async () => {
  const { code, stdout } = await run("script", ["-qec", `${probe} terminal`, "/dev/null"], {
    stdin: "null",
  });
  strictEqual(code, 0);
  deepStrictEqual(JSON.parse(stdout).args, ["terminal"]);
});

Deno.test("a packed program bears a big environment", async () => {
  const env = Object.fromEntries(
    Array.from({ length: 2000 }, (_, i) => [`VARIABLE_${i}`, "x".repeat(100)]),
  );
  strictEqual((await report([], { clearEnv: true, env })).environment.length, 2000);
});

Deno.test("a packed program leaves closed standard descriptors to no file of its own", async () => {
  const file = `${dir}/closed.json`;
  const { code } = await run("sh", ["-c", 'exec "$0" x <&- >&- 2>&-', probe], {
    env: { PROBE_REPORT: file },
  });
  strictEqual(code, 0);
  const { standard }: Report = JSON.parse(await Deno.readTextFile(file));
  deepStrictEqual(standard, { 0: "/dev/null", 1: "/dev/null", 2: "/dev/null" });
});

Deno.test("a packed program starts on a read-only root without /tmp, /etc and a home", async () => {
  const root = ["--ro-bind", "/usr", "/usr", "--symlink", "usr/lib", "/lib"]
    .concat(["--symlink", "usr/lib64", "/lib64", "--ro-bind", probe, "/probe"])
    .concat(["--proc", "/proc", "--dev", "/dev", "--remount-ro", "/", "--unshare-pid"]);
  const { code, stdout, stderr } = await run("bwrap", [...root, "/probe", "x"], { clearEnv: true });
  strictEqual(stderr, "");
  strictEqual(code, 0);
  deepStrictEqual(JSON.parse(stdout).args, ["x"]);
});

Deno.test("a packed program says in one line that there is no glibc", async () => {
  const root = ["--ro-bind", probe, "/probe", "--proc", "/proc", "--dev", "/dev"];
  const { code, stdout, stderr } = await run("bwrap", [...root, "/probe"], { clearEnv: true });
  strictEqual(stdout, "");
  match(
    stderr,
    /^cannot start: this program needs glibc: \/lib\S*\/ld-linux-\S+ is not there, or can't be read\n$/,
  );
  strictEqual(code, 126);
});

Deno.test("a packed program's loader, libraries and stack lie elsewhere each time", async () => {
  const addresses = async () => {
    const { stdout } = await run(probe, ["maps"]);
    const { maps } = JSON.parse(stdout) as Report;
    const at = (end: RegExp) => maps.find((line) => end.test(line))?.split("-")[0];
    return [at(/ld-linux/), at(/libc\.so/), at(/\[stack\]/)];
  };
  const [first, second] = [await addresses(), await addresses()];
  first.forEach((address, i) => {
    ok(address !== undefined);
    notStrictEqual(address, second[i]);
  });
});

const HOSTILE_FILES: Readonly<Record<string, string>> = {
  ".env": "FOO=hostile\nDENO_V8_FLAGS=--no-such-flag\n",
  ".npmrc": "registry=nonsense\n= broken\n",
  "deno.json": "{ broken",
  "deno.jsonc": "{ broken",
  "deno.lock": "{ broken",
  "import_map.json": "{ broken",
  "node_modules/fs/index.js": "throw 1",
  "package.json": "{ broken",
  "tsconfig.json": "{ broken",
  "features.js": "throw 1",
  "main.js": "throw 1",
};

Deno.test("a packed program takes nothing from the working directory", async () => {
  const cwd = `${dir}/hostile`;
  await Deno.mkdir(`${cwd}/node_modules/fs`, { recursive: true });
  for (const [name, text] of Object.entries(HOSTILE_FILES)) {
    await Deno.writeTextFile(`${cwd}/${name}`, text);
  }
  const before = Array.from(Deno.readDirSync(cwd), (file) => file.name).toSorted();
  const { args, environment } = await report(["x"], { cwd, clearEnv: true, env: { HOME: cwd } });
  deepStrictEqual([args, environment], [["x"], [`HOME=${cwd}`]]);
  deepStrictEqual(Array.from(Deno.readDirSync(cwd), (file) => file.name).toSorted(), before);
});

Deno.test("a packed program can do what rkt does with Deno", async () => {
  const { code, stdout, stderr } = await run(probe, ["features"]);
  strictEqual(stderr, "");
  strictEqual(code, 7);
  deepStrictEqual(JSON.parse(stdout), {
    ffi: true,
    sqlite: 2,
    hash: "a4abd444",
    zlib: "zipped",
    self: ["--version", "x"],
    inheritsModules: false,
    served: "served",
    date: "Donnerstag, 1. Januar 1970",
  });
});

const REWRITES: Readonly<Record<string, (copy: string) => string[]>> = {
  "strip": (copy) => ["strip", "-o", copy, probe],
  "strip --strip-all": (copy) => ["strip", "--strip-all", "-o", copy, probe],
  "objcopy": (copy) => ["objcopy", probe, copy],
  "objcopy --remove-section": (copy) => ["objcopy", "--remove-section=.comment", probe, copy],
};

for (const [name, command] of Object.entries(REWRITES)) {
  Deno.test(`a packed program survives ${name}`, async () => {
    const copy = `${dir}/rewritten`;
    const [tool = "", ...args] = command(copy);
    const { code, stderr } = await run(tool, args);
    deepStrictEqual([code, stderr], [0, ""]);
    deepStrictEqual((await report(["x"], { binary: copy })).args, ["x"]);
    await Deno.remove(copy);
  });
}

Deno.test("a packed program has nothing left for the loader to relocate but symbols", async () => {
  const { code, stdout, stderr } = await run("readelf", ["-lrW", probe]);
  deepStrictEqual([code, stderr], [0, ""]);
  match(stdout, /Elf file type is EXEC/);
  ok(!stdout.includes("R_X86_64_RELATIVE") && !stdout.includes("R_AARCH64_RELATIV"));
});

Deno.test("packing depends on nothing but its input", async () => {
  const again = `${dir}/again`;
  await makeBinary(program, again, () => {}, "packed");
  strictEqual((await run("cmp", [probe, again])).code, 0);
  await Deno.remove(again);
});

Deno.test("a program packed for aarch64 runs there, at a fixed address and at any", async () => {
  const modules = program.map(({ name, source }) => ({ specifier: MODULE_BASE + name, source }));
  const deno = await Deno.readFile(await aarch64Deno());
  for (const base of [undefined, 0x400000]) {
    const binary = `${dir}/probe-aarch64`;
    await Deno.writeFile(binary, pack({ deno, modules, ...base === undefined ? {} : { base } }), {
      mode: 0o755,
    });
    const args = ["--version", "", "é"];
    const env = { DENO_V8_FLAGS: "--no-such-flag", FOO: "bar" };
    const ran = await run(
      "qemu-aarch64-static",
      ["-L", "/usr/aarch64-linux-gnu", binary, ...args],
      {
        clearEnv: true,
        env,
      },
    );
    deepStrictEqual([ran.code, ran.stderr], [0, ""]);
    deepStrictEqual(JSON.parse(ran.stdout).args, args);
  }
});
