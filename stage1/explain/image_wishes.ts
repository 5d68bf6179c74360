/**
 * What the isolators of an image ask for beyond the default. They take away as they like; to give is not theirs: an image
 * that everybody may push to a registry would choose its own privileges.
 */
import { DEFAULT_CAPABILITIES } from "../../src/appc/default_capabilities.ts";
import type { Isolator } from "../../src/appc/isolator.ts";
import { noNewPrivileges } from "../resolve/resolve.ts";
import { systemCalls } from "../seccomp/filter.ts";
import { moreCalls } from "./confinement.ts";

/** A privilege that an image asks for. */
export interface Wish {
  /** In words: `capabilities NET_ADMIN`. */
  readonly what: string;
  /** The flag of `rkt run` by which a person asks for the same; absent where there is none. */
  readonly flag?: string;
}

/** What is known beside the isolators. */
export interface WishContext {
  /** The names of the capabilities that the app will have; absent means those of the isolators. */
  readonly capabilities?: readonly string[];
  /** The app's user as the manifest names it: only users other than root are kept from gaining privileges by default. */
  readonly user?: string | undefined;
}

/** Names of root; what else an image calls so is known only when it runs. */
const ROOT: readonly (string | undefined)[] = ["0", "root"];

/**
 * Why an image is not run, and what to say.
 *
 * @param manifest whether the pod is that of a pod manifest, where there are no flags of apps
 */
export function wishesText(image: string, wishes: readonly Wish[], manifest: boolean): string {
  const flags = wishes.flatMap(({ flag }) => flag ?? []).join(" ");
  const asked = wishes.map(({ what }) => what).join("; ");
  const or = flags === "" ? "" : `, which here means ${flags}`;
  const how = manifest
    ? 'to accept it, write the "app" section into the pod manifest'
    : `accept it with --accept-isolators${or}; ` +
      "or for good with `rkt trust --prefix=NAME --accept-isolators`";
  return `image "${image}" asks for more than the default: ${asked}; ${how}`;
}

/** The wishes of isolators, those of an image that no flag replaces. */
export function imageWishes(
  isolators: readonly Isolator[],
  { capabilities, user }: WishContext = {},
): readonly Wish[] {
  const wishes: Wish[] = [];
  let granted = capabilities ?? DEFAULT_CAPABILITIES;
  for (const isolator of isolators) {
    if (isolator.kind === "os/linux/capabilities-retain-set") {
      granted = capabilities ?? isolator.set;
      const beyond = isolator.set.filter((name) => !DEFAULT_CAPABILITIES.includes(name));
      if (beyond.length === 0) continue;
      const names = beyond.map((name) => name.replace(/^CAP_/, "")).join(", ");
      wishes.push({ what: `capabilities ${names}`, flag: `--caps-retain=${isolator.set.join()}` });
    } else if (isolator.kind === "os/linux/oom-score-adj" && isolator.score < 0) {
      wishes.push({
        what: `an oom score of ${isolator.score}`,
        flag: `--oom-score-adj=${isolator.score}`,
      });
    } else if (isolator.kind === "os/linux/apparmor-profile" && isolator.profile === "unconfined") {
      wishes.push({ what: "no AppArmor profile" });
    }
  }
  if (noNewPrivileges(isolators) === false && !ROOT.includes(user)) {
    wishes.push({ what: "privileges by setuid files", flag: "--allow-new-privileges" });
  }
  const calls = systemCalls(isolators);
  const more = calls === "default" ? [] : moreCalls(calls, granted);
  if (calls === "default" || more.length === 0) return wishes;
  const mode = calls.kind === "os/linux/seccomp-retain-set" ? "retain" : "remove";
  const errno = calls.errno === undefined ? [] : [`errno=${calls.errno}`];
  const words = [`mode=${mode}`, ...errno, ...calls.set].join();
  return [...wishes, { what: `system calls ${more.join(", ")}`, flag: `--seccomp=${words}` }];
}
