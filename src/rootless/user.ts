/** Where the things of a user other than root are. */
import { systemText } from "./system_files.ts";
import { originalVariable } from "../linux/environment.ts";

/** Where a user's images, pods and configuration are by default (XDG Base Directory Specification). */
export interface UserDirectories {
  readonly data?: string;
  readonly configuration?: string;
}

/** A user's directories; absent is what has no home to be in. */
export function userDirectories(uid: number): UserDirectories {
  const home = homeOf(uid);
  const data = absolutePath("XDG_DATA_HOME") ?? (home && `${home}/.local/share`);
  const configuration = configurationHome() ?? (home && `${home}/.config`);
  return {
    ...data !== undefined && { data: `${data}/rkt` },
    ...configuration !== undefined && { configuration: `${configuration}/rkt` },
  };
}

/** Where the environment says that programs' configuration is; undefined where it does not. */
export function configurationHome(): string | undefined {
  const home = absolutePath("HOME");
  return absolutePath("XDG_CONFIG_HOME") ?? (home && `${home}/.config`);
}

/** The specification: a relative path is to be ignored. */
function absolutePath(variable: string): string | undefined {
  const path = originalVariable(variable);
  return path?.startsWith("/") === true ? path : undefined;
}

/** HOME, or what passwd says: cron and services may have none. */
function homeOf(uid: number): string | undefined {
  const home = absolutePath("HOME") ?? passwdEntry(uid)?.[5];
  return home?.startsWith("/") === true && home !== "/" ? home : undefined;
}

/** The fields of a user's line in /etc/passwd (passwd(5)); undefined where there is none. */
export function passwdEntry(uid: number): readonly string[] | undefined {
  const lines = systemText("/etc/passwd").split("\n").map((line) => line.split(":"));
  return lines.find((fields) => fields[2] === `${uid}`);
}
