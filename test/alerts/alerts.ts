/** Alerts and events for the tests of sinks. */

import type { Alert } from '../../src/model/alert.ts';
import { noOwner } from '../../src/model/container.ts';
import type { ContainerOom } from '../../src/model/container-events.ts';
import type { Envelope, OomKill, TracerLost } from '../../src/model/events.ts';
import type { GuardAction, GuardResult, GuardTarget } from '../../src/model/guard.ts';
import { severityOfLevel } from '../../src/model/level.ts';
import type { PressureLevel, PressureLevelName, UsageLevel } from '../../src/model/pressure.ts';
import type { MemoryShortage } from '../../src/model/shortage.ts';

let made = 0;

/** A firing alert whose key no other alert has. */
export function anAlert(given: Partial<Alert> = {}): Alert {
  const number = ++made;
  return {
    schema: 'oomscope/alert/v1',
    id: `id-${number}`,
    key: `key-${number}`,
    status: 'firing',
    severity: 'warning',
    name: 'MemoryPressure',
    title: `alert ${number}`,
    message: `This is alert ${number}.`,
    labels: { alertname: 'MemoryPressure', severity: 'warning', node: 'n1', cgroup: `/group-${number}` },
    starts_at: new Date(Date.now() + number).toISOString(),
    ends_at: null,
    momentary: false,
    event: null,
    ...given,
  };
}

export const resolved = (alert: Alert): Alert => ({
  ...alert,
  id: `${alert.id}-end`,
  status: 'resolved',
  ends_at: new Date().toISOString(),
});

/** A hostile name that a process or a cgroup can have. */
export const HOSTILE = 'x\n<6>y"\'`$(id)\x1b[2J</b>\u202e*<!channel>';

export function pressureLevel(
  level: PressureLevelName,
  previous: PressureLevelName,
  given: { episode?: string; peak?: PressureLevelName; path?: string } = {},
): PressureLevel {
  const windows = [{ window_seconds: 0.1, some: 0.5, full: 0.2 }];
  const { episode = 'episode-1', peak = level, path = '/shop' } = given;
  return {
    ...envelope(level === 'critical' ? 'critical' : 'warning', `Pressure is ${level}.`),
    type: 'pressure.level',
    subject: { scope: 'cgroup', path, id: '12', ...noOwner },
    level,
    previous,
    episode,
    windows,
    decided_by_seconds: 0.1,
    duration_ns: 2_000_000_000,
    peak: { level: peak, some: 0.5, full: 0.2 },
    stalls: 7,
    stall_ns: {
      direct_reclaim: 1,
      memcg_limit: 2,
      memcg_high: 0,
      compaction: 0,
      swap_in: 0,
      refault: 0,
      other: 0,
    },
  };
}

export function usageLevel(level: PressureLevelName, previous: PressureLevelName): UsageLevel {
  return {
    ...envelope(severityOfLevel(level), `${level} is used.`),
    type: 'memory.usage',
    subject: { scope: 'system', path: '/', id: null, ...noOwner },
    level,
    previous,
    used: 0.9,
    used_bytes: 9,
    available_bytes: 1,
    limit_bytes: null,
    swap_total_bytes: 0,
    swap_free_bytes: 0,
    growth: null,
    top: [],
  };
}

export function shortage(level: PressureLevelName, previous: PressureLevelName): MemoryShortage {
  return {
    ...envelope(severityOfLevel(level), `Memory is ${level}.`),
    type: 'memory.shortage',
    subject: { scope: 'cgroup', path: '/shop', id: '12', ...noOwner },
    level,
    previous,
    peak: 'critical',
    episode: 'shortage-1',
    duration_ns: 2_000_000_000,
    cause: level === 'normal' ? null : 'stalls',
    window_seconds: 10,
    some: 0.9,
    full: 0.8,
    unreclaimable_bytes: 9,
    limit_bytes: 10,
    swap_left_bytes: 0,
    refaults_bytes_per_second: null,
    growth: null,
  };
}

export function lost(): TracerLost {
  const message = 'Lost: 3 oom_kill.';
  return {
    ...envelope('warning', message),
    type: 'tracer.lost',
    where: 'ring',
    lost: { oom_kill: 3 },
    total: 3,
    remedy: 'x',
  };
}

