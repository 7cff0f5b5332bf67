import { writeSync } from 'node:fs';

/** Prints a line for the parent. Synchronous, so that the parent reads it even if the process crashes next. */
export function say(value: unknown): void {
  writeSync(1, `${JSON.stringify(value)}\n`);
}

/** Resolves when the parent ends this process's input. */
export async function told(): Promise<void> {
  for await (const _ of process.stdin);
}
