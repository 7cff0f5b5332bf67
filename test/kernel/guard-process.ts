/** Runs `oomscope guard` beside real processes in memory cgroups, and collects its events. */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { expect } from 'vitest';
import type { Event } from '../../src/model/events.ts';
import type { GuardAction, GuardPlan, GuardResult } from '../../src/model/guard.ts';
import { ended, MAIN } from '../cli/cli.ts';
import { schemaErrors } from '../schema.ts';
import { removeMemoryGroups } from './memcg.ts';

const PATIENCE_MS = 15_000;
const running = new Set<() => void>();

/** Ends what a test has started. For afterEach(). */
export function cleanUp(): void {
  for (const stop of running) stop();
  running.clear();
  removeMemoryGroups();
}

/** Adds something that cleanUp() does. */
export const later = (stop: () => void) => void running.add(stop);

/** Starts `oomscope guard`; resolves when it samples. */
export const startGuard = (args: string[]) => start(['guard', '--json', ...args], 'Guarding by');

/** @param ready text on stderr that shows that the command has started */
export async function start(args: string[], ready: string) {
  const child = spawn(process.execPath, [MAIN, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  const events: Event[] = [];
  const waiting = new Set<() => void>();
  createInterface({ input: child.stdout }).on('line', (line) => {
    events.push(JSON.parse(line));
    for (const look of waiting) look();
  });
  const end = ended(child);
  running.add(() => child.kill('SIGKILL'));
  let said = '';
  await new Promise<void>((resolve, reject) => {
    child.stderr.on('data', (text: string) => {
      said += text;
      if (said.includes(ready)) resolve();
    });
    void end.then(({ stderr }) => reject(new Error(`expected the guard to start: ${stderr}`)));
  });
  const seen = <T extends Event>(test: (event: Event) => event is T): Promise<T> =>
    new Promise((resolve, reject) => {
      const timer = setTimeout(
        () => reject(new Error(`not seen, only ${JSON.stringify(events, null, 1)}`)),
        PATIENCE_MS,
      );
      const look = () => {
        const found = events.find(test);
        if (!found) return;
        clearTimeout(timer);
        waiting.delete(look);
        resolve(found);
      };
      waiting.add(look);
      look();
    });
  return {
    events,
    seen,
    pid: child.pid as number,
    said: () => said,
    result: () => seen((event): event is GuardResult => event.type === 'guard.result'),
    plan: () => seen((event): event is GuardPlan => event.type === 'guard.plan'),
    actions: () => events.filter((event): event is GuardAction => event.type === 'guard.action'),
    async stop() {
      child.kill('SIGTERM');
      const { code } = await end;
      expect(code).toBe(0);
      expect(events.flatMap(schemaErrors)).toEqual([]);
    },
  };
}

export function configFile(toml: string): string {
  const directory = mkdtempSync(join(tmpdir(), 'oomscope-'));
  running.add(() => rmSync(directory, { recursive: true }));
  const file = join(directory, 'oomscope.toml');
  writeFileSync(file, toml);
  return file;
}
