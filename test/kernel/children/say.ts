import { writeSync } from 'node:fs';

/** A line for the parent. Synchronous: what is said before a crash is heard. */
export function say(value: unknown): void {
  writeSync(1, `${JSON.stringify(value)}\n`);
}

/** Until the parent says something. */
export function heard(): Promise<string> {
  return new Promise((resolve) => {
    process.stdin.once('data', (data) => {
      process.stdin.pause();
      resolve(String(data));
    });
  });
}
