/**
 * Before Linux 5.11 the kernel counts BPF maps and programs as locked memory of the user (kernel/bpf/syscall.c:
 * bpf_charge_memlock); since then it charges them to the memory cgroup. libbpf raises the limit of locked memory, which
 * needs CAP_SYS_RESOURCE.
 */
import { readFileSync } from 'node:fs';
import { isAtLeast } from '../../kernel-facts/version.ts';
import { effectiveCapabilities, kernelVersion } from '../../linux/capabilities.ts';
import { OomscopeError } from '../../model/error.ts';

export const countsAsLocked = (version = kernelVersion()): boolean => !isAtLeast(version, [5, 11]);

/** Explains EPERM if the limit of locked memory may be its cause; returns any other error unchanged. */
export function explainLockedMemory(
  error: unknown,
  limits = readFileSync('/proc/self/limits', 'latin1'),
  have = effectiveCapabilities(),
): unknown {
  const refused = error instanceof OomscopeError && error.code === 'NOT_PERMITTED';
  const limit = /^Max locked memory\s+(\d+)/m.exec(limits)?.[1]; // undefined if the limit is "unlimited"
  if (!refused || limit === undefined || have.has('CAP_SYS_RESOURCE')) return error;
  return new OomscopeError(
    'NOT_PERMITTED',
    `Before Linux 5.11 tracing also needs CAP_SYS_RESOURCE, or a limit of 8 MiB of locked memory (ulimit -l 8192): ` +
      `here it is ${Math.floor(Number(limit) / 1024)} KiB.`,
    { cause: error, ...(error.detail !== undefined && { detail: error.detail }) },
  );
}
