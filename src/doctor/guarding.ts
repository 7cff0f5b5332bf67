/** Checks what a guard needs that enforces: whether it can arm its likely victim, and the rights over other users' processes. */
import { loadGuard } from '../bpf/load/guard-loader.ts';
import { obstacle } from '../bpf/load/tracer-loader.ts';
import { type CapabilityName, effectiveCapabilities } from '../linux/capabilities.ts';
import { type Feature, lackingFor } from '../linux/rights.ts';
import { OomscopeError } from '../model/error.ts';
import { type Finding, findingsOf } from './finding.ts';

const { ok, info, warning } = findingsOf('tracing');

/**
 * Without the rights to trace there is no finding: then the finding on privileges says what is missing.
 *
 * @param wanted what this process is to do; undefined: unknown, and then a missing right is no fault
 */
export function guarding(wanted?: ReadonlySet<Feature>, have = effectiveCapabilities()): Finding[] {
  if (obstacle()) return [];
  return [...(wanted?.has('arming') === false ? [] : [arming()]), ...rights(have, wanted)];
}

/** Loads and attaches the guard's real BPF programs, then removes them. */
function arming(): Finding {
  try {
    const loaded = loadGuard({ kernelSignals: true });
    loaded.close();
    return ok(
      'arming',
      `the kernel accepts the guard's programs; signals are sent by ${loaded.signals ? 'BPF' : 'the addon'}`,
    );
  } catch (error) {
    if (!(error instanceof OomscopeError)) throw error;
    const reason = 'A guard acts only by its rules, and memory may run out faster than they are checked.';
    return warning('arming', `not possible: ${error.message}`, reason, 'report this, with the kernel version');
  }
}

function rights(have: ReadonlySet<CapabilityName>, wanted: ReadonlySet<Feature> | undefined): Finding[] {
  const lacking = lackingFor(wanted ?? new Set(['watching', 'guarding']), have);
  if (lacking.length === 0) return [ok('rights', 'complete')];
  return lacking.map(({ capability, without }) =>
    (wanted ? warning : info)(
      'rights',
      `no ${capability}`,
      `Without it ${without}.`,
      wanted ? `add ${capability} to the service's capabilities` : null,
    ),
  );
}
