/** Sentences about what a guard cannot see or do on this machine, said once at its start. */
import { readdirSync, readFileSync } from 'node:fs';
import type { Sample, SampledCgroup } from '../model/sample.ts';
import { globMatch } from '../text/glob.ts';
import { printable } from '../text/printable.ts';
import { placesOf } from './rules/detect.ts';
import { lacksSwap } from './rules/metric.ts';
import type { Detector, Place, Rule } from './rules/rule.ts';

/** @param sample a sample of the machine, taken for these rules */
export function startNotes(rules: readonly Rule[], sample: Sample, proc = '/proc'): string[] {
  const notes = rules.flatMap((rule) => ruleNotes(rule, sample).map((note) => `rule "${rule.name}": ${note}`));
  const hidden = hiddenProcesses(proc);
  return [...(hidden === undefined ? [] : [hidden]), ...new Set(notes)].map((note) => printable(note));
}

/** What the rules watch: `rule "x" watches the system: available <= 10 %`. */
export const watchNotes = (rules: readonly Rule[]): string[] =>
  rules.map(({ name, on, when }) =>
    printable(
      `rule "${name}" watches ${on.map(placeWords).join(' and ')}: ${when.map(({ text }) => text).join(' and ')}`,
    ),
  );

function placeWords(place: Place): string {
  const words = { system: 'the system', containers: 'every container', limited: 'every cgroup with a memory limit' };
  return place.kind === 'cgroup' ? place.glob : words[place.kind];
}

function ruleNotes(rule: Rule, sample: Sample): string[] {
  const notes: string[] = [];
  for (const place of rule.on) {
    if (place.kind !== 'cgroup' || sample.cgroups.some(({ path }) => globMatch(place.glob, path))) continue;
    const what = /[*?]/.test(place.glob) ? `no cgroup matches ${place.glob}` : `there is no cgroup ${place.glob}`;
    notes.push(`${what}; the rule acts when one is created`);
  }
  for (const cgroup of placesOf(rule.on, sample)) {
    const where = cgroup ? cgroup.path : 'the system';
    if (rule.when.every((detector) => lacksSwap(detector, sample.system, cgroup))) {
      notes.push(`it never fires for ${where}, because there is no swap, and all of its detectors are about free swap`);
    }
    for (const detector of rule.when) {
      const why = neverHolds(detector, sample, cgroup);
      if (why !== undefined) notes.push(`"${detector.text}" never holds for ${where}, because ${why}`);
    }
  }
  return notes;
}

/** Why a detector cannot hold at a place. undefined: it can. */
function neverHolds(detector: Detector, { system }: Sample, cgroup: SampledCgroup | undefined): string | undefined {
  const { metric, unit, place } = detector;
  const subject = place === 'system' ? undefined : cgroup;
  const needsLimit =
    metric.name === 'available' || metric.name === 'exhausted_in' || (metric.name === 'usage' && unit === 'percent');
  if (subject && subject.limit_bytes === null && needsLimit) return 'the cgroup has no memory limit';
  if (metric.name === 'rounds_left' && (subject ?? system).fruitless_rounds === null) {
    return 'only `oomscope run` with [pressure] counts reclaims';
  }
  if (metric.name === 'zram' && system.zram_bytes === null) return 'there is no zram device';
  if (metric.name !== 'pressure') return undefined;
  if (typeof metric.over === 'number') {
    const measured = (subject ?? system).windows.some(({ window_seconds }) => window_seconds * 1000 === metric.over);
    return measured ? undefined : 'only `oomscope run` with this window in [pressure] measures it';
  }
  if (!system.pressure) return 'the kernel has no PSI, or PSI is switched off (boot with psi=1)';
  return subject && !subject.pressure ? 'the cgroup has no memory.pressure, which only cgroup v2 has' : undefined;
}

/** Whether /proc hides the processes of other users from this process (hidepid). */
function hiddenProcesses(proc: string): string | undefined {
  try {
    if (readdirSync(proc).includes('1')) readFileSync(`${proc}/1/stat`);
    else throw new Error('process 1 is not listed');
    return undefined;
  } catch {
    return `${proc} hides the processes of other users (hidepid): the guard cannot see or choose them. Run it as root, or mount ${proc} with gid= of a group that it is in`;
  }
}
