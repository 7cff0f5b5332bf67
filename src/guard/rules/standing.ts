/**
 * What a supervisor of the machine says about its processes, before any rule: which of them must stay, and which of them it
 * would end first. On a node of Kubernetes this is the kubelet's order (src/kubernetes/node-guard.ts).
 */
import type { Sample, SampledProcess } from '../../model/sample.ts';

export interface Standing {
  /** Why the process must not be killed; undefined: it may be killed. */
  never?: string;
  /** The place in the order: a candidate with greater numbers comes first; the first number that differs decides. */
  order: readonly number[];
  /** The same for messages; undefined: nothing is to tell. */
  text?: string;
}

/** The part of a rule that says when it acts. */
export interface WatchingRule {
  name: string;
  on: readonly { kind: string }[];
  when: readonly { metric: { name: string }; operator: string; limit: number; unit: string }[];
}

export interface Supervisor {
  standingOf: (process: SampledProcess) => Standing;
  /** Sentences for the log about these rules on this machine. @param levels a sample without processes */
  notes: (rules: readonly WatchingRule[], levels: Sample) => string[];
}

/** Compares two places, for a sort that begins with the candidate to kill first. */
export function byOrder(a: readonly number[], b: readonly number[]): number {
  for (let i = 0; i < Math.min(a.length, b.length); i++) {
    const difference = (b[i] as number) - (a[i] as number);
    if (difference !== 0) return difference;
  }
  return 0;
}
