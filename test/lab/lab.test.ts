/** The core scenarios in guests with other kernels. The whole table is `npm run lab:truth`. */
import { describe, expect, test } from 'vitest';
import { bootGuest, kernels, lastLines } from '../../scripts/lab/guest.ts';
import type { HookState } from '../../src/model/events.ts';
import { BACKENDS, CORE } from './core.ts';
import type { Result } from './run.ts';

const node = 'node --experimental-strip-types --disable-warning=ExperimentalWarning test/lab/run.ts';
const quoted = CORE.map((name) => `'${name}'`).join(' ');
/**
 * One boot for all: it costs as much as several scenarios. In the 5.10 guest about one start of Node in twenty ends in
 * SIGSEGV, or in SIGTRAP by one of V8's own checks ("it->second.Size() > offset"): in code that V8 made, before any native
 * code of ours is loaded (a core dump has neither the addon nor libffi nor libbpf), and on no other kernel nor outside of
 * the emulation. Only such an end, by a signal, is tried again.
 */
const script = [
  'again() { for i in 1 2 3 4 5; do "$@" >/tmp/out 2>/tmp/err; code=$?; [ $code -lt 128 ] && break; done; cat /tmp/out; cat /tmp/err >&2; }',
  `again ${node} ${quoted}`,
  ...BACKENDS.map((backend) => `again ${node} --backend ${backend} cgroup dying`),
  'exit $code',
].join('; ');

/** The prototypes that each kernel is there for. */
const forms: Record<string, Partial<Record<string, string>>> = {
  '5.10': { mark_victim: 'mark_victim_pid', process_exit: 'process_exit_1', memcg_reclaim: 'memcg_reclaim_2' },
  '6.1': { mark_victim: 'mark_victim_task', process_exit: 'process_exit_1', memcg_reclaim: 'memcg_reclaim_2' },
  '6.12': { mark_victim: 'mark_victim_task', process_exit: 'process_exit_1', memcg_reclaim: 'memcg_reclaim_2' },
  '7.2': { mark_victim: 'mark_victim_task', process_exit: 'process_exit_2', memcg_reclaim: 'memcg_reclaim_3' },
};

describe('guests', () => {
  test.concurrent.each(kernels().map(({ name }) => name))('Linux %s', { timeout: 600_000 }, async (kernel) => {
    const shape = { memoryMib: 768, numa: 2, limitSeconds: 400 };
    const result = await bootGuest({ kernel, cgroup: 'v2', ...shape, command: ['sh', '-c', script] });
    expect(result.timedOut || result.panicked ? lastLines(result) : '').toBe('');
    const lines = result.stdout.split('\n').filter((line) => line.startsWith('{'));
    const said = lines.map((line) => JSON.parse(line) as Result | { hooks: HookState[] });
    const results = said.filter((line) => 'name' in line);
    const runs = said.filter((line) => 'hooks' in line);

    for (const { name, notes } of results.filter(({ state }) => state === 'different')) {
      expect.soft(notes.join('\n'), name).toBe('');
    }
    // What the shell says of a process that died of a signal is no news from ours.
    expect(result.stderr.replaceAll(/^(Segmentation fault|Trace\/breakpoint trap).*\n/gm, '')).toBe('');
    // Nothing is left out here: each of these can be on every one of these kernels.
    expect(results.filter(({ state }) => state === 'not here')).toEqual([]);
    expect(results).toHaveLength(CORE.length + 2 * BACKENDS.length);

    expect(runs).toHaveLength(1 + BACKENDS.length);
    const used = (run: number, hook: string) => runs[run]?.hooks.find((one) => one.hook === hook);
    for (const [hook, program] of Object.entries(forms[kernel] ?? {})) expect(used(0, hook)?.program).toBe(program);
    expect(used(0, 'oom_control')?.backend).toBe('fentry');
    expect(BACKENDS.map((_, i) => [used(i + 1, 'mark_victim')?.backend, used(i + 1, 'oom_control')?.backend])).toEqual([
      ['raw_tp', 'fentry'],
      ['tracepoint', 'fentry'],
      ['tp_btf', 'kprobe'],
      ['tp_btf', 'stack'],
    ]);
  });
});
