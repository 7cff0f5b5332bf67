/** Nothing that repeats calls libbpf through ffi-napi, because every such call leaks native memory. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { ffiCalls } from '../../src/bpf/libbpf/symbols.ts';
import { parseConfig } from '../../src/config/config.ts';
import { Watch } from '../../src/daemon/watch.ts';
import { loadNative } from '../../src/native/addon.ts';
import { openPressure } from '../../src/pressure/monitor.ts';
import { openTaskTable } from '../../src/scores/open-task-table.ts';
import { ScoreSampler } from '../../src/scores/score-sampler.ts';
import { openTracer } from '../../src/tracer/tracer.ts';
import { createMemoryGroup, type MemoryGroup, MIB, oomKill, removeMemoryGroups, startHog } from './memcg.ts';
import { bpfUnavailable } from './unavailable.ts';

const THRASH = join(import.meta.dirname, '..', '..', 'build', 'thrash');

afterEach(removeMemoryGroups);

async function stalls(): Promise<void> {
  const group = createMemoryGroup({ limitBytes: 32 * MIB });
  const words = ['--cgroup', group.path, '--seconds', '1', '--file', '48M'];
  await once(spawn(THRASH, words, { stdio: 'ignore' }), 'exit');
}

/** A rule that is near, arms, and reads what only the monitor measures. It never fires. */
const configuration = ({ cgroupPath }: MemoryGroup) => `[pressure]
windows = ["100ms", "1s"]
[guard]
mode = "enforce"
[[guard.rule]]
name = "near"
on = "${cgroupPath}"
when = ["available < 8M"]
[[guard.rule]]
name = "never stalled so long"
on = "${cgroupPath}"
when = ["available < 1M", "pressure.some.100ms >= 100 %", "rounds_left <= 1"]
`;

describe.skipIf(bpfUnavailable())('calls through ffi-napi', () => {
  it('none by the daemon after its start: for kills, stalls, samples of a near rule, and reloads', async () => {
    const near = createMemoryGroup({ limitBytes: 64 * MIB });
    const hog = startHog(near, ['--hold', String(52 * MIB)]);
    await hog.ready;
    const config = await parseConfig(configuration(near), 'f.toml');
    await using watch = new Watch();
    const types = new Map<string, number>();
    watch.events$.subscribe(({ type }) => types.set(type, (types.get(type) ?? 0) + 1));
    await watch.open(config);

    const begun = ffiCalls();
    expect(begun).toBeGreaterThan(0);
    for (let i = 0; i < 3; i++) await oomKill({ limitBytes: 32 * MIB });
    await stalls();
    for (let i = 0; i < 100; i++) {
      watch.pressure?.totals();
      watch.pressure?.windowsOf(near.cgroupPath);
      watch.tracer?.lostSoFar();
      watch.pressure?.lostSoFar();
    }
    for (let i = 0; i < 3; i++) await watch.guardBy(config);
    await new Promise((resolve) => setTimeout(resolve, 500)); // some samples of the near rule, armed
    expect(ffiCalls() - begun).toBe(0);
    expect(types.get('oom.kill')).toBeGreaterThanOrEqual(3);
    // A level needs a slow disk or a busy machine; the kills alone cause countdowns.
    expect([...types.keys()].some((type) => type.startsWith('pressure.'))).toBe(true);
    hog.kill();
  });

  it('none by a tracer with lead-up, report and the stacks of stalls', async () => {
    await using tracer = await openTracer({ leadUp: true, report: true });
    await using monitor = await openPressure({ stallMs: 0, stack: true });
    let stacks = 0;
    monitor.stalls$.subscribe(({ stack }) => (stacks += stack === null ? 0 : 1));
    const begun = ffiCalls();
    await oomKill({ limitBytes: 32 * MIB });
    await stalls();
    expect(stacks).toBeGreaterThan(0);
    expect(ffiCalls() - begun).toBe(0);
    expect(tracer.started.hooks.length).toBeGreaterThan(0);
  });

  it('none by the scores after their first sample', () => {
    using table = openTaskTable('iterator');
    table.read();
    using scores = new ScoreSampler();
    scores.sample();
    const begun = ffiCalls();
    for (let i = 0; i < 20; i++) {
      table.read();
      scores.sample();
    }
    expect(ffiCalls() - begun).toBe(0);
  });

  it('the totals, read 20,000 times, leave no native memory behind', async () => {
    await using monitor = await openPressure();
    await stalls();
    const read = (times: number) => {
      for (let i = 0; i < times; i++) monitor.totals();
      loadNative().trimHeap();
      return loadNative().heapBytes().used;
    };
    const before = read(1000);
    // Through ffi-napi, this took 35 MB.
    expect(read(20_000) - before).toBeLessThan(3 * MIB);
  });
});
