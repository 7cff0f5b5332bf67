/** Counts stalled time by cause, from what the BPF programs have accounted. */
import { containerCgroup } from '../containers/container-path.ts';
import type { CgroupOwner } from '../model/container.ts';
import type { PressureSubject, StallCause, StallNs } from '../model/pressure.ts';
import { subjectKey } from '../stream/subject-key.ts';
import { hasOwner, labelsOf, type OwnerOptions } from './owner.ts';
import type { Registry } from './registry.ts';

/** A container or unit gets series of its own when its tasks were stalled for this long together. */
const FLOOR_NS = 1e8;

const causes: readonly StallCause[] = [
  ...(['direct_reclaim', 'memcg_limit', 'memcg_high', 'compaction', 'swap_in', 'refault', 'other'] as const),
];

/** As `PressureTotals` of the pressure monitor. */
interface Totals {
  subject: PressureSubject;
  stall_ns: StallNs;
}

export interface StallCounterOptions extends OwnerOptions {
  registry: Registry;
  ownerOf: (path: string) => CgroupOwner;
}

export class StallCounter {
  readonly #options: StallCounterOptions;
  /** What is counted already, by subject. */
  readonly #counted = new Map<string, Partial<StallNs>>();

  constructor(options: StallCounterOptions) {
    this.#options = options;
  }

  /** @param all the totals of all subjects now */
  count(all: readonly Totals[]): void {
    // From 0 on, so that the first stall is an increase. The system is missing until one of its tasks was stalled.
    for (const cause of causes) this.#options.registry.begin('stall', { cause });
    const living = new Set<string>();
    for (const { subject, stall_ns } of all) {
      const key = subjectKey(subject);
      living.add(key);
      if (subject.scope === 'system') this.#add('stall', key, stall_ns, {});
      else this.#addOwned(key, subject.path, stall_ns);
    }
    for (const key of this.#counted.keys()) if (!living.has(key)) this.#counted.delete(key);
  }

  #addOwned(key: string, path: string, stalled: StallNs): void {
    const isFew = Object.values(stalled).reduce((sum, ns) => sum + ns, 0) < FLOOR_NS;
    if (isFew && !this.#counted.has(key)) return;
    const owner = this.#options.ownerOf(path);
    // The totals of a cgroup contain those of the cgroups in it, which must not be counted twice.
    const own = owner.container ? containerCgroup(path, owner.container.id) === path : path.endsWith(`/${owner.unit}`);
    const labels = labelsOf(owner, this.#options);
    if (own && hasOwner(labels) && !labels.unit?.endsWith('.slice')) this.#add('ownerStall', key, stalled, labels);
  }

  #add(
    family: 'stall' | 'ownerStall',
    key: string,
    stalled: StallNs,
    labels: Readonly<Record<string, string | undefined>>,
  ) {
    const before = this.#counted.get(key) ?? {};
    for (const [cause, ns] of Object.entries(stalled) as [StallCause, number][]) {
      const more = ns - (before[cause] ?? 0);
      if (more > 0 || family === 'stall')
        this.#options.registry.add(family, { ...labels, cause }, Math.max(0, more) / 1e9);
    }
    this.#counted.set(key, { ...stalled });
  }
}
