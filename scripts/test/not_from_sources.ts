/** Tests of the binary itself, which rkt from its sources does not pass: no test is left out of the measure without a reason. */

/** Tests that are left out. */
export interface BinaryOnly {
  /** Below tests. */
  readonly file: string;
  /** How their names begin. */
  readonly tests: readonly string[];
  readonly why: string;
}

const REPEATED = "a repeated start is the binary's launcher's";
const RUNTIME = "the runtime needs more of the host than the binary does";
const MEMORY = "what is compiled, and measured, takes more memory than the bound of the binary";
const NAMED = "it is about the path of the binary";

export const BINARY_ONLY: readonly BinaryOnly[] = [
  {
    file: "cli/unit_test.ts",
    tests: ["the unit runs the words that were given", "credentials are a volume"],
    why: NAMED,
  },
  { file: "pods/activation_test.ts", tests: ["a start with descriptors is kept"], why: REPEATED },
  { file: "pods/audit_test.ts", tests: ["each start and end of a pod is recorded"], why: REPEATED },
  {
    file: "pods/operator_test.ts",
    tests: ["commands work from a directory that is gone", "what rkt can't do without is said"],
    why: RUNTIME,
  },
  {
    file: "pods/run_again_test.ts",
    tests: ["a kept start that is damaged", "each run with users of the pod's own has others"],
    why: REPEATED,
  },
  {
    file: "images/accepted_wishes_test.ts",
    tests: ["one decision at rkt trust is enough"],
    why: REPEATED,
  },
  {
    file: "images/oci_run_test.ts",
    tests: ["a start whose volumes begin with files", "a start of a registry's image is repeated"],
    why: REPEATED,
  },
  {
    file: "images/trusted_runs_test.ts",
    tests: [
      "rkt run refuses an image whose key is trusted no more, also where the start was kept",
      "rkt run goes on where a key was renewed, and starts are kept again",
      "rkt run refuses what was fetched without a signature",
      "rkt run refuses an image for one that it depends on",
    ],
    why: REPEATED,
  },
  {
    file: "images/many_files_test.ts",
    tests: ["fetch oci:DIR/layout", "image verify OCI", "image export OCI"],
    why: MEMORY,
  },
  { file: "images/memory_test.ts", tests: ["image push"], why: MEMORY },
  { file: "isolation/chroot_test.ts", tests: ["pods start in a chroot"], why: RUNTIME },
  { file: "net/ports_test.ts", tests: ["pods forward ports with an empty PATH"], why: RUNTIME },
];

/** How the names of a file's tests begin that are left out. */
export const leftOut = (path: string): readonly string[] =>
  BINARY_ONLY.filter(({ file }) => path === `tests/${file}`).flatMap(({ tests }) => tests);
