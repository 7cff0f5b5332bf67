/** A configuration as the TOML that says all of it: what `config print` shows, and `config import` writes. */

import type { SinkOptions } from '../alerts/open.ts';
import type { Secret } from '../alerts/secret.ts';
import type { GuardConfig } from '../guard/guard-config.ts';
import type { Detector, Match, Place, Preference, Rule, Step } from '../guard/rules/rule.ts';
import { writeDuration, writeSize } from '../text/units.ts';
import type { Config } from './config.ts';

export function writeConfig({ trace, pressure, output, alert, guard }: Config): string {
  const sections = [
    section('trace', {
      enabled: trace.enabled,
      candidates: trace.candidates,
      ring: trace.ring === undefined ? undefined : writeSize(trace.ring),
    }),
    section('pressure', {
      enabled: pressure.enabled,
      windows: pressure.windows.map(writeDuration),
      cgroups: pressure.cgroups,
    }),
    section('output', { format: output.format, events: output.events }),
    ...alert.map((sink) => `[[alert]]\n${pairs(sinkFields(sink))}`),
    ...(guard ? [writeGuard(guard)] : []),
  ];
  return sections.join('\n');
}

function sinkFields(given: SinkOptions): Fields {
  const { sink, target, minimum, spool, spoolBytes, timeoutMs, everyMs, args, key, token, mostBytes, keep } = given;
  return {
    sink,
    target,
    min: minimum,
    spool,
    spool_size: spoolBytes === undefined ? undefined : writeSize(spoolBytes),
    timeout: timeoutMs === undefined ? undefined : writeDuration(timeoutMs),
    every: everyMs === undefined ? undefined : writeDuration(everyMs),
    args,
    ...secretFields('key', key),
    ...secretFields('token', token),
    size: mostBytes === undefined ? undefined : writeSize(mostBytes),
    keep,
  };
}

function secretFields(name: string, secret: Secret | undefined): Fields {
  if (!secret) return {};
  return 'env' in secret ? { [`${name}_env`]: secret.env } : { [`${name}_file`]: secret.file };
}

/** The [guard] section alone. The default protection is written out, whatever it came from. */
export function writeGuard(guard: GuardConfig): string {
  const { rules, protect, killsPerMinute } = guard.policy;
  const head = section('guard', {
    mode: guard.mode,
    kills_per_minute: killsPerMinute,
    default_protection: false,
    protect: protect.map(matchFields),
    raise_score: guard.raiseScore,
    arm: guard.arm,
    lock_memory: guard.lockMemory,
    realtime_priority: guard.realtimePriority,
    state_file: guard.stateFile,
    fastest: writeDuration(guard.fastestMs),
  });
  return [head, ...rules.map((rule) => `[[guard.rule]]\n${pairs(ruleFields(rule))}`)].join('\n');
}

function ruleFields(rule: Rule): Fields {
  const { preferences } = rule;
  return {
    name: rule.name,
    on: rule.on.map(placeText),
    when: rule.when.map(({ text }) => text),
    rank: rule.rank,
    kill: rule.unit,
    prefer: preferences.filter(({ points }) => points > 0).map(preferenceFields),
    avoid: preferences.filter(({ points }) => points < 0).map(preferenceFields),
    never: rule.never.map(matchFields),
    min_size: writeSize(rule.minBytes),
    min_points: Number.isFinite(rule.minPoints) ? rule.minPoints : undefined,
    ignore_positive_adj: rule.ignorePositiveAdj,
    oom_group: rule.honourOomGroup,
    cool_down: writeDuration(rule.coolDownMs),
    undo_after: writeDuration(rule.undoAfterMs),
    steps: rule.steps.map(stepFields),
  };
}

function stepFields(step: Step): Fields {
  const texts = (detectors: readonly Detector[]) =>
    detectors.length === 0 ? undefined : detectors.map(({ text }) => text);
  return {
    do: step.do,
    command: step.command,
    bytes: step.bytes === undefined ? undefined : writeSize(step.bytes),
    percent: step.percent,
    if: texts(step.if),
    at_once: texts(step.atOnce),
    wait: step.waitMs === Number.POSITIVE_INFINITY ? 'never' : writeDuration(step.waitMs),
  };
}

function matchFields({ comm, exe, cmdline, uid, oomScoreAdj, cgroup, systemdUnit, container }: Match): Fields {
  return {
    comm: comm?.source,
    exe: exe?.source,
    cmdline: cmdline?.source,
    uid,
    oom_score_adj: oomScoreAdj && `${oomScoreAdj.least}..${oomScoreAdj.most}`,
    cgroup,
    unit: systemdUnit,
    container,
  };
}

const preferenceFields = ({ match, points }: Preference): Fields => ({
  ...matchFields(match),
  points: Math.abs(points),
});
const placeText = (place: Place) => (place.kind === 'cgroup' ? place.glob : place.kind);

type Fields = Record<string, unknown>;

const section = (name: string, fields: Fields) => `[${name}]\n${pairs(fields)}`;

/** Without those that are undefined. */
function pairs(fields: Fields): string {
  const given = Object.entries(fields).filter(([, value]) => value !== undefined);
  return given.map(([name, value]) => `${key(name)} = ${inline(value, name === 'steps')}\n`).join('');
}

function inline(value: unknown, lines = false): string {
  if (Array.isArray(value)) {
    const items = value.map((each) => inline(each));
    return lines ? `[\n${items.map((item) => `  ${item},\n`).join('')}]` : `[${items.join(', ')}]`;
  }
  if (typeof value === 'object' && value !== null) {
    const given = Object.entries(value).filter(([, each]) => each !== undefined);
    return `{ ${given.map(([name, each]) => `${key(name)} = ${inline(each)}`).join(', ')} }`;
  }
  return typeof value === 'string' ? quote(value) : String(value);
}

const key = (name: string) => (/^[A-Za-z0-9_-]+$/.test(name) ? name : quote(name));

/** A JSON string is a TOML string but for DEL. */
const quote = (text: string) => JSON.stringify(text).replaceAll('\x7f', '\\u007f');
