/** A reason to show to the administrator in one line. */
export class CliError extends Error {
  override name = "CliError";
}
