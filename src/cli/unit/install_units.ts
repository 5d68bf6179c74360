/** Installs units for systemd. */
import { configurationHome } from "../../rootless/user.ts";
import { Failure } from "../../failure.ts";
import { replaceFile } from "../../linux/atomic_file.ts";
import { originalVariables } from "../../linux/environment.ts";
import { exists } from "../../linux/exists.ts";
import type { UnitFile } from "./unit_file.ts";

/** The administrator's units (systemd.unit(5)). */
const UNIT_DIRECTORY = "/etc/systemd/system";

/**
 * Writes the files and has systemd read them. Nothing is written where one of them is there already.
 *
 * @param overwrite whether files that are there are replaced
 * @param user whether they are for the caller's own systemd, and not for the machine's
 * @returns their paths
 * @throws {Failure} says what is in the way
 */
export async function installUnits(
  files: readonly UnitFile[],
  overwrite: boolean,
  user: boolean,
): Promise<readonly string[]> {
  const directory = user ? userDirectory() : UNIT_DIRECTORY;
  if (!user && Deno.uid() !== 0) throw new Failure("--install needs root; try it with sudo");
  if (user) Deno.mkdirSync(directory, { recursive: true });
  if (!exists(directory)) throw new Failure(`there is no ${directory}: no systemd here`);
  const paths = files.map(({ name }) => `${directory}/${name}`);
  const there = overwrite ? undefined : paths.find(exists);
  if (there !== undefined) throw new Failure(`${there} is there already; --overwrite replaces it`);
  for (const [i, { text }] of files.entries()) {
    replaceFile(paths[i] ?? "", text, { mode: 0o644, exactMode: true });
  }
  await reload(user);
  return paths;
}

/** A user's own units. */
function userDirectory(): string {
  const config = configurationHome();
  if (config !== undefined) return `${config}/systemd/user`;
  throw new Failure("--user: neither HOME nor XDG_CONFIG_HOME says where units of the user are");
}

async function reload(user: boolean): Promise<void> {
  const { NotFound } = Deno.errors;
  try {
    const { success, stderr } = await new Deno.Command("systemctl", {
      args: [...user ? ["--user"] : [], "daemon-reload"],
      clearEnv: true,
      env: originalVariables(),
      stdin: "null",
      stdout: "null",
      stderr: "piped",
    }).output();
    if (success) return;
    const [line = ""] = new TextDecoder().decode(stderr).trim().split("\n");
    throw new Failure(`the units are written; "systemctl daemon-reload" failed: ${line}`);
  } catch (error) {
    if (!(error instanceof NotFound)) throw error;
    throw new Failure("the units are written, but there is no systemctl to make systemd read them");
  }
}
