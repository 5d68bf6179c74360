import type { StoreKey } from "../../appc/image_id.ts";
import { labelValue } from "../../appc/label.ts";
import { Failure } from "../../failure.ts";
import type { Signer } from "../../store/image_info.ts";
import { type ListedTree, listImages } from "../../store/list_images.ts";
import { Store } from "../../store/store.ts";
import type { Invocation } from "../grammar/command.ts";
import { jsonText, nanoseconds } from "../print/json.ts";
import { print, printLines } from "../print/output.ts";
import { shownSize } from "../print/size.ts";
import { table } from "../print/table.ts";
import { fullTime, timeAgo } from "../print/time.ts";

/** A listed image. */
interface Row {
  readonly key: StoreKey;
  /** With its version, if it has one. */
  readonly name: string;
  readonly size: number;
  readonly importTime: number;
  readonly lastUsed: number;
  readonly signers: readonly Signer[];
  readonly tree: ListedTree | undefined;
}

/** A column that can be asked for. */
interface Column {
  readonly title: string;
  readonly cell: (row: Row, full: boolean) => string;
  readonly json: readonly [name: string, value: (row: Row) => unknown];
  /** The value that `--sort` compares. Absent if the column can't be sorted by. */
  readonly order?: (row: Row) => number | string;
}

/** The length of a shortened image ID. */
const SHORT_ID = 19;

const COLUMNS: Readonly<Record<string, Column>> = {
  id: {
    title: "ID",
    cell: ({ key }, full) => full ? key : key.slice(0, SHORT_ID),
    json: ["id", ({ key }) => key],
  },
  name: {
    title: "NAME",
    cell: ({ name }) => name,
    json: ["name", ({ name }) => name],
    order: ({ name }) => name,
  },
  size: {
    title: "SIZE",
    cell: ({ size }, full) => full ? String(size) : shownSize(size),
    json: ["size", ({ size }) => size],
    order: ({ size }) => size,
  },
  importtime: {
    title: "IMPORT TIME",
    cell: ({ importTime }, full) => shownTime(importTime, full),
    json: ["import_time", ({ importTime }) => nanoseconds(importTime)],
    order: ({ importTime }) => importTime,
  },
  lastused: {
    title: "LAST USED",
    cell: ({ lastUsed }, full) => shownTime(lastUsed, full),
    json: ["last_used_time", ({ lastUsed }) => nanoseconds(lastUsed)],
    order: ({ lastUsed }) => lastUsed,
  },
  signedby: {
    title: "SIGNED BY",
    cell: ({ signers }, full) => signers.map((s) => signerText(s, full)).join(", ") || "-",
    json: ["signed_by", ({ signers }) =>
      signers.map((signer) => ({
        fingerprint: signer.fingerprint,
        identity: signer.identity,
        signed_at: nanoseconds(signer.signedAt),
      }))],
  },
  root: {
    title: "ROOT",
    cell: ({ tree }) => tree ?? "-",
    json: ["root", ({ tree }) => tree],
    order: ({ tree }) => tree ?? "",
  },
};

/** The order of the fields in JSON, as in rkt 1.30. */
const JSON_ORDER = ["id", "name", "importtime", "lastused", "size", "signedby", "root"];

/** `rkt image list`: the images in the store, or those of a repository. */
export default async function run(invocation: Invocation): Promise<number> {
  const { args: [repository], flags, global } = invocation;
  if (repository !== undefined) {
    const { listRemote } = await import("../registry/remote_list.ts");
    return await listRemote(repository, invocation);
  }
  const full = flags.on("full");
  const fields = flags.isSet("fields") ? flags.all("fields") : DEFAULT_FIELDS;
  // Who signed, and how the tree is kept, take place that the short table has not.
  const names = full && !flags.isSet("fields") ? [...fields, "signedby", "root"] : fields;
  const columns = names.map((name) => column(name, "field"));
  const rows = (await listImages(new Store(global.dir))).map((image): Row => {
    const version = labelValue(image.manifest.labels, "version");
    const name = image.manifest.name + (version === undefined ? "" : `:${version}`);
    return { ...image, name };
  });
  sortRows(rows, flags.all("sort"), flags.text("order") === "desc");
  const format = flags.text("format");
  if (format !== undefined) {
    const wanted = JSON_ORDER.filter((name) => names.includes(name)).map((n) => column(n, "field"));
    const values = rows.map((row) =>
      Object.fromEntries(wanted.map(({ json: [name, value] }) => [name, value(row)]))
    );
    printLines(jsonText(values, format === "json-pretty"));
    return 0;
  }
  const lines = rows.map((row) => columns.map(({ cell }) => cell(row, full)));
  print(table(flags.on("no-legend") ? lines : [columns.map(({ title }) => title), ...lines]));
  return 0;
}

const DEFAULT_FIELDS: readonly string[] = ["id", "name", "size", "importtime", "lastused"];

function column(name: string, what: string): Column {
  const found = Object.hasOwn(COLUMNS, name) ? COLUMNS[name] : undefined;
  if (found === undefined) {
    throw new Failure(`no ${what} "${name}"; there are ${Object.keys(COLUMNS).join(", ")}`);
  }
  return found;
}

/** Sorts by the first field, then by the second, and so on. */
function sortRows(rows: Row[], fields: readonly string[], descending: boolean): void {
  const orders = (fields.length > 0 ? fields : ["importtime"]).map((name) => {
    const { order } = column(name, "field to sort by");
    if (order === undefined) throw new Failure(`images can't be sorted by "${name}"`);
    return order;
  });
  rows.sort((a, b) => {
    for (const order of orders) {
      const [x, y] = [order(a), order(b)];
      if (x !== y) return (x < y ? -1 : 1) * (descending ? -1 : 1);
    }
    return 0;
  });
}

function shownTime(time: number, full: boolean): string {
  return full ? fullTime(time) : timeAgo(time, Date.now());
}

function signerText({ identity, fingerprint }: Signer, full: boolean): string {
  if (identity === "") return fingerprint;
  return full ? `${identity} (${fingerprint})` : identity;
}
