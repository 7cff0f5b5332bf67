/**
 * What works on this machine and what does not, each with the reason and the remedy. Needs no privilege.
 */
import { existsSync, readFileSync, statSync } from 'node:fs';
import { release } from 'node:os';
import { libbpfVersion } from '../libbpf/index.ts';
import { OomscopeError } from '../model/error.ts';
import { builtFile } from '../native.ts';
import {
  effectiveCapabilities,
  hasKernelBtf,
  KERNEL_BTF,
  kernelTooOld,
  memoryHierarchy,
  missingForTracing,
  readIfPresent,
} from './capabilities.ts';
import { kernelFacts, load, obstacle } from './loader.ts';
import type { Choice } from './variants.ts';

export interface Finding {
  name: string;
  /** `ok`; `warning`: works with less; `missing`: tracing is not possible without; `unknown`: cannot be told from here. */
  state: 'ok' | 'warning' | 'missing' | 'unknown';
  found: string;
  /** What to do, where something is to be done. */
  remedy: string | null;
}

export interface Diagnosis {
  /** Tracing works here and now. */
  can_trace: boolean;
  findings: Finding[];
  /** Which program would serve which hook. Empty when the kernel's BTF cannot be read. */
  hooks: Choice[];
}

export function diagnose(): Diagnosis {
  const { findings: native, usable } = nativeFindings();
  const hooks = usable && hasKernelBtf() ? kernelFacts().choices : [];
  const findings = [
    kernel(),
    btf(),
    capabilities(),
    ...native,
    ...(usable ? [programs()] : []),
    cgroups(),
    psi(),
    kernelLog(),
  ];
  const lacking = hooks.filter((choice) => choice.required && choice.program === undefined);
  for (const choice of lacking) {
    findings.push({
      name: `hook ${choice.hook}`,
      state: 'missing',
      found: choice.reason,
      remedy: 'a kernel with this tracepoint',
    });
  }
  return { can_trace: !findings.some(({ state }) => state === 'missing'), findings, hooks };
}

const ok = (name: string, found: string): Finding => ({ name, state: 'ok', found, remedy: null });

function kernel(): Finding {
  const found = `Linux ${release()}`;
  return kernelTooOld()
    ? { name: 'kernel', state: 'missing', found, remedy: 'Linux 5.10 or later' }
    : ok('kernel', found);
}

function btf(): Finding {
  if (hasKernelBtf()) return ok('kernel BTF', `${KERNEL_BTF}, ${Math.round(statSync(KERNEL_BTF).size / 1024)} KiB`);
  return {
    name: 'kernel BTF',
    state: 'missing',
    found: `no ${KERNEL_BTF}`,
    remedy: 'a kernel built with CONFIG_DEBUG_INFO_BTF=y',
  };
}

function capabilities(): Finding {
  const have = effectiveCapabilities();
  const missing = missingForTracing(have);
  if (missing.length > 0) {
    return {
      name: 'privileges',
      state: 'missing',
      found: `no ${missing.join(', ')}`,
      remedy: 'run it as root (sudo), or give these capabilities',
    };
  }
  return ok('privileges', [...have].join(' '));
}

function nativeFindings(): { findings: Finding[]; usable: boolean } {
  const object = builtFile('oomscope.bpf.o');
  const findings: Finding[] = [
    existsSync(object)
      ? ok('BPF object', `${Math.round(statSync(object).size / 1024)} KiB`)
      : { name: 'BPF object', state: 'missing', found: `no ${object}`, remedy: 'npm run setup' },
  ];
  try {
    const [major, minor] = libbpfVersion();
    findings.push(ok('addon', 'loads'));
    findings.push(ok('libbpf', `${major}.${minor}`));
    return { findings, usable: true };
  } catch (error) {
    if (!(error instanceof OomscopeError)) throw error;
    findings.push({ name: 'addon', state: 'missing', found: error.detail ?? error.code, remedy: error.message });
    return { findings, usable: false };
  }
}

/** The surest probe: give the kernel the real programs, attach nothing, and take them back. */
function programs(): Finding {
  const name = 'BPF programs';
  const blocked = obstacle();
  if (blocked) return { name, state: 'unknown', found: 'cannot be tried here', remedy: null };
  try {
    load({ ringBytes: 65536, attach: false }).close();
    return ok(name, 'the kernel accepts them');
  } catch (error) {
    if (!(error instanceof OomscopeError)) throw error;
    return {
      name,
      state: 'missing',
      found: `${error.message}\n${error.detail ?? ''}`,
      remedy: 'report this, with the kernel version',
    };
  }
}

function cgroups(): Finding {
  const hierarchy = memoryHierarchy();
  if (hierarchy) return ok('memory cgroups', `cgroup v${hierarchy.version} at ${hierarchy.mount}`);
  return {
    name: 'memory cgroups',
    state: 'warning',
    found: 'no memory controller is mounted',
    remedy: 'only system-wide OOM kills can happen here',
  };
}

function psi(): Finding {
  try {
    readFileSync('/proc/pressure/memory');
    return ok('PSI', '/proc/pressure/memory');
  } catch {
    return {
      name: 'PSI',
      state: 'warning',
      found: 'no /proc/pressure/memory: events have no pressure figures',
      remedy: 'boot with psi=1',
    };
  }
}

function kernelLog(): Finding {
  const panics = readIfPresent('/proc/sys/vm/panic_on_oom')?.trim();
  if (panics === undefined || panics === '0') return ok('panic_on_oom', panics ?? 'not readable');
  return {
    name: 'panic_on_oom',
    state: 'warning',
    found: `${panics}: the kernel panics instead of killing${panics === '2' ? ', for cgroup limits too' : ''}`,
    remedy: 'sysctl vm.panic_on_oom=0',
  };
}
