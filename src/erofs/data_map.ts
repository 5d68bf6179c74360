/** Archives that are kept compressed, as an index sees them. */

/** Where data are in an archive that is kept compressed. What its tar consists of has numbers. */
export interface DataMap {
  /** The part that has a byte of the tar. */
  find(offset: number): number;
  /** Where a part begins in the tar. */
  from(part: number): number;
  /** Its bytes, uncompressed. */
  bytes(part: number): number;
  /** Its first block in the file, and how many there are. */
  block(part: number): number;
  blocks(part: number): number;
  /** Whether it is a frame of zstd, behind zeros that fill its blocks. */
  isCompressed(part: number): boolean;
}

/** Where a file's data are. */
export interface DataPlace {
  /** The number of the part that the file begins with. */
  readonly first: number;
  /** Whether it is compressed, and all further ones: if not, the data lie in one run of blocks. */
  readonly isCompressed: boolean;
}

/** Looks up the data of a file, which begin at a byte of the tar. */
export function placeOf(map: DataMap, offset: number): DataPlace {
  const first = map.find(offset);
  if (map.from(first) !== offset) throw new Error(`no file's data begin at byte ${offset}`);
  return { first, isCompressed: map.isCompressed(first) };
}
