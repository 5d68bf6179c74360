/** The files of a release as they stand in a system: what archive and packages have in common. */
import { run } from "./run.ts";
import type { Release, Target } from "./target.ts";

/** The shells, and where each looks for completions. */
const COMPLETIONS = {
  bash: "usr/share/bash-completion/completions/rkt",
  zsh: "usr/share/zsh/vendor-completions/_rkt",
  fish: "usr/share/fish/vendor_completions.d/rkt.fish",
} as const;

/** A directory that is removed. */
export interface Staged extends Disposable {
  readonly path: string;
}

/**
 * Puts the files into a directory.
 *
 * @param binary the target's
 */
export async function stage({ root, date }: Release, _: Target, binary: string): Promise<Staged> {
  const path = await Deno.makeTempDir({ prefix: "rkt-release-" });
  const copy = async (from: string, to: string, mode: number) => {
    await Deno.mkdir(`${path}/${to.slice(0, to.lastIndexOf("/"))}`, { recursive: true });
    await Deno.copyFile(from, `${path}/${to}`);
    await Deno.chmod(`${path}/${to}`, mode);
  };
  await copy(binary, "usr/bin/rkt", 0o755);
  for (const { name } of Deno.readDirSync(`${root}packaging/units`)) {
    await copy(`${root}packaging/units/${name}`, `usr/lib/systemd/system/${name}`, 0o644);
  }
  // Beside the others, where it counts for nobody: an administrator who wants it links or copies it.
  await copy(`${root}packaging/transport.d/magnet`, "usr/lib/rkt/transports/magnet", 0o755);
  await copy(`${root}packaging/rkt.catalog`, "usr/lib/systemd/catalog/rkt.catalog", 0o644);
  await copy(`${root}packaging/apparmor/rkt-app`, "etc/apparmor.d/rkt-app", 0o644);
  await copy(`${root}packaging/apparmor/rkt`, "usr/share/rkt/apparmor/rkt", 0o644);
  await copy(`${root}LICENSE`, "usr/share/doc/rkt/copyright", 0o644);
  for (const name of ["README.md", "CHANGELOG.md", "SECURITY.md"]) {
    await copy(`${root}${name}`, `usr/share/doc/rkt/${name}`, 0o644);
  }
  await fromProgram(root, path);
  await run(["find", path, "-exec", "touch", "--no-dereference", `--date=@${date}`, "{}", "+"]);
  return { path, [Symbol.dispose]: () => Deno.removeSync(path, { recursive: true }) };
}

/** Manual pages and completions, which the program itself writes; of the sources, so that it need not be of this machine. */
async function fromProgram(root: string, path: string): Promise<void> {
  const rkt = [Deno.execPath(), "run", "-A", "--frozen", `${root}main.ts`];
  const manual = `${path}/usr/share/man/man1`;
  await Deno.mkdir(manual, { recursive: true });
  await run([...rkt, "help", `--man=${manual}`]);
  const pages = [...Deno.readDirSync(manual)].map(({ name }) => name).sort();
  await run(["gzip", "--best", "--no-name", ...pages], { cwd: manual });
  for (const [shell, file] of Object.entries(COMPLETIONS)) {
    const to = `${path}/${file}`;
    await Deno.mkdir(to.slice(0, to.lastIndexOf("/")), { recursive: true });
    await Deno.writeTextFile(to, await run([...rkt, "completion", shell]));
  }
}
