/**
 * The index of the store: which images there are, by name. Everything in it is also in the files of
 * the store, so it is made anew whenever it is missing, damaged or of another version.
 */
import type { DatabaseSync } from "node:sqlite";
import type { StoreKey } from "../appc/image_id.ts";
import { parseImageManifest } from "../appc/image_manifest.ts";
import { type ImageInfo, readImageInfo, type Signer } from "./image_info.ts";
import { imagePath, usedPath } from "./layout.ts";
import { storedKeys } from "./stored_keys.ts";

/** Version of the tables below. An index of another version is made anew. */
export const INDEX_VERSION = 1;

/** `remote`, `aciinfo` as in rkt; `signer` is new. Times are milliseconds since 1970. */
export const INDEX_SCHEMA = `
  CREATE TABLE version (version INTEGER NOT NULL);
  CREATE TABLE remote (
    aciurl TEXT PRIMARY KEY, sigurl TEXT NOT NULL, etag TEXT NOT NULL, blobkey TEXT NOT NULL,
    cachemaxage INTEGER NOT NULL, downloadtime INTEGER NOT NULL
  );
  CREATE TABLE aciinfo (
    blobkey TEXT PRIMARY KEY, name TEXT NOT NULL, importtime INTEGER NOT NULL,
    latest INTEGER NOT NULL, size INTEGER NOT NULL
  );
  CREATE INDEX aciinfo_name ON aciinfo (name);
  CREATE TABLE signer (
    blobkey TEXT NOT NULL, fingerprint TEXT NOT NULL, identity TEXT NOT NULL,
    signedat INTEGER NOT NULL, PRIMARY KEY (blobkey, fingerprint)
  );
  INSERT INTO version VALUES (${INDEX_VERSION});
`;

/** What the index knows of an image. */
export interface IndexedImage {
  readonly key: StoreKey;
  readonly name: string;
  /** Milliseconds since 1970. */
  readonly importTime: number;
  /** Whether it was asked for without a version. */
  readonly latest: boolean;
  /** Bytes of the uncompressed archive. */
  readonly size: number;
}

/** What is known of an image's place on the network, for not fetching it again. */
export interface Remote {
  readonly aciUrl: string;
  readonly sigUrl: string;
  readonly etag: string;
  readonly key: StoreKey;
  /** Seconds for which the download needs no revalidation. */
  readonly cacheMaxAge: number;
  /** Milliseconds since 1970. */
  readonly downloadTime: number;
}

type Row = Record<string, unknown>;

/** The open index. */
export class ImageIndex implements Disposable {
  readonly #database: DatabaseSync;

  constructor(database: DatabaseSync) {
    this.#database = database;
  }

  /** All images, in the order of their import. */
  images(): IndexedImage[] {
    return this.#database.prepare("SELECT * FROM aciinfo ORDER BY importtime, rowid").all()
      .map(indexedImage);
  }

  /** An image by its key. */
  image(key: StoreKey): IndexedImage | undefined {
    const row = this.#database.prepare("SELECT * FROM aciinfo WHERE blobkey = ?").get(key);
    return row && indexedImage(row);
  }

  /**
   * The images of a name, the one to prefer first: the newest.
   *
   * @param preferLatest whether those that were fetched without a version come first
   */
  keysOfName(name: string, preferLatest: boolean): StoreKey[] {
    const order = preferLatest ? "latest DESC," : "";
    return this.#database
      .prepare(
        `SELECT blobkey FROM aciinfo WHERE name = ? ORDER BY ${order} importtime DESC, rowid DESC`,
      )
      .all(name).map((row: Row) => String(row.blobkey) as unknown as StoreKey);
  }

  /** Who signed an image. */
  signers(key: StoreKey): Signer[] {
    return this.#database.prepare("SELECT * FROM signer WHERE blobkey = ? ORDER BY fingerprint")
      .all(key).map((row: Row) => ({
        fingerprint: String(row.fingerprint),
        identity: String(row.identity),
        signedAt: Number(row.signedat),
      }));
  }

