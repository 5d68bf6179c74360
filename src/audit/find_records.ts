/** Where records are found: the journal, where there is one, and the file. */
import { Failure } from "../failure.ts";
import { type AuditEntry, type ReadEntries, readEntries } from "./read_records.ts";
import { MESSAGE_IDS, RECORD_KINDS } from "./record_kinds.ts";

/** Which records are wanted. What is absent is not asked for. */
export interface RecordQuery {
  /** Microseconds since 1970: none that are older. */
  readonly since?: bigint;
  /** The beginning of a UUID. */
  readonly pod?: string;
  /** A name, or the beginning of an ID. */
  readonly image?: string;
  /** The end of a fingerprint, of at least eight digits. */
  readonly signer?: string;
}

/** Records, and how many could not be read. */
export interface FoundRecords {
  /** The oldest first. */
  readonly entries: readonly AuditEntry[];
  readonly damaged: number;
}

/** The most bytes of the file that are read: it is the administrator's to turn over. */
const MOST_FILE = 1 << 30;

/**
 * Finds records.
 *
 * @param file the path of the file
 * @throws {Failure} where the file or the journal is there and can't be read
 */
export async function findRecords(file: string, query: RecordQuery): Promise<FoundRecords> {
  const found = [fileRecords(file), await journalRecords(query)];
  const [kept = [], logged = []] = found.map((each) =>
    each.entries.filter((entry) => fits(entry, query))
  );
  const entries = [...withoutTwins(kept, logged), ...logged];
  return {
    entries: entries.sort((a, b) => a.time < b.time ? -1 : a.time > b.time ? 1 : 0),
    damaged: found.reduce((sum, { damaged }) => sum + damaged, 0),
  };
}

/** Microseconds between a record's arrival in the journal and in the file: many, on a busy machine. */
const TWINS_APART = 10_000_000n;

/**
 * Records of the file that are not in the journal, too: where audit.d sends each one to both, it is still one record. Of equal ones,
 * such as an app that is entered by the same words twice, each in the journal stands for one in the file.
 */
export function withoutTwins(
  file: readonly AuditEntry[],
  journal: readonly AuditEntry[],
): readonly AuditEntry[] {
  if (file.length === 0 || journal.length === 0) return file;
  const equal = Map.groupBy(journal, (entry) => entry.content());
  return file.filter((entry) => {
    const twins = equal.get(entry.content()) ?? [];
    const at = twins.findIndex(({ time }) => {
      const apart = time - entry.time;
      return -TWINS_APART <= apart && apart <= TWINS_APART;
    });
    if (at >= 0) twins.splice(at, 1);
    return at < 0;
  });
}

function fileRecords(path: string): ReadEntries {
  try {
    const { size } = Deno.statSync(path);
    if (size > MOST_FILE) {
      throw new Failure(`${path}: larger than 1 GiB; let logrotate turn it over`);
    }
    return readEntries(Deno.readFileSync(path), "file");
  } catch (error) {
    if (error instanceof Failure) throw error;
    if (error instanceof Deno.errors.NotFound) return { entries: [], damaged: 0 };
    throw new Failure(`${path}: ${error instanceof Error ? error.message : error}`, 254, {
      cause: error,
    });
  }
}

async function journalRecords({ since }: RecordQuery): Promise<ReadEntries> {
  const words = [
    ...["--quiet", "--all", "--output=export", "--no-pager"],
    ...since === undefined ? [] : [`--since=@${since / 1_000_000n}`],
    // Anybody can write to the journal; it says itself who has.
    "_UID=0",
    ...RECORD_KINDS.map((kind) => `MESSAGE_ID=${MESSAGE_IDS[kind]}`),
  ];
  try {
    const command = new Deno.Command("journalctl", { args: words, stdin: "null" });
    const { success, stdout, stderr } = await command.output();
    if (success) return { entries: readEntries(stdout, "journal").entries, damaged: 0 };
    const [why = ""] = new TextDecoder().decode(stderr).split("\n");
    // Without a journal there is nothing in it.
    if (/^No journal files were/.test(why) || why === "") return { entries: [], damaged: 0 };
    throw new Failure(`journalctl: ${why}`);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return { entries: [], damaged: 0 };
    throw error;
  }
}

function fits(entry: AuditEntry, { since, pod, image, signer }: RecordQuery): boolean {
  const some = (name: string, is: (value: string) => boolean) => entry.values(name).some(is);
  return (since === undefined || entry.time >= since) &&
    (pod === undefined || some("RKT_POD", (uuid) => uuid.startsWith(pod))) &&
    (signer === undefined || some("RKT_SIGNER", (key) => key.endsWith(signer))) &&
    (image === undefined || some("RKT_IMAGE", (name) => name === image) ||
      some("RKT_IMAGE_ID", (id) => isSameId(id, image)));
}

/** Whether an ID is what was asked for: either may be cut, because the store keeps the first half. */
const isSameId = (id: string, asked: string): boolean =>
  /^sha\d+-[0-9a-f]{2,}$/.test(asked) && id !== "" &&
  (id.startsWith(asked) || asked.startsWith(id));
