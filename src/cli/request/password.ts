/** Asks for a user and password: at the terminal, where the password is not shown, or on standard input. */
import { Failure } from "../../failure.ts";

/** Bytes of a password or name. */
const MAX_LENGTH = 4096;

const [INTERRUPT, END, BACKSPACE, DELETE] = [3, 4, 8, 127];

/**
 * Reads a password from standard input: its first line.
 *
 * @throws {Failure} nothing there, or too much
 */
export function passwordFromInput(): string {
  const bytes = new Uint8Array(MAX_LENGTH + 2);
  let size = 0;
  while (size < bytes.length) {
    const count = Deno.stdin.readSync(bytes.subarray(size));
    if (count === null) break;
    size += count;
  }
  if (size > MAX_LENGTH) throw new Failure(`the password is longer than ${MAX_LENGTH} bytes`);
  const password = new TextDecoder().decode(bytes.subarray(0, size)).replace(/\r?\n$/, "");
  if (password === "") throw new Failure("there is no password on standard input");
  if (/[\r\n]/.test(password)) throw new Failure("there are several lines on standard input");
  return password;
}

/**
 * Asks for a line at the terminal.
 *
 * @param isSecret whether it is not shown while it is typed
 * @throws {Failure} no terminal, or the person gave up
 */
export function ask(question: string, isSecret: boolean): string {
  if (!Deno.stdin.isTerminal()) {
    throw new Failure("there is no terminal to ask on; give --username and --password-stdin");
  }
  const tell = (text: string) => Deno.stderr.writeSync(new TextEncoder().encode(text));
  tell(question);
  // Raw, or the terminal would show it. Ctrl-C comes as a character then.
  Deno.stdin.setRaw(true);
  try {
    return readLine((shown) => tell(isSecret ? "" : shown));
  } finally {
    Deno.stdin.setRaw(false);
    tell("\n");
  }
}

function readLine(echo: (text: string) => void): string {
  const typed: number[] = [];
  const buffer = new Uint8Array(1);
  for (;;) {
    const count = Deno.stdin.readSync(buffer);
    const [byte = END] = buffer;
    if (count === null || byte === INTERRUPT || (byte === END && typed.length === 0)) {
      throw new Failure("given up");
    }
    if (byte === 0x0d || byte === 0x0a || byte === END) break;
    if (byte === BACKSPACE || byte === DELETE) {
      // A character of UTF-8 goes as a whole.
      for (let last = typed.pop(); last !== undefined && (last & 0xc0) === 0x80;) {
        last = typed.pop();
      }
      echo("\b \b");
    } else if (byte >= 0x20 && typed.length < MAX_LENGTH) {
      typed.push(byte);
      echo(new TextDecoder().decode(buffer));
    }
  }
  return new TextDecoder().decode(Uint8Array.from(typed));
}
