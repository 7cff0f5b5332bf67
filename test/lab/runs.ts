/** Starts several runs of run.ts in a guest, and splits their output. */
import type { HookState } from '../../src/model/events.ts';
import type { Result } from './run.ts';

/** The command that starts a program of these tests, in a guest and here. */
export const NODE = ['node', '--experimental-strip-types', '--disable-warning=ExperimentalWarning'];
export const RUN = [...NODE, 'test/lab/run.ts'];

export interface Run {
  hooks: HookState[];
  results: Result[];
}

/**
 * The command for a guest that does several runs, each with its own arguments. Its exit code is that of the last run.
 */
export function runInGuest(runs: readonly (readonly string[])[]): string[] {
  const quoted = (word: string) => `'${word}'`;
  return ['sh', '-c', runs.map((words) => [...RUN, ...words].map(quoted).join(' ')).join('\n')];
}

/** Splits the output of runInGuest() into runs. The output of a run begins with the line of its hooks. */
export function readRuns(stdout: string): Run[] {
  const runs: Run[] = [];
  const lines = stdout.split('\n').slice(0, -1); // a guest that was stopped may have left an unfinished last line
  for (const line of lines.filter((line) => line.startsWith('{'))) {
    const said = JSON.parse(line) as { hooks: HookState[] } | Result;
    if ('hooks' in said) runs.push({ hooks: said.hooks, results: [] });
    else runs.at(-1)?.results.push(said);
  }
  return runs;
}
