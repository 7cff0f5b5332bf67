/**
 * Checks whether oomscope can trace on this machine, and what would go wrong when memory runs out. Each finding has a
 * reason and a remedy. The checks need no privileges: a check that cannot read a file gives a finding of severity
 * `unknown`.
 */
import type { Choice } from '../bpf/load/variants.ts';
import { readIfPresent } from '../linux/read-if-present.ts';
import type { Feature } from '../linux/rights.ts';
import type { Finding, Read, Severity } from './finding.ts';
import { groups } from './groups.ts';
import { guarding } from './guarding.ts';
import { kernelSettings } from './kernel-settings.ts';
import { killersAtWork } from './killers.ts';
import { memory } from './memory.ts';
import { listProcesses } from './processes.ts';
import { protection } from './protection.ts';
import { tracing } from './tracing.ts';

export interface Diagnosis {
  /** True when this machine has everything that tracing needs. */
  can_trace: boolean;
  /** The highest severity among the findings. */
  worst: Severity;
  findings: Finding[];
  /** The BPF program for each hook. Empty when the kernel's BTF cannot be read. */
  hooks: Choice[];
}

/** The severities, the least serious first. */
const order: readonly Severity[] = ['ok', 'info', 'unknown', 'warning', 'missing', 'critical'];

/** @param wanted what this process is to do, with these rights; undefined: unknown */
export function diagnose(wanted?: ReadonlySet<Feature>): Diagnosis {
  const { findings: aboutTracing, hooks } = tracing();
  const findings = [...aboutTracing, ...guarding(wanted), ...surroundings()];
  return {
    can_trace: !aboutTracing.some(({ severity }) => severity === 'missing'),
    worst: findings.reduce<Severity>((worst, { severity }) => (atLeast(severity, worst) ? severity : worst), 'ok'),
    findings,
    hooks,
  };
}

/** All findings except those about tracing. @param root directory that contains proc/ and sys/; "" for this machine */
export function surroundings(root = ''): Finding[] {
  const read: Read = (path) => readIfPresent(`${root}${path}`);
  const processes = listProcesses(root);
  return [
    ...kernelSettings(read),
    ...memory(read, root),
    ...groups(undefined, read),
    ...protection(processes, read),
    ...killersAtWork(processes, read),
  ];
}

export function atLeast(severity: Severity, floor: Severity): boolean {
  return order.indexOf(severity) >= order.indexOf(floor);
}