export function oomKill(kind: OomKill['kind'], comm = 'cache'): OomKill {
  return {
    ...envelope('critical', `${JSON.stringify(comm)} was killed.`),
    type: 'oom.kill',
    kind,
    victim: {
      pid: 4711,
      tid: 4711,
      ppid: 1,
      uid: 0,
      comm,
      process_comm: comm,
      exe: null,
      cmdline: null,
      cmdline_truncated: false,
      start_ticks: 1,
      threads: 1,
      oom_score_adj: 0,
      memory: null,
      cgroup: '/shop/web',
      namespace_pids: [],
      inner_containers: [],
      unit: null,
      pod: null,
      container: null,
      raw: null,
    },
    trigger: {
      pid: 4711,
      tid: 4711,
      uid: 0,
      comm,
      start_ticks: 1,
      gfp_mask: null,
      gfp: null,
      order: 0,
      gfp_source: null,
      cgroup_id: null,
      mems_allowed: null,
    },
    scope: 'cgroup',
    limit: null,
    limit_inferred: false,
    composition: null,
    cgroups: [],
    cgroup_version: 1,
    domain_bytes: null,
    badness_pages: null,
    candidates: null,
    candidates_considered: null,
    nodemask: null,
    signal_to_mark_ns: 1,
    system: { age_ns: 1, load_1m: null, load_5m: null, load_15m: null, pressure: null, meminfo: null },
    enrichment: 'partial',
    missing: [],
    lead_up: null,
  };
}

const target: GuardTarget = {
  takes: 'process',
  pid: 4711,
  start_ticks: 1,
  pgid: null,
  uid: 0,
  comm: 'cache',
  cgroup: '/shop/web',
  unit: null,
  pod: null,
  container: null,
  rss_bytes: 1,
  swap_bytes: 0,
  oom_score_adj: 0,
  processes: 1,
};

export function guardResult(outcome: GuardResult['outcome']): GuardResult {
  return {
    ...envelope('critical', 'cache was ended.'),
    type: 'guard.result',
    plan_id: 'plan-1',
    mode: 'enforce',
    rule: 'no memory',
    outcome,
    target,
    freed_bytes: 1,
    trigger_to_signal_ns: 1,
    signal_to_exit_ns: 1,
    signal_to_memory_back_ns: 1,
    kernel_killed_too: false,
    kernel_victim: null,
    lead_ns: null,
    stuck: null,
    mrelease: null,
  };
}

export function guardAction(action: GuardAction['action'], outcome: GuardAction['outcome']): GuardAction {
  return {
    ...envelope('warning', 'Memory is short.'),
    type: 'guard.action',
    plan_id: 'plan-1',
    mode: 'enforce',
    rule: 'no memory',
    action,
    outcome,
    target,
    detail: null,
    since_trigger_ns: 1,
  };
}

export function containerOom(killIds: string[]): ContainerOom {
  return {
    ...envelope('critical', 'web ran out of memory.'),
    type: 'container.oom',
    container: {
      runtime: 'docker',
      id: '0'.repeat(64),
      name: 'web',
      image: 'nginx:1',
      compose_project: null,
      compose_service: null,
    },
    pod: null,
    unit: null,
    verdict: 'main_killed',
    limit_of: 'container',
    limit: null,
    kills: killIds.map((kill_id) => ({
      kill_id,
      kind: 'killed',
      pid: 4711,
      comm: 'cache',
      rss_bytes: null,
      main: true,
    })),
    ...{ incident: 'incident', update: 0, final: true, group_kill: false, kill_count: killIds.length },
    ended: true,
    exit_code: 137,
    runtime_oom: true,
    ended_by: null,
    kill_to_end_ns: null,
  };
}

export function envelope(severity: Envelope['severity'], message: string): Envelope {
  const seq = ++made;
  return {
    schema: 'oomscope/v1',
    id: `event-${seq}`,
    seq,
    time: '2026-11-22T12:00:02.000000001Z',
    mono_ns: '1',
    boot_id: null,
    node: 'n1',
    severity,
    source: 'test',
    message,
  };
}
