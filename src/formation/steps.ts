import type { SetupFile } from "./setup-file.ts";

/** A part of a formation. May be run again after it was cut at any point, and then leaves what is there alone. */
export interface Step {
  readonly name: string;
  /** What happens, for those who wait: "This server's drives are formatted". */
  readonly detail: string;
  run(tell: (detail: string) => void): Promise<void>;
}
export interface Progress {
  readonly name: string;
  readonly number: number;
  readonly of: number;
  readonly detail: string;
}

/** Runs the steps that are not done, in order, and writes each down when it is. Rejects with what the first that fails throws. */
export async function runSteps(setup: SetupFile, steps: readonly Step[], tell: (progress: Progress) => void): Promise<void> {
  for (const [index, step] of steps.entries()) {
    if (setup.isDone(step.name)) continue;
    const at = { name: step.name, number: index + 1, of: steps.length };
    tell({ ...at, detail: step.detail });
    await step.run((detail) => tell({ ...at, detail }));
    setup.finishStep(step.name);
  }
}
