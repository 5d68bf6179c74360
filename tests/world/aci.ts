/** Images for tests, made with the system's tar: other people's archives, not ours. */
import assert from "node:assert/strict";

/** What is to be in an image. */
export interface TestImage {
  readonly name: string;
  readonly version?: string;
  /** Contents by path below the root; a path that ends with `/` is a directory. */
  readonly files?: Readonly<Record<string, string>>;
  /** Whether it has a shell: the host's static busybox as /bin/busybox, and /bin/sh. */
  readonly shell?: boolean;
  /** Further fields of the manifest. */
  readonly manifest?: Readonly<Record<string, unknown>>;
  /** tar's flag for the compression: `z` by default. */
  readonly compression?: "z" | "";
}

/** Writes an image and returns its path: `DIR/LAST-PART-OF-NAME-VERSION.aci`. */
export function testImage(dir: string, image: TestImage): string {
  const { name, version = "1.0", files = {}, manifest, compression = "z" } = image;
  const source = Deno.makeTempDirSync({ dir });
  Deno.chmodSync(source, 0o755);
  Deno.mkdirSync(`${source}/rootfs`);
  for (const [path, text] of Object.entries(files)) {
    const full = `${source}/rootfs/${path}`;
    Deno.mkdirSync(full.slice(0, full.lastIndexOf("/")), { recursive: true });
    if (!path.endsWith("/")) Deno.writeTextFileSync(full, text);
  }
  if (image.shell) addShell(`${source}/rootfs`);
  const labels = [["version", version], ["os", "linux"], ["arch", ARCH]]
    .map(([name, value]) => ({ name, value }));
  const text = { acKind: "ImageManifest", acVersion: "0.8.11", name, labels, ...manifest };
  Deno.writeTextFileSync(`${source}/manifest`, JSON.stringify(text));
  const path = `${dir}/${name.replace(/^.*\//, "")}-${version}.aci`;
  // The same files make the same bytes, in whatever second.
  const times = ["--sort=name", "--mtime=@0"];
  const args = [`-c${compression}f`, path, ...times, "-C", source, "manifest", "rootfs"];
  const { success, stderr } = new Deno.Command("tar", { args }).outputSync();
  assert.ok(success, new TextDecoder().decode(stderr));
  Deno.removeSync(source, { recursive: true });
  return path;
}

function addShell(root: string): void {
  Deno.mkdirSync(`${root}/bin`, { recursive: true });
  const { stdout } = new Deno.Command("sh", { args: ["-c", "command -v busybox"] }).outputSync();
  Deno.copyFileSync(new TextDecoder().decode(stdout).trim(), `${root}/bin/busybox`);
  for (const name of ["sh", "sleep"]) Deno.symlinkSync("busybox", `${root}/bin/${name}`);
}

const ARCH = Deno.build.arch === "aarch64" ? "aarch64" : "amd64";
