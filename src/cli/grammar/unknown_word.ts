import { Failure } from "../../failure.ts";

/** A flag or command that there is not. Whoever reports it adds what people who know docker may have meant. */
export class UnknownWord extends Failure {
  override readonly name = "UnknownWord";

  /**
   * @param word as it was written
   * @param begin the message
   * @param end what the message ends with where nothing better is known, like a word that is near
   */
  constructor(
    readonly what: "flag" | "command",
    readonly word: string,
    readonly begin: string,
    readonly end: string,
    exitCode?: number,
  ) {
    super(begin + end, exitCode);
  }
}
