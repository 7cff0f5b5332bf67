/** What oomscope needs each capability for: the systemd unit, `doctor --unit` and the daemon follow this table. */
import { readdirSync, readFileSync } from 'node:fs';
import { isAtLeast, type KernelVersion } from '../kernel-facts/version.ts';
import { OomscopeError } from '../model/error.ts';
import { loadNative } from '../native/addon.ts';
import { failure } from '../native/system-call.ts';
import { type CapabilityName, capabilityMask, effectiveCapabilities, kernelVersion } from './capabilities.ts';

/**
 * - `watching`: trace and pressure. `guarding`: a guard that enforces. `arming`: a guard that arms its likely victim.
 * - `notifying`: the desktop sink, which notifies each user's session as that user.
 */
export type Feature = 'watching' | 'guarding' | 'arming' | 'notifying';

export interface Right {
  capability: CapabilityName;
  features: readonly Feature[];
  /** What does not work without it, as a clause. */
  without: string;
  /** Whether it is needed after the start, too. */
  stays: (features: ReadonlySet<Feature>, kernel: KernelVersion) => boolean;
}

const always = () => true;
/**
 * Before 5.19 the kernel refuses every bpf(2) of an unprivileged process where kernel.unprivileged_bpf_disabled is set
 * (kernel/bpf/syscall.c), reading a map as well. A reload loads the programs of the arming again.
 */
const loadsAgain: Right['stays'] = (features, kernel) => features.has('arming') || !isAtLeast(kernel, [5, 19]);

export const rights: readonly Right[] = [
  {
    capability: 'CAP_BPF',
    features: ['watching', 'arming'],
    without: 'no BPF program can be loaded: nothing is traced, and no process is armed',
    stays: loadsAgain,
  },
  {
    capability: 'CAP_PERFMON',
    features: ['watching', 'arming'],
    without: 'no BPF program can be loaded: nothing is traced, and no process is armed',
    stays: (features) => features.has('arming'),
  },
  {
    capability: 'CAP_SYS_PTRACE',
    features: ['watching', 'guarding'],
    without: "the programs (exe) of other users' processes are unknown",
    stays: always,
  },
  {
    capability: 'CAP_KILL',
    features: ['guarding'],
    without: 'no process of another user can be signalled',
    stays: always,
  },
  {
    capability: 'CAP_DAC_OVERRIDE',
    features: ['guarding'],
    without: "the oom_score_adj of other users' processes, and cgroups of other users, cannot be written",
    stays: always,
  },
  {
    capability: 'CAP_SYS_RESOURCE',
    features: ['guarding'],
    without: 'an oom_score_adj that a guard with this capability raised cannot be restored after a kill -9',
    stays: always,
  },
  {
    capability: 'CAP_SYS_NICE',
    features: ['guarding'],
    without: 'a victim exits at its own priority, and while memory is short, other processes may use all CPU time',
    stays: always,
  },
  {
    capability: 'CAP_DAC_READ_SEARCH',
    features: ['notifying'],
    without: 'the desktop sessions of other users are not found',
    stays: always,
  },
  {
    capability: 'CAP_SETUID',
    features: ['notifying'],
    without: 'no desktop session of another user can be notified',
    stays: always,
  },
  {
    capability: 'CAP_SETGID',
    features: ['notifying'],
    without: 'no desktop session of another user can be notified',
    stays: always,
  },
];

export const rightsFor = (features: ReadonlySet<Feature>): Right[] =>
  rights.filter((right) => right.features.some((feature) => features.has(feature)));

/** The capabilities that a daemon with these features keeps after its start. */
export const lastingCapabilities = (features: ReadonlySet<Feature>, kernel = kernelVersion()): CapabilityName[] =>
  rightsFor(features)
    .filter(({ stays }) => stays(features, kernel))
    .map(({ capability }) => capability);

/**
 * Takes all other capabilities away from the threads of this process. They do not come back. A program that it starts gets
 * none if the unit sets SecureBits=noroot; otherwise the kernel gives a program of root those of the bounding set.
 *
 * @returns how many threads keep others: one that blocks signals cannot be reached, such as Node's for its debugger
 * @throws OomscopeError SYSTEM_CALL: this thread has others
 */
export function limitCapabilities(keep: readonly CapabilityName[]): number {
  const mask = capabilityMask(keep);
  const why = failure(loadNative().limitCapabilities(mask));
  const wider = readdirSync('/proc/self/task').filter((tid) => (effectiveMask(tid) & ~mask) !== 0n);
  if (!wider.includes(String(process.pid))) return wider.length;
  throw new OomscopeError('SYSTEM_CALL', `This process cannot give up capabilities: ${why ?? 'unknown'}.`);
}

/** The capabilities that this process lacks now and that these features need. */
export function lackingFor(
  features: ReadonlySet<Feature>,
  have: ReadonlySet<CapabilityName> = effectiveCapabilities(),
): Right[] {
  return rightsFor(features).filter(({ capability }) => !have.has(capability));
}

function effectiveMask(tid: string): bigint {
  try {
    const status = readFileSync(`/proc/self/task/${tid}/status`, 'latin1');
    return BigInt(`0x${/^CapEff:\s*([0-9a-f]+)$/m.exec(status)?.[1] ?? '0'}`);
  } catch {
    return 0n; // the thread has ended
  }
}
