/** Whose users a pod has that has its own: types only. */

/** Which users of the host a pod has: its 0 is `shift`, and so on. */
export interface PrivateUsers {
  readonly shift: number;
  readonly count: number;
  /** The user and group of the pod that are the caller himself: 0 of the namespace that rkt runs in. */
  readonly kept?: { readonly uid: number; readonly gid: number } | undefined;
}

/** What a number of an owner is. */
export type IdKind = keyof NonNullable<PrivateUsers["kept"]>;
