/** A change of the host between two starts, and the usual kinds of changes. */
import { exists } from "../../src/linux/exists.ts";
import { list } from "../world/pod_world.ts";
import { output } from "../world/host_world.ts";
import type { Subject } from "./command_lines.ts";
import { type Place, remove } from "./place.ts";

/** A change of the host, or of who calls. */
export interface Change {
  readonly name: string;
  readonly about: Subject;
  readonly apply: (place: Place) => void | Promise<void>;
  /** Makes the host what it was. It works also where a start has mended what was broken. */
  readonly undo: (place: Place) => void | Promise<void>;
}

/** A path of the host that is put aside, with something else in its place or nothing. */
export function aside(
  about: Subject,
  path: string,
  what = "gone",
  replace: (path: string, kept: string) => void | Promise<void> = () => {},
): Change {
  const at = (place: Place) => path.startsWith("/") ? path : `${place.dir}/${path}`;
  // Two changes may be about the same path.
  const kept = (place: Place) => `${at(place)}.${what.replaceAll(" ", "-")}`;
  return {
    name: `${path} is ${what}`,
    about,
    apply: async (place) => {
      if (!exists(at(place))) return;
      await output("mv", at(place), kept(place));
      await replace(at(place), kept(place));
    },
    undo: async (place) => {
      if (!exists(kept(place))) return;
      await remove(at(place));
      await output("mv", kept(place), at(place));
    },
  };
}

/** Another text in a file. */
export const rewritten = (about: Subject, path: string, text: string, what = "rewritten") =>
  aside(about, path, what, (at) => Deno.writeTextFileSync(at, text));

/** Another object with the same content. */
export const copied = (about: Subject, path: string) =>
  aside(about, path, "a copy", async (at, kept) => void await output("cp", "-a", kept, at));

/** A shell script that changes the host, and one that undoes it; `$1` is the host's directory. */
export function scripts(about: Subject, name: string, apply: string, undo: string): Change {
  const run = async ({ dir }: Place, script: string) =>
    void await output("sh", "-c", `${script}\ntrue`, "sh", dir);
  return {
    name,
    about,
    apply: (place) => run(place, apply),
    undo: (place) => run(place, undo),
  };
}

/** Words that go before rkt's. */
export function caller(name: string, ...words: string[]): Change {
  return {
    name: `called ${name}`,
    about: "caller",
    apply: (place) => void place.callers.set(name, words),
    undo: (place) => void place.callers.delete(name),
  };
}

/** A shell that does something and then is rkt. */
export const shell = (script: string): string[] => ["sh", "-c", `${script}\nexec "$@"`, "sh"];

/** Something that is done to the entries of starts; the next fresh run makes them anew. */
export function entries(name: string, change: (path: string) => void): Change {
  return {
    name: `entries: ${name}`,
    about: "caller",
    apply: () => {
      for (const entry of list("/run/rkt/starts")) change(`/run/rkt/starts/${entry}`);
    },
    undo: () => {},
  };
}
