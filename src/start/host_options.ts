import type { ConfigDirectories } from "../config/config.ts";
import type { FetchSettings } from "../fetch/fetch_session.ts";
import type { Store } from "../store/store.ts";
import type { Confinement } from "../pod/make/resolve_pod.ts";

/** What a start needs to know of the host's configuration. A front end fills it in from its own flags or files. */
export interface HostOptions {
  /** Where images and pods are kept; may be relative to the working directory. */
  readonly dataDir: string;
  /** The administrator's configuration: `net.d` is in it. */
  readonly localConfig: string;
  /** Where configuration is read from. */
  readonly config: ConfigDirectories;
  /** Directories whose files have a say in the start, and in the data directory. */
  readonly configuration: readonly string[];
  /** Which parts of the apps' confinement are switched off. */
  readonly confinement: Confinement;
  /** Whether paths of the kernel's in /proc and /sys are hidden or read-only for apps. */
  readonly protectPaths: boolean;
  /** How images are fetched into a store. Called only where an image is looked for. */
  readonly fetchSettings: (store: Store) => FetchSettings;
  /** Takes messages of `--debug`; absent without it. */
  readonly debug?: (line: string) => void;
}
