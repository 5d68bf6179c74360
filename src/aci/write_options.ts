/** How what an archive holds is written to a tree of files. */

/** Whose files the tree gets. */
export interface Ownership {
  /** Maps the archive's owners (user namespaces). Default: as they are. */
  readonly mapUid?: (uid: number) => number;
  readonly mapGid?: (gid: number) => number;
  /** false: owners, device nodes and `security.*` are left out (callers without root). Default: true. */
  readonly privileged?: boolean;
  /** false: device nodes are left out (in a user namespace nobody can make them). Default: true. */
  readonly nodes?: boolean;
  /**
   * false: device nodes, and the bits and capabilities by which a file gives its privileges to whoever executes it, are left
   * out: the tree is for a directory of the host, where others could use them. Default: true.
   */
  readonly special?: boolean;
}

/** How a tree is written. */
export interface WriteOptions extends Ownership {
  /**
   * Whether the directory has contents already, which may also lie on other file systems: directories stay as they are,
   * everything else is replaced. Others may write to it too. The process must have no file mode mask (umask(2)).
   * Default: what exists stays, and nothing is on another file system.
   */
  readonly merge?: boolean;
}

/** `exists`: something has that name; `blocked`: a parent is something else than a directory. */
export type Creation = "created" | "exists" | "blocked";
