import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, expect, test } from 'vitest';
import type { Batch } from '../../src/bpf/wire/batch.ts';
import { OomImminentRecord, RecordKind } from '../../src/bpf/wire/layout.ts';
import { openTracer, type Tracer } from '../../src/index.ts';
import { createMemoryGroup, MIB, oomKill, removeMemoryGroups, startHog } from './memcg.ts';

let tracer: Tracer | undefined;
afterEach(() => {
  tracer?.close();
  removeMemoryGroups();
});

/** The kinds of all records, in ring order, and the times at which a kill was announced. */
async function records(): Promise<{ kinds: number[]; announcedNs: bigint[] }> {
  const kinds: number[] = [];
  const announcedNs: bigint[] = [];
  tracer = await openTracer();
  tracer.batches$.subscribe((batch: Batch) => {
    batch.walk((kind, at) => {
      kinds.push(kind);
      if (kind === IMMINENT) announcedNs.push(new OomImminentRecord(batch.view, at).header.ktime_ns);
    });
  });
  return { kinds, announcedNs };
}

const { RECORD_OOM_IMMINENT: IMMINENT, RECORD_OOM_KILL: KILL } = RecordKind;

test('announces each kill at a limit before it happens, also after many kills', async () => {
  const { kinds } = await records();
  for (let i = 0; i < 5; i++) {
    const seen = kinds.length;
    await oomKill({ limitBytes: 16 * MIB });
    await expect.poll(() => kinds.slice(seen)).toContain(KILL);
    expect(kinds.slice(seen)).toContain(IMMINENT);
    expect(kinds.indexOf(IMMINENT, seen)).toBeLessThan(kinds.indexOf(KILL, seen));
    await sleep(20); // announcements are at least 10 ms apart
  }
});

test('announces kills less and less often while no kill follows', async () => {
  const { kinds, announcedNs } = await records();
  const group = createMemoryGroup({ limitBytes: 16 * MIB });
  // On cgroup v1 a process can wait at its limit. On v2 the kernel always kills, so a kill follows each announcement.
  const waits = group.version === 1;
  if (waits) writeFileSync(join(group.path, 'memory.oom_control'), '1');
  const hogs = 12;
  for (let i = 0; i < hogs; i++) {
    startHog(group);
    await sleep(50);
  }
  expect(kinds.includes(KILL)).toBe(!waits);
  expect(announcedNs.length).toBeGreaterThan(1);
  if (!waits) return;
  // bpf/oom.bpf.c: at least 10 ms apart at first, and twice as long after each one.
  const gapsMs = announcedNs.slice(1).map((ns, i) => Number(ns - (announcedNs[i] ?? 0n)) / 1e6);
  gapsMs.forEach((gap, i) => {
    expect(gap).toBeGreaterThanOrEqual(10 * 2 ** (i + 1));
  });
});