  /** What is known of a URL. */
  remote(aciUrl: string): Remote | undefined {
    const row: Row | undefined = this.#database.prepare("SELECT * FROM remote WHERE aciurl = ?")
      .get(aciUrl);
    return row && {
      aciUrl,
      sigUrl: String(row.sigurl),
      etag: String(row.etag),
      key: String(row.blobkey) as unknown as StoreKey,
      cacheMaxAge: Number(row.cachemaxage),
      downloadTime: Number(row.downloadtime),
    };
  }

  /** Remembers a URL. */
  saveRemote(remote: Remote): void {
    this.#database.prepare("INSERT OR REPLACE INTO remote VALUES (?, ?, ?, ?, ?, ?)").run(
      ...[remote.aciUrl, remote.sigUrl, remote.etag, remote.key],
      ...[remote.cacheMaxAge, remote.downloadTime],
    );
  }

  /** Adds an image or replaces what was known of it. */
  save(image: IndexedImage, signers: readonly Signer[]): void {
    this.#transaction(() => this.#save(image, signers));
  }

  #save(image: IndexedImage, signers: readonly Signer[]): void {
    this.#database.prepare("INSERT OR REPLACE INTO aciinfo VALUES (?, ?, ?, ?, ?)")
      .run(image.key, image.name, image.importTime, image.latest ? 1 : 0, image.size);
    this.#database.prepare("DELETE FROM signer WHERE blobkey = ?").run(image.key);
    const insert = this.#database.prepare("INSERT OR REPLACE INTO signer VALUES (?, ?, ?, ?)");
    for (const { fingerprint, identity, signedAt } of signers) {
      insert.run(image.key, fingerprint, identity, signedAt);
    }
  }

  /** Forgets an image, and the URLs that it came from. */
  remove(key: StoreKey): void {
    this.#transaction(() => {
      for (const table of ["aciinfo", "signer", "remote"]) {
        this.#database.prepare(`DELETE FROM ${table} WHERE blobkey = ?`).run(key);
      }
    });
  }

  /**
   * Makes the index say what the files say. `remote` is kept: no file knows it.
   *
   * @returns how many images there are
   */
  rebuild(dataDir: string): number {
    const images = storedKeys(dataDir, "imageManifest").map((key) => fromFiles(dataDir, key));
    const known = images.filter((entry) => entry !== undefined);
    known.sort((a, b) => a.image.importTime - b.image.importTime);
    this.#transaction(() => {
      this.#database.exec("DELETE FROM aciinfo; DELETE FROM signer");
      for (const { image, info } of known) this.#save(image, info.signers);
    });
    return known.length;
  }

  #transaction(change: () => void): void {
    this.#database.exec("BEGIN IMMEDIATE");
    try {
      change();
      this.#database.exec("COMMIT");
    } catch (error) {
      this.#database.exec("ROLLBACK");
      throw error;
    }
  }

  [Symbol.dispose](): void {
    this.#database.close();
  }
}

function indexedImage(row: Row): IndexedImage {
  return {
    key: String(row.blobkey) as unknown as StoreKey,
    name: String(row.name),
    importTime: Number(row.importtime),
    latest: row.latest === 1,
    size: Number(row.size),
  };
}

/** What the files tell about an image. Undefined for one that is being removed, or is damaged. */
function fromFiles(
  dataDir: string,
  key: StoreKey,
): { readonly image: IndexedImage; readonly info: ImageInfo } | undefined {
  try {
    const path = imagePath(dataDir, "imageManifest", key);
    const { name } = parseImageManifest(Deno.readTextFileSync(path));
    const { size: bytes } = Deno.statSync(usedPath(dataDir, key));
    const info = readImageInfo(dataDir, key);
    const size = info.size ?? bytes;
    const importTime = Deno.statSync(path).mtime?.getTime() ?? 0;
    return { image: { key, name, importTime, latest: info.latest, size }, info };
  } catch {
    return undefined;
  }
}
