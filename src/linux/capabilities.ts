/** The capabilities of this process, and the features of this kernel. */
import { existsSync, readFileSync } from 'node:fs';
import { release } from 'node:os';
import { isAtLeast, type KernelVersion, parseKernelVersion } from '../kernel-facts/version.ts';

/** The bits of the capabilities that oomscope checks for, from include/uapi/linux/capability.h. */
export const Capability = {
  CAP_DAC_OVERRIDE: 1,
  CAP_DAC_READ_SEARCH: 2,
  CAP_KILL: 5,
  CAP_SETGID: 6,
  CAP_SETUID: 7,
  CAP_IPC_LOCK: 14,
  CAP_SYS_PTRACE: 19,
  CAP_SYS_ADMIN: 21,
  CAP_SYS_NICE: 23,
  CAP_SYS_RESOURCE: 24,
  CAP_SYSLOG: 34,
  CAP_PERFMON: 38,
  CAP_BPF: 39,
} as const;
export type CapabilityName = keyof typeof Capability;

/** The effective capabilities of this process: CapEff in /proc/self/status. */
export function effectiveCapabilities(status = readFileSync('/proc/self/status', 'latin1')): Set<CapabilityName> {
  const mask = BigInt(`0x${/^CapEff:\s*([0-9a-f]+)$/m.exec(status)?.[1] ?? '0'}`);
  const names = Object.entries(Capability) as [CapabilityName, number][];
  return new Set(names.filter(([, bit]) => (mask >> BigInt(bit)) & 1n).map(([name]) => name));
}

/** A mask of capabilities, as in /proc/PID/status and capset(2). */
export const capabilityMask = (names: Iterable<CapabilityName>): bigint =>
  [...names].reduce((mask, name) => mask | (1n << BigInt(Capability[name])), 0n);

/** The capabilities that tracing needs but this process lacks. CAP_SYS_ADMIN replaces all of them. */
export function missingForTracing(have = effectiveCapabilities()): CapabilityName[] {
  if (have.has('CAP_SYS_ADMIN')) return [];
  return (['CAP_BPF', 'CAP_PERFMON'] as const).filter((name) => !have.has(name));
}

export const KERNEL_BTF = '/sys/kernel/btf/vmlinux';

export function hasKernelBtf(): boolean {
  return existsSync(KERNEL_BTF);
}

/** What to do without the kernel's BTF, and what works all the same, as the end of a sentence. */
export function btfRemedy(): string {
  if (!existsSync('/sys/kernel')) return 'mount -t sysfs sysfs /sys';
  return "boot a kernel built with CONFIG_DEBUG_INFO_BTF=y, as Debian's are (explain, scores, pressure and guard work without it)";
}

/** The version of the running kernel. */
export const kernelVersion = (): KernelVersion => parseKernelVersion(release()) ?? [0, 0];

/** The oldest kernel that is tested. BPF ring buffers exist since 5.8, BPF_PROG_TYPE_TRACING since 5.5. */
export const OLDEST_KERNEL: KernelVersion = [5, 10];

/** What to do on an older kernel, and what works all the same, as the end of a sentence. */
export const OLD_KERNEL_REMEDY = 'boot a newer kernel (explain and scores work on this one)';

export const kernelTooOld = (version = kernelVersion()): boolean => !isAtLeast(version, OLDEST_KERNEL);
