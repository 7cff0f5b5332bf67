/** Checks the requirements of tracing: kernel, BTF, privileges, native code, and whether the BPF programs load. */
import { existsSync, statSync } from 'node:fs';
import { release } from 'node:os';
import { libbpfVersion } from '../bpf/libbpf/index.ts';
import { pressureChoices } from '../bpf/load/pressure-loader.ts';
import { kernelFacts, loadTracer, obstacle } from '../bpf/load/tracer-loader.ts';
import type { Choice } from '../bpf/load/variants.ts';
import {
  btfRemedy,
  effectiveCapabilities,
  hasKernelBtf,
  KERNEL_BTF,
  kernelTooOld,
  missingForTracing,
  OLD_KERNEL_REMEDY,
} from '../linux/capabilities.ts';
import { memoryHierarchy } from '../linux/memory-hierarchy.ts';
import { OomscopeError } from '../model/error.ts';
import { nativeFile, reinstallRemedy, rightsRemedy } from '../native/files.ts';
import { type Finding, findingsOf } from './finding.ts';

const { ok, info, warning, missing, unknown } = findingsOf('tracing');

/** @returns the findings, and the BPF program for each hook; `hooks` is empty when the kernel's BTF cannot be read */
export function tracing(): { findings: Finding[]; hooks: Choice[] } {
  const { findings: native, usable } = nativeFindings();
  const tried = usable ? programs() : undefined;
  const hooks = tried?.hooks ?? (usable && hasKernelBtf() ? kernelFacts().choices : []);
  const findings = [kernel(), btf(), capabilities(), ...native, ...(tried ? [tried.finding] : []), cgroups()];
  if (usable && hasKernelBtf()) findings.push(pressure());
  for (const { hook, reason } of hooks.filter((choice) => choice.required && choice.program === undefined)) {
    findings.push(missing(`hook ${hook}`, reason, null, 'a kernel with this tracepoint'));
  }
  return { findings, hooks };
}

function kernel(): Finding {
  const found = `Linux ${release()}`;
  return kernelTooOld()
    ? missing('kernel', found, null, `Linux 5.10 or later: ${OLD_KERNEL_REMEDY}`)
    : ok('kernel', found);
}

function btf(): Finding {
  if (hasKernelBtf()) return ok('kernel BTF', `${KERNEL_BTF}, ${Math.round(statSync(KERNEL_BTF).size / 1024)} KiB`);
  return missing('kernel BTF', `no ${KERNEL_BTF}`, null, btfRemedy());
}

function capabilities(): Finding {
  const have = effectiveCapabilities();
  const lacking = missingForTracing(have);
  if (lacking.length > 0) {
    return missing(
      'privileges',
      `no ${lacking.join(', ')}`,
      null,
      `${rightsRemedy(lacking)}, or grant these capabilities`,
    );
  }
  return ok('privileges', [...have].join(' '));
}

function nativeFindings(): { findings: Finding[]; usable: boolean } {
  const object = nativeFile('oomscope.bpf.o');
  const findings: Finding[] = [
    existsSync(object)
      ? ok('BPF object', `${Math.round(statSync(object).size / 1024)} KiB`)
      : missing('BPF object', `no ${object}`, null, reinstallRemedy()),
  ];
  try {
    const [major, minor] = libbpfVersion();
    findings.push(ok('addon', 'loads'));
    findings.push(ok('libbpf', `${major}.${minor}`));
    return { findings, usable: true };
  } catch (error) {
    if (!(error instanceof OomscopeError)) throw error;
    findings.push(missing('addon', error.detail ?? error.code, null, error.message));
    return { findings, usable: false };
  }
}

/** Loads and attaches the real BPF programs, then removes them. @returns also the hooks that were attached */
function programs(): { finding: Finding; hooks?: Choice[] } {
  const name = 'BPF programs';
  const blocked = obstacle();
  if (blocked) return { finding: unknown(name, 'cannot be loaded here: see the other findings') };
  try {
    const loaded = loadTracer({ ringBytes: 65536 });
    loaded.close();
    return { finding: ok(name, 'the kernel accepts them'), hooks: loaded.choices };
  } catch (error) {
    if (!(error instanceof OomscopeError)) throw error;
    const remedy =
      error.code === 'NOT_PERMITTED' ? 'see the finding on privileges' : 'report this, with the kernel version';
    return { finding: missing(name, `${error.message}\n${error.detail ?? ''}`, null, remedy) };
  }
}

/** Finds which hooks would report stalls on memory, and which timer would evaluate the pressure windows. */
function pressure(): Finding {
  const choices = pressureChoices();
  const by = (hook: string) => choices.find((choice) => choice.hook === hook);
  const memstall = by('memstall_enter');
  const tick = by('tick')?.backend === 'timer' ? 'bpf_timer' : 'the hooks themselves';
  const others = choices.filter(({ backend }) => backend === 'tp_btf' || backend === 'raw_tp').length;
  const [name, rest] = ['pressure', `${others} tracepoints, clock by ${tick}`];
  return memstall?.program
    ? ok(name, `every stall, by ${memstall.backend} on psi_memstall_enter() and psi_memstall_leave(); ${rest}`)
    : info(name, rest, `oomscope does not see every stall: ${memstall?.reason}.`);
}

function cgroups(): Finding {
  const hierarchy = memoryHierarchy();
  if (hierarchy) return ok('memory cgroups', `cgroup v${hierarchy.version} at ${hierarchy.mount}`);
  return warning('memory cgroups', 'no memory controller is mounted', 'Only system-wide OOM kills are possible.');
}
