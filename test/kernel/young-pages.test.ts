/** The memory for the objects of the next event is mapped before the event. */
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, expect, test } from 'vitest';
import { createMemoryGroup } from '../../src/demo/memory-group.ts';
import { loadNative } from '../../src/native/addon.ts';
import { startTrace } from '../cli/cli.ts';
import { MIB, oomKill, removeMemoryGroups } from './memcg.ts';
import { bpfUnavailable } from './unavailable.ts';

const KILLS = 4;
/** After a kill, its memory is made ready for the next one within this time (ms). */
const READY_MS = 700;

afterEach(removeMemoryGroups);

/** The page faults of the JavaScript thread of a process that needed no read of a file. */
function faults(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/task/${pid}/stat`, 'latin1');
  return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[7]);
}

test('mapYoungPages() maps the memory that the next objects use', () => {
  const ready = loadNative().mapYoungPages();
  if (ready === -22) return; // before Linux 5.14
  expect(ready).toBeGreaterThan(0);
  expect(ready).toBeLessThanOrEqual(256 * 1024);
});

test.skipIf(bpfUnavailable() || loadNative().mapYoungPages() < 0)(
  'the JavaScript thread of `trace --json` maps hardly any page while it reports a kill',
  async () => {
    const { child, events, ended } = await startTrace();
    const { pid = 0 } = child;
    const group = createMemoryGroup({ limitBytes: 16 * MIB });
    const counts: number[] = [];
    for (let i = 0; i < KILLS; i++) {
      await sleep(READY_MS);
      const before = faults(pid);
      const killed = await oomKill({ group });
      const isOver = () => events.some((event) => event.type === 'oom.reaped' && event.victim.pid === killed.pid);
      await expect.poll(isOver, { timeout: 10_000, interval: 10 }).toBe(true);
      counts.push(faults(pid) - before);
    }
    child.kill('SIGTERM');
    await ended;
    // Without the mapping ahead there are 12 to 30 at each kill. The least counts, because a shortage on the machine may take pages.
    expect(Math.min(...counts)).toBeLessThan(5);
  },
  30_000,
);

test.skipIf(bpfUnavailable() || loadNative().mapYoungPages() < 0)(
  'the JavaScript thread of `trace --json --report` has rehearsed a report before the first one',
  async () => {
    const { child, events, ended } = await startTrace(['--report']);
    const { pid = 0 } = child;
    const group = createMemoryGroup({ limitBytes: 16 * MIB });
    await sleep(2 * READY_MS);
    const before = faults(pid);
    const killed = await oomKill({ group });
    const isOver = () => events.some((event) => event.type === 'oom.report' && event.victim?.pid === killed.pid);
    await expect.poll(isOver, { timeout: 10_000, interval: 10 }).toBe(true);
    const count = faults(pid) - before;
    child.kill('SIGTERM');
    await ended;
    // Without a rehearsal there are some 200, of which 100 for the objects of the report.
    expect(count).toBeLessThan(80);
  },
  30_000,
);
