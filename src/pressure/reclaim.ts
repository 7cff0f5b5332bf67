/**
 * Reclaims memory from cgroups that the user has named, through the kernel's memory.reclaim (cgroup v2, Linux 5.19).
 */
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { ownerOf } from '../containers/container-path.ts';
import { type EnvelopeFactory, realtimeOffsetNs } from '../events/envelope.ts';
import type { Cgroupfs } from '../linux/cgroupfs.ts';
import { OomscopeError } from '../model/error.ts';
import type { PressureSubject } from '../model/pressure.ts';
import type { MemoryReclaimed } from '../model/suggestion.ts';
import { isWithin } from '../text/cgroup-path.ts';
import { formatBytes } from '../text/format.ts';

/** One option `--reclaim CGROUP=BYTES`. */
export interface ReclaimOrder {
  cgroup: string;
  bytes: number;
}

export type Reclaim = Pick<
  MemoryReclaimed,
  'cgroup' | 'asked_bytes' | 'before_bytes' | 'after_bytes' | 'outcome' | 'detail'
>;

const PAUSE_MS = 10_000;

/** Reclaims memory when a level becomes critical, at most once in 10 s for each order. */
export class Reclaimer {
  readonly #orders: readonly ReclaimOrder[];
  readonly #cgroups: Cgroupfs;
  readonly #envelopes: EnvelopeFactory;
  readonly #emit: (event: MemoryReclaimed) => void;
  readonly #startedMs = new Map<ReclaimOrder, number>();

  constructor(options: {
    orders: readonly ReclaimOrder[];
    cgroups: Cgroupfs;
    envelopes: EnvelopeFactory;
    emit: (event: MemoryReclaimed) => void;
  }) {
    this.#orders = options.orders;
    this.#cgroups = options.cgroups;
    this.#envelopes = options.envelopes;
    this.#emit = options.emit;
  }

  /**
   * Starts the orders that free memory of the subject: all orders for the system, else those for the cgroup or below
   * it.
   */
  relieve(because: { id: string; subject: PressureSubject }): void {
    const { scope, path } = because.subject;
    for (const order of this.#orders) {
      if (scope === 'system' || isWithin(order.cgroup, path)) void this.#run(order, because.id);
    }
  }

  async #run(order: ReclaimOrder, becauseId: string): Promise<void> {
    const now = performance.now();
    if (now - (this.#startedMs.get(order) ?? Number.NEGATIVE_INFINITY) < PAUSE_MS) return;
    this.#startedMs.set(order, now);
    const facts = await reclaim(order, this.#cgroups);
    const severity = facts.outcome === 'failed' ? 'warning' : 'info';
    const [mono, offset, message] = [process.hrtime.bigint(), realtimeOffsetNs(), reclaimMessage(facts)];
    const envelope = this.#envelopes.next(mono, offset, severity, 'oomscope:reclaim', message);
    this.#emit({
      ...envelope,
      type: 'memory.reclaimed',
      because_id: becauseId,
      ...facts,
      ...ownerOf(facts.cgroup),
    });
  }
}

/** Checks an order. @throws OomscopeError USAGE: the kernel or the cgroup has no memory.reclaim */
export function checkReclaim({ cgroup }: ReclaimOrder, cgroups: Cgroupfs | undefined): void {
  if (cgroups?.version !== 2) {
    const has = cgroups ? 'cgroup v1, whose memory.force_empty reclaims everything or nothing' : 'no memory cgroups';
    throw new OomscopeError(
      'USAGE',
      `--reclaim: expected cgroup v2 and Linux 5.19, which have memory.reclaim; this machine has ${has}.`,
    );
  }
  if (existsSync(`${cgroups.directory(cgroup)}/memory.reclaim`)) return;
  const why = existsSync(cgroups.directory(cgroup))
    ? 'it has no memory.reclaim (Linux 5.19)'
    : 'there is no such cgroup';
  throw new OomscopeError('USAGE', `--reclaim: expected a cgroup to reclaim memory from, got "${cgroup}": ${why}.`);
}

/** Reclaims memory. The kernel may take seconds. Never rejects. */
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
    // By Documentation/admin-guide/cgroup-v2.rst, EAGAIN means that less than the requested size was reclaimed.
    if (code === 'EAGAIN') return ended('less', null);
    return ended('failed', `memory.reclaim: ${code ?? String(error)}`);
  }
}

/** Composes the `message` of a `memory.reclaimed` event. */
export function reclaimMessage({ cgroup, asked_bytes, before_bytes, after_bytes, outcome, detail }: Reclaim): string {
  if (outcome === 'failed') return `Could not reclaim memory from ${cgroup}: ${detail}.`;
  const freed = before_bytes === null || after_bytes === null ? null : Math.max(0, before_bytes - after_bytes);
  const less = outcome === 'less' ? ', less than was asked for' : '';
  return `Reclaimed ${freed === null ? 'memory' : formatBytes(freed)} of ${formatBytes(asked_bytes)} from ${cgroup}${less}.`;
}
