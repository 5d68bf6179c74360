import type { AciContents } from "./aci_reader.ts";
import type { Ownership } from "./write_options.ts";

/** How to extract. */
export interface ExtractOptions extends Ownership {
  /** Only what is below `rootfs/`, without that prefix. Default: `manifest` and `rootfs`. */
  readonly rootfsOnly?: boolean;
  /** Also gets the uncompressed bytes, to store them in the same pass. */
  readonly onBytes?: (chunk: Uint8Array) => void;
  /** Gets the manifest as soon as it was read, to refuse the image before the rest is. */
  readonly onManifest?: (text: string) => void;
  /**
   * What to do with hardlinks whose target is not in the image. `report`: leave them out and tell; an
   * image below may have the target. Default: refuse.
   */
  readonly danglingLinks?: "refuse" | "report";
}

/** What an image contained that was extracted. */
export interface ExtractedAci extends AciContents {
  /** With `danglingLinks: "report"`: the first such link, as the message of a failure. */
  readonly danglingLink?: string;
}
