/** Writes a configuration as TOML with all settings, for `config print` and `config import`. */
import type { GuardConfig } from '../guard/guard-config.ts';
import type { Match, Place, Preference, Rule } from '../guard/rules/rule.ts';
import { writeDuration, writeSize } from '../text/units.ts';
import { alertFields } from './alerts.ts';
import type { Config } from './config.ts';
import { historyFields } from './history.ts';
import { metricsFields } from './metrics.ts';
import { otlpFields } from './otlp.ts';
import { publishFields } from './publish.ts';
import { stepFields } from './step.ts';
import { arraySection, type Fields, section } from './toml-text.ts';
import { webFields } from './web.ts';

export function writeConfig({
  trace,
  pressure,
  output,
  metrics,
  otlp,
  history,
  web,
  alert,
  publish,
  guard,
}: Config): string {
  const sections = [
    section('trace', {
      enabled: trace.enabled,
      candidates: trace.candidates,
      other_users: trace.other_users,
      kills: trace.kills,
      ring: trace.ring === undefined ? undefined : writeSize(trace.ring),
    }),
    section('pressure', {
      enabled: pressure.enabled,
      profile: pressure.profile,
      windows: pressure.windows.map(writeDuration),
      cgroups: pressure.cgroups,
    }),
    section('output', {
      format: output.format,
      events: output.events,
      levels: output.levels === undefined ? undefined : writeDuration(output.levels),
    }),
    ...(metrics ? [section('metrics', metricsFields(metrics))] : []),
    ...(otlp ? [section('otlp', otlpFields(otlp))] : []),
    ...(web ? [section('web', webFields(web))] : []),
    ...(history ? [section('history', historyFields(history))] : []),
    ...alert.map((sink) => arraySection('alert', alertFields(sink))),
    ...(publish ? [section('publish', publishFields(publish))] : []),
    ...(guard ? [writeGuard(guard)] : []),
  ];
  return sections.join('\n');
}

/** Writes only the [guard] section. It lists all protected processes, including those that are protected by default. */
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
  return [head, ...rules.map((rule) => arraySection('guard.rule', ruleFields(rule)))].join('\n');
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
    min_size: rule.minBytes === undefined ? undefined : writeSize(rule.minBytes),
    min_points: Number.isFinite(rule.minPoints) ? rule.minPoints : undefined,
    min_growth: rule.minGrowthShare > 0 ? `${Number((100 * rule.minGrowthShare).toFixed(2))} %` : undefined,
    ignore_positive_adj: rule.ignorePositiveAdj,
    oom_group: rule.honourOomGroup,
    cool_down: writeDuration(rule.coolDownMs),
    undo_after: writeDuration(rule.undoAfterMs),
    steps: rule.steps.map(stepFields),
  };
}

function matchFields({
  comm,
  exe,
  cmdline,
  cwd,
  environ,
  uid,
  oomScoreAdj,
  cgroup,
  systemdUnit,
  container,
}: Match): Fields {
  return {
    comm: comm?.source,
    exe: exe?.source,
    cmdline: cmdline?.source,
    cwd: cwd?.source,
    environ: environ?.source,
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
