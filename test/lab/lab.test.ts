/** Runs the core scenarios in guests with other kernels. `npm run prove:truth` runs all scenarios on all kernels. */
import { describe, test } from 'vitest';
import { bootGuest, kernels, lastLines } from '../../scripts/lab/guest.ts';
import { BACKENDS, CORE, UNPRIVILEGED } from './core.ts';
import { readRuns, runInGuest } from './runs.ts';

/** Boots once for all runs, because a boot takes as long as several scenarios. */
const RUNS = [
  CORE,
  ...BACKENDS.map((backend) => ['--backend', backend, 'cgroup', 'dying']),
  ['--unprivileged', ...UNPRIVILEGED],
];

/** The prototypes of the tracepoints, for which each of these kernels was chosen. */
const forms: Record<string, Partial<Record<string, string>>> = {
  '5.10': { mark_victim: 'mark_victim_pid', process_exit: 'process_exit_1', memcg_reclaim: 'memcg_reclaim_2' },
  '6.1': { mark_victim: 'mark_victim_task', process_exit: 'process_exit_1', memcg_reclaim: 'memcg_reclaim_2' },
  '6.12': { mark_victim: 'mark_victim_task', process_exit: 'process_exit_1', memcg_reclaim: 'memcg_reclaim_2' },
  '7.2': { mark_victim: 'mark_victim_task', process_exit: 'process_exit_2', memcg_reclaim: 'memcg_reclaim_3' },
};

describe('guests', () => {
  test.concurrent.for(kernels().map(({ name }) => name))(
    'Linux %s',
    { timeout: 600_000 },
    async (kernel, { expect }) => {
      const shape = { memoryMib: 768, numa: 2, limitSeconds: 550 };
      const result = await bootGuest({ kernel, cgroup: 'v2', ...shape, command: runInGuest(RUNS) });
      expect(result.timedOut || result.panicked ? lastLines(result) : '').toBe('');
      const runs = readRuns(result.stdout);
      const results = runs.flatMap((run) => run.results);

      for (const { name, notes } of results.filter(({ state }) => state === 'different')) {
        expect.soft(notes.join('\n'), name).toBe('');
      }
      expect(result.stderr).toBe('');
      // Every scenario must have run, because each scenario is possible on all of these kernels.
      expect(results.filter(({ state }) => state === 'not here')).toEqual([]);
      expect(results).toHaveLength(CORE.length + 2 * BACKENDS.length + UNPRIVILEGED.length);

      expect(runs).toHaveLength(RUNS.length);
      const used = (run: number, hook: string) => runs[run]?.hooks.find((one) => one.hook === hook);
      for (const [hook, program] of Object.entries(forms[kernel] ?? {})) expect(used(0, hook)?.program).toBe(program);
      expect(used(0, 'oom_control')?.backend).toBe('fentry');
      expect(
        BACKENDS.map((_, i) => [used(i + 1, 'mark_victim')?.backend, used(i + 1, 'oom_control')?.backend]),
      ).toEqual([
        ['raw_tp', 'fentry'],
        ['tracepoint', 'fentry'],
        ['tp_btf', 'kprobe'],
        ['tp_btf', 'stack'],
      ]);
    },
  );
});
