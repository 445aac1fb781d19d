/** Says a finding that is no verdict: `npm test` prints it. */
export function note(text: string): void {
  console.log(`# ${text}`);
}
