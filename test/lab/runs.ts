/**
 * Runs of run.ts in a guest, and what they print.
 *
 * In the 5.10 guest about one start of Node in twenty ends in SIGSEGV, or in SIGTRAP by one of V8's own checks
 * ("it->second.Size() > offset"): in code that V8 made, before any native code of ours is loaded (a core dump has neither
 * the addon nor libffi nor libbpf), and on no other kernel nor outside of the emulation. Only such an end, by a signal, is
 * tried again, and said.
 */
import type { HookState } from '../../src/model/events.ts';
import type { Result } from './run.ts';

export const RUN = ['node', '--experimental-strip-types', '--disable-warning=ExperimentalWarning', 'test/lab/run.ts'];

export interface Run {
  hooks: HookState[];
  results: Result[];
}

/** A command for a guest: each run with its own words. Its exit code is the last run's. */
export function runInGuest(runs: readonly (readonly string[])[]): string[] {
  const again = `again() { for i in 1 2 3 4 5; do "$@"; code=$?; echo '{"code":'$code'}'; [ $code -lt 128 ] && return; done; }`;
  const quoted = (word: string) => `'${word}'`;
  const calls = runs.map((words) => ['again', ...RUN, ...words].map(quoted).join(' '));
  return ['sh', '-c', [again, ...calls, 'exit $code'].join('\n')];
}

/** @returns the runs but for those that a signal ended, and these signals */
export function readRuns(stdout: string): { runs: Run[]; signals: number[] } {
  const runs: Run[] = [];
  const signals: number[] = [];
  let current: Run | undefined; // a run may end before it has said anything
  const lines = stdout.split('\n').slice(0, -1); // a guest that was ended has not ended its last line
  for (const line of lines.filter((line) => line.startsWith('{'))) {
    const said = JSON.parse(line) as { hooks: HookState[] } | { code: number } | Result;
    if ('hooks' in said) {
      current = { hooks: said.hooks, results: [] };
      runs.push(current);
    } else if ('code' in said) {
      if (said.code >= 128) {
        signals.push(said.code - 128);
        if (current) runs.pop();
      }
      current = undefined;
    } else current?.results.push(said);
  }
  return { runs, signals };
}
