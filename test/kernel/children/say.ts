import { writeSync } from 'node:fs';

/** A line for the parent. Synchronous: what is said before a crash is heard. */
export function say(value: unknown): void {
  writeSync(1, `${JSON.stringify(value)}\n`);
}

/** Resolves when the parent ends this process's input. */
export async function told(): Promise<void> {
  for await (const _ of process.stdin);
}
