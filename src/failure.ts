/**
 * What went wrong, for a person: one line that names the thing, what is wrong with it and what to
 * do. The command line prints `COMMAND: message` on stderr and exits with {@linkcode exitCode}.
 * Whatever is thrown and is not a `Failure` is a bug.
 */
export class Failure extends Error {
  override readonly name: string = "Failure";

  /**
   * @param message one line without a full stop at its end
   * @param exitCode rkt's code for its own errors is 254
   * @param options `cause`: what was caught; shown with `--debug`
   */
  constructor(message: string, readonly exitCode: number = 254, options?: ErrorOptions) {
    super(message, options);
  }
}
