/** What commands print much of: lines are gathered, because a system call for each would take most of the time. */
import { printableText } from "../../linux/printable.ts";
import { printBytes } from "./output.ts";

/** Bytes that are gathered. */
const SIZE = 1 << 16;

/** Gathers text and bytes for standard output until they are many, or {@linkcode flush} is called. */
export class BulkOutput {
  readonly #buffer = new Uint8Array(SIZE);
  readonly #encoder = new TextEncoder();
  readonly #write: (bytes: Uint8Array) => void;
  #length = 0;

  /** @param write takes what was gathered; it is valid during the call */
  constructor(write: (bytes: Uint8Array) => void = printBytes) {
    this.#write = write;
  }

  /** Text without what a terminal obeys. */
  text(text: string): void {
    this.bytes(this.#encoder.encode(printableText(text)));
  }

  bytes(bytes: Uint8Array): void {
    if (this.#length + bytes.length > SIZE) this.flush();
    if (bytes.length > SIZE) return this.#write(bytes);
    this.#buffer.set(bytes, this.#length);
    this.#length += bytes.length;
  }

  /** Prints what was gathered. */
  flush(): void {
    if (this.#length > 0) this.#write(this.#buffer.subarray(0, this.#length));
    this.#length = 0;
  }
}
