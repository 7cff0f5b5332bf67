/**
 * What works on this machine and what does not, and what would go wrong when memory runs out: each finding with its reason
 * and remedy. Needs no privilege, and tells what it could not read.
 */

import type { Choice } from '../bpf/load/variants.ts';
import { readIfPresent } from '../linux/capabilities.ts';
import type { Finding, Read, Severity } from './finding.ts';
import { groups } from './groups.ts';
import { kernelSettings } from './kernel-settings.ts';
import { killersAtWork } from './killers.ts';
import { memory } from './memory.ts';
import { listProcesses } from './processes.ts';
import { protection } from './protection.ts';
import { tracing } from './tracing.ts';

export interface Diagnosis {
  /** Tracing works here and now. */
  can_trace: boolean;
  worst: Severity;
  findings: Finding[];
  /** Which program would serve which hook. Empty when the kernel's BTF cannot be read. */
  hooks: Choice[];
}

/** The least serious first. */
const order: readonly Severity[] = ['ok', 'info', 'unknown', 'warning', 'missing', 'critical'];

export function diagnose(): Diagnosis {
  const { findings: aboutTracing, hooks } = tracing();
  const findings = [...aboutTracing, ...surroundings()];
  return {
    can_trace: !aboutTracing.some(({ severity }) => severity === 'missing'),
    worst: findings.reduce<Severity>((worst, { severity }) => (atLeast(severity, worst) ? severity : worst), 'ok'),
    findings,
    hooks,
  };
}

/** Everything but the tracer itself. @param root where proc/ and sys/ are, "" for this machine */
export function surroundings(root = ''): Finding[] {
  const read: Read = (path) => readIfPresent(`${root}${path}`);
  const processes = listProcesses(root);
  return [
    ...kernelSettings(read),
    ...memory(read, root),
    ...groups(),
    ...protection(processes, read),
    ...killersAtWork(processes, read),
  ];
}

export function atLeast(severity: Severity, floor: Severity): boolean {
  return order.indexOf(severity) >= order.indexOf(floor);
}
