/** The process of `rkt oci exec`: of a file, or of words and flags beside what the container's own process has. */
import { AppcError } from "../../appc/error.ts";
import { parseJsonObject } from "../../appc/json_value.ts";
import { Failure } from "../../failure.ts";
import { type ProcessSpec, readProcess } from "../../runtime/spec.ts";
import type { OciWords } from "./oci_words.ts";

/**
 * Reads the process.
 *
 * @param own the process of the container's configuration, asked for where it is needed
 * @throws {Failure}
 */
export function execProcess(words: OciWords, own: () => ProcessSpec): ProcessSpec {
  const file = words.value("process");
  if (file !== undefined) return fromFile(file);
  const args = words.args.slice(1);
  if (args.length === 0) throw new Failure("exec args cannot be empty", 1);
  const base = own();
  const env = words.values("env");
  const capabilities = words.values("cap").map((name) => name.toUpperCase());
  const added = base.capabilities && {
    ...base.capabilities,
    bounding: [...base.capabilities.bounding, ...capabilities],
    effective: [...base.capabilities.effective, ...capabilities],
    permitted: [...base.capabilities.permitted, ...capabilities],
  };
  return {
    ...base,
    args,
    terminal: words.on("tty"),
    consoleSize: undefined,
    cwd: words.value("cwd") ?? base.cwd,
    env: [...base.env, ...env],
    user: words.value("user") === undefined ? base.user : user(words, base),
    capabilities: capabilities.length === 0 ? base.capabilities : added,
    noNewPrivileges: words.on("no-new-privs") || base.noNewPrivileges,
    apparmorProfile: words.value("apparmor") ?? base.apparmorProfile,
    selinuxLabel: words.value("process-label") ?? base.selinuxLabel,
  };
}

function fromFile(file: string): ProcessSpec {
  try {
    return readProcess(parseJsonObject(Deno.readTextFileSync(file)), "process");
  } catch (error) {
    if (error instanceof AppcError) throw new Failure(`${file}: ${error.message}`, 1);
    if (error instanceof Deno.errors.NotFound) {
      throw new Failure(`${file}: there is no such file`, 1);
    }
    throw error;
  }
}

function user(words: OciWords, { user: base }: ProcessSpec): ProcessSpec["user"] {
  const text = words.value("user") ?? "";
  const [, uid, gid] = /^(\d{1,10})(?::(\d{1,10}))?$/.exec(text) ?? [];
  const groups = words.values("additional-gids").map(Number);
  if (uid === undefined || groups.some((each) => !Number.isInteger(each))) {
    throw new Failure(`--user: ${JSON.stringify(text)} is not of the form UID[:GID]`, 1);
  }
  return {
    uid: Number(uid),
    gid: gid === undefined ? base.gid : Number(gid),
    umask: base.umask,
    additionalGids: groups,
  };
}
