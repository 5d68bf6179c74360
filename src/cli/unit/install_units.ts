/** Installs units for systemd. */
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
 * @returns their paths
 * @throws {Failure} says what is in the way
 */
export async function installUnits(
  files: readonly UnitFile[],
  overwrite: boolean,
): Promise<readonly string[]> {
  if (Deno.uid() !== 0) throw new Failure("--install needs root; try it with sudo");
  if (!exists(UNIT_DIRECTORY)) throw new Failure(`there is no ${UNIT_DIRECTORY}: no systemd here`);
  const paths = files.map(({ name }) => `${UNIT_DIRECTORY}/${name}`);
  const there = overwrite ? undefined : paths.find(exists);
  if (there !== undefined) throw new Failure(`${there} is there already; --overwrite replaces it`);
  for (const [i, { text }] of files.entries()) {
    replaceFile(paths[i] ?? "", text, { mode: 0o644, exactMode: true });
  }
  await reload();
  return paths;
}

async function reload(): Promise<void> {
  const { NotFound } = Deno.errors;
  try {
    const { success, stderr } = await new Deno.Command("systemctl", {
      args: ["daemon-reload"],
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
