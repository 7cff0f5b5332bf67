import { expect, test } from 'vitest';
import type { CgroupComposition } from '../../src/model/cgroup-usage.ts';
import type { OomKill } from '../../src/model/oom-kill.ts';
import { renderEvent } from '../../src/render/terminal.ts';
import { eventsOfType, recordings, withChanges } from '../../src/testing/index.ts';

const MIB = 2 ** 20;
const plain = (_: string, text: string) => text;

/** A kill at a limit of 64 MiB, whose composition was read when the cgroup used this much. */
function killWith(usage: number): OomKill {
  const kill = eventsOfType(recordings.containerKill, 'oom.kill')[0];
  if (!kill?.limit) throw new Error('expected a recorded kill at a limit');
  const composition: CgroupComposition = {
    ...{ source: 'memory.stat', age_ns: 6_000_000, usage_bytes: usage, anon_bytes: usage - 12 * MIB, file_bytes: 0 },
    ...{ shmem_bytes: 12 * MIB, kernel_bytes: 0, slab_bytes: 0, sock_bytes: 0, page_tables_bytes: 0, swap_bytes: 0 },
  };
  return withChanges(kill, { composition, limit: { ...kill.limit, limit_bytes: 64 * MIB } });
}

test('shows what the memory of the cgroup consisted of at the kill', () => {
  expect(renderEvent(killWith(64 * MIB), plain)).toMatch(
    /made of +anon 52 MiB, .*tmpfs and shared 12 MiB, .*read after 6\.0 ms/,
  );
});

test('shows figures that were read after the victim had freed its memory as what is left', () => {
  const text = renderEvent(killWith(12 * MIB), plain);
  expect(text).toMatch(/left +12 MiB 6\.0 ms after the kill: anon 0 B/);
  expect(text).not.toContain('made of');
});

test('says how much is in use where the parts do not add up to it', () => {
  // The kernel has unmapped the pages of the victim, and not freed them yet.
  const kill = killWith(64 * MIB);
  const composition = { ...(kill.composition as CgroupComposition), anon_bytes: 7 * MIB };
  expect(renderEvent(withChanges(kill, { composition }), plain)).toMatch(
    /made of +anon 7 MiB, .*tmpfs and shared 12 MiB, .*of 64 MiB in use, read after 6\.0 ms/,
  );
});
