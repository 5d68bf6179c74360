/** The Debian that is here: its release, and where its packages come from. */
import { Failure } from "../../src/failure.ts";

/** Runs a program to its end. Returns what it prints. */
export async function run(command: string, ...args: string[]): Promise<string> {
  const process = new Deno.Command(command, { args, stdin: "null" });
  const { success, stdout, stderr } = await process.output();
  const decoder = new TextDecoder();
  if (!success) throw new Failure(`vm: ${command} failed: ${decoder.decode(stderr).trim()}`);
  return decoder.decode(stdout);
}

/** Lines of sources.list(5) with the sources of Debian that apt has here. */
export async function debianSources(): Promise<string> {
  const format = "$(ORIGIN)|$(RELEASE)|$(REPO_URI)|$(COMPONENT)";
  const list = () =>
    run("apt-get", "indextargets", "--format", format, "Created-By: Packages")
      .then((text) => text.split("\n").filter((line) => line.startsWith("Debian|")));
  let lines = await list();
  if (lines.length === 0) {
    await run("apt-get", "update", "-q");
    lines = await list();
  }
  if (lines.length === 0) throw new Failure("vm: apt has no source of Debian here");
  return lines.map((line) => {
    const [, release, uri, component] = line.split("|");
    return `deb ${uri} ${release} ${component}\n`;
  }).join("");
}

/** The release's name, like `bookworm`. */
export async function ownRelease(): Promise<string> {
  const release = await Deno.readTextFile("/etc/os-release");
  const name = /^VERSION_CODENAME=(\w+)$/m.exec(release)?.[1];
  if (name === undefined) {
    throw new Failure("vm: /etc/os-release does not say which Debian this is");
  }
  return name;
}
