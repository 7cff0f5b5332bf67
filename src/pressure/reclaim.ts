/** Takes memory back from a cgroup, through the kernel's own memory.reclaim: what is asked for by name, and no more. */
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import type { Cgroupfs } from '../linux/cgroupfs.ts';
import { OomscopeError } from '../model/error.ts';
import type { MemoryReclaimed } from '../model/suggestion.ts';
import { formatBytes } from '../text/format.ts';

/** `--reclaim CGROUP=BYTES`. */
export interface ReclaimOrder {
  cgroup: string;
  bytes: number;
}

export type Reclaim = Pick<
  MemoryReclaimed,
  'cgroup' | 'asked_bytes' | 'before_bytes' | 'after_bytes' | 'outcome' | 'detail'
>;

/** @throws OomscopeError USAGE where this kernel or group cannot do it */
export function checkReclaim({ cgroup }: ReclaimOrder, cgroups: Cgroupfs | undefined): void {
  if (cgroups?.version !== 2) {
    const has = cgroups ? 'cgroup v1, whose memory.force_empty takes all or nothing' : 'no memory cgroups';
    throw new OomscopeError(
      'USAGE',
      `--reclaim: expected cgroup v2 and Linux 5.19, for memory.reclaim; here is ${has}.`,
    );
  }
  if (existsSync(`${cgroups.directory(cgroup)}/memory.reclaim`)) return;
  const why = existsSync(cgroups.directory(cgroup))
    ? 'it has no memory.reclaim (Linux 5.19)'
    : 'there is no such cgroup';
  throw new OomscopeError('USAGE', `--reclaim: expected a cgroup to take memory from, got "${cgroup}": ${why}.`);
}

/** Waits for the kernel, which may take seconds. Never rejects. */
export async function reclaim({ cgroup, bytes }: ReclaimOrder, cgroups: Cgroupfs): Promise<Reclaim> {
  using group = cgroups.open(cgroup);
  const before = group?.usage() ?? null;
  const ended = (outcome: Reclaim['outcome'], detail: string | null): Reclaim => {
    return { cgroup, asked_bytes: bytes, before_bytes: before, after_bytes: group?.usage() ?? null, outcome, detail };
  };
  try {
    await writeFile(`${cgroups.directory(cgroup)}/memory.reclaim`, String(bytes));
    return ended('done', null);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    // Documentation/admin-guide/cgroup-v2.rst: EAGAIN where less was reclaimed than asked for.
    if (code === 'EAGAIN') return ended('less', null);
    return ended('failed', `memory.reclaim: ${code ?? String(error)}`);
  }
}

export function reclaimMessage({ cgroup, asked_bytes, before_bytes, after_bytes, outcome, detail }: Reclaim): string {
  if (outcome === 'failed') return `Could not reclaim memory from ${cgroup}: ${detail}.`;
  const found = before_bytes === null || after_bytes === null ? null : Math.max(0, before_bytes - after_bytes);
  const less = outcome === 'less' ? ', less than was asked for' : '';
  return `Reclaimed ${found === null ? 'memory' : formatBytes(found)} of ${formatBytes(asked_bytes)} from ${cgroup}${less}.`;
}
