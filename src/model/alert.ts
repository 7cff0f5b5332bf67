/** Alerts: events that a person should know about. An alert fires and, unless it is momentary, is resolved later. */
import { type CgroupOwner, shortId } from './container.ts';
import type { ContainerOom } from './container-events.ts';
import type { Event, OomKill, OomStuck } from './events.ts';
import type { FleetIncident, FleetNode } from './fleet.ts';
import type { GuardAction, GuardOutcome, GuardResult } from './guard.ts';
import { severityOfLevel } from './level.ts';
import type { PressureLevel, PressureLevelName, PressureSubject, UsageLevel } from './pressure.ts';
import type { ProcessKilled } from './process-killed.ts';
import type { Severity } from './severity.ts';
import type { MemoryShortage } from './shortage.ts';

/**
 * An alert as every sink receives it; sinks that write JSON write this object. Names in it are as the kernel has them:
 * make them safe before you print them.
 */
export interface Alert {
  /** The schema of the alert. */
  schema: 'oomscope/alert/v1';
  /** The unique id of the alert. A receiver that sees an id twice has received the same alert twice. */
  id: string;
  /** The same for all alerts about one thing: one episode of pressure, or one kill. */
  key: string;
  /** `firing`: the condition lasts, or the event has happened. `resolved`: the condition is over. */
  status: 'firing' | 'resolved';
  /** The severity. A resolved alert has the highest severity that its condition had. */
  severity: Severity;
  /** The kind of alert, as in the label `alertname` of Prometheus: "OomKill". */
  name: string;
  /** A title of a few words. */
  title: string;
  /** One sentence: the `message` of the event. */
  message: string;
  /** Labels for routing and grouping. They have no pid and no time, so that they are the same for similar kills. */
  labels: Record<string, string>;
  /** When the condition began or the event happened: RFC 3339. */
  starts_at: string;
  /** When the condition ended: RFC 3339. null: it lasts. A momentary alert ends when it starts. */
  ends_at: string | null;
  /** Whether the alert is about one moment. If so, no `resolved` alert follows. */
  momentary: boolean;
  /** The event that caused the alert. null: the alert is a test. */
  event: Event | null;
}

/** The alert for an event. undefined: the event needs no alert, as most events do. */
export function alertOf(event: Event): Alert | undefined {
  switch (event.type) {
    case 'oom.kill':
      return event.kind === 'already_dying' ? undefined : ofKill(event);
    case 'process.killed':
      // A death with a `kill_id` belongs to an event that has its own alert.
      return event.severity === 'critical' && event.kill_id === null ? ofProcessKilled(event) : undefined;
    case 'oom.stuck':
      return ofStuck(event);
    case 'pressure.level':
      return ofPressure(event);
    case 'memory.usage':
      // With a profile that reports shortages, usage alone is no reason for an alert, and has a lower severity.
      return event.severity === severityOfLevel(event.level) ? ofUsage(event) : undefined;
    case 'memory.shortage':
      return ofShortage(event);
    case 'container.oom':
      return event.verdict === 'spared' ? undefined : ofContainer(event);
    case 'guard.action':
      // The ladder's step `notify` does nothing except cause this alert.
      return event.action === 'notify' && event.outcome === 'done' ? ofGuard(event, 'GuardNotice') : undefined;
    case 'guard.result':
      return acted.has(event.outcome) ? ofGuard(event, 'GuardResult') : undefined;
    case 'oom.report':
      // A report with a `kill_id` belongs to an `oom.kill` event, which has its own alert.
      return event.kill_id === null ? moment(event, 'OomReport', 'OOM report', {}, event.id) : undefined;
    case 'tracer.lost':
      return moment(event, 'EventsLost', 'Events were lost', { where: event.where }, `tracer.lost ${event.where}`);
    case 'fleet.incident':
      return ofIncident(event);
    case 'fleet.node':
      return event.state === 'gap' ? undefined : ofNode(event);
    default:
      // Every critical event causes an alert.
      return event.severity === 'critical' ? moment(event, nameOf(event.type), event.type, {}, event.id) : undefined;
  }
}

function ofKill(kill: OomKill): Alert {
  const { limit, scope, victim } = kill;
  const cgroup = limit?.path ?? victim.cgroup;
  const labels = { ...(scope && { scope }), ...(cgroup !== null && { cgroup }), ...ownerLabels(victim) };
  return moment(kill, 'OomKill', `OOM kill: ${victim.comm ?? `pid ${victim.pid}`}`, labels, kill.id);
}

function ofProcessKilled(event: ProcessKilled): Alert {
  const { victim, by, signal } = event;
  const { cgroup } = victim;
  const labels = {
    ...(by.name !== null && { by: by.name }),
    signal,
    ...(cgroup !== null && { cgroup }),
    ...ownerLabels(victim),
  };
  return moment(
    event,
    'ProcessKilled',
    `Killed by ${by.name ?? 'an unknown sender'}: ${victim.comm}`,
    labels,
    event.id,
  );
}

function ofStuck(event: OomStuck): Alert {
  const { cgroup, state, stuck_ns } = event;
  const over = state === 'over';
  return {
    ...common(event, 'OomStuck', 'critical'),
    key: `oom.stuck ${cgroup.id}`,
    status: over ? 'resolved' : 'firing',
    title: `${over ? 'No longer out of memory' : 'Out of memory and no process is killed'}: ${cgroup.path}`,
    labels: { ...labelsOf(event, 'OomStuck', 'critical'), cgroup: cgroup.path, ...ownerLabels(cgroup) },
    starts_at: isoTime(Date.parse(event.time) - stuck_ns / 1e6),
    ends_at: over ? event.time : null,
    momentary: false,
  };
}

/**
 * The alert has the key of the incident's first `oom.kill`, if there is one, so that receivers treat both as one alert.
 */
function ofContainer(event: ContainerOom): Alert {
  const { container, pod, kills } = event;
  const labels = ownerLabels({ container, pod, unit: null });
  const title = `OOM in the container ${container.name ?? shortId(container.id)}`;
  return moment(event, 'ContainerOom', title, labels, kills[0]?.kill_id ?? event.id);
}

function ofIncident(event: FleetIncident): Alert {
  const { incident_id, state, cause, cluster, since, until } = event;
  const isOver = state === 'closed';
  return {
    ...common(event, 'FleetIncident', 'critical'),
    key: incident_id,
    status: isOver ? 'resolved' : 'firing',
    title: `${isOver ? 'Over: OOM kills' : 'OOM kills'} of ${event.name} in ${cluster}`,
    labels: { alertname: 'FleetIncident', severity: 'critical', cluster, cause, subject: event.name },
    starts_at: since,
    ends_at: isOver ? until : null,
    momentary: false,
  };
}

function ofNode(event: FleetNode): Alert {
  const { state, cluster, name, machine, heard, time } = event;
  const isOver = state === 'back' || state === 'left';
  return {
    ...common(event, 'FleetNode', 'warning'),
    key: `fleet.node ${cluster} ${name} ${machine}`,
    status: isOver ? 'resolved' : 'firing',
    title: `The node ${name} of ${cluster}: ${state}`,
    labels: { alertname: 'FleetNode', severity: 'warning', cluster, node: name },
    starts_at: heard ?? time,
    ends_at: isOver ? time : null,
    momentary: false,
  };
}

/** Outcomes after which the guard has acted, or the kernel has acted first. */
const acted: ReadonlySet<GuardOutcome> = new Set(['killed', 'ended', 'survived', 'kernel_first']);

function ofGuard(event: GuardAction | GuardResult, name: string): Alert {
  const { target, rule, plan_id } = event;
  const outcome = event.type === 'guard.result' ? event.outcome.replace('_', ' ') : 'memory is short';
  const labels = { ...(rule !== null && { rule }), ...(target.cgroup !== null && { cgroup: target.cgroup }) };
  return moment(event, name, `Guard: ${outcome}: ${target.comm}`, labels, `${event.type} ${plan_id ?? event.id}`);
}

function ownerLabels({ container, pod, unit }: CgroupOwner): Record<string, string> {
  const labels = {
    unit,
    container: container?.name,
    image: container?.image,
    namespace: pod?.namespace,
    pod: pod?.name,
  };
  return Object.fromEntries(Object.entries(labels).flatMap(([name, value]) => (value ? [[name, value]] : [])));
}

function ofPressure(event: PressureLevel): Alert {
  const startMs = Date.parse(event.time) - event.duration_ns / 1e6;
  return lasting(event, 'MemoryPressure', 'Memory pressure', event.episode, event.peak.level, isoTime(startMs));
}

function ofShortage(event: MemoryShortage): Alert {
  const startMs = Date.parse(event.time) - event.duration_ns / 1e6;
  return lasting(event, 'MemoryShortage', 'Memory shortage', event.episode, event.peak, isoTime(startMs));
}

function ofUsage(event: UsageLevel): Alert {
  const { scope, path } = event.subject;
  return lasting(event, 'MemoryUsage', 'Memory usage', `memory.usage ${scope} ${path}`, event.previous, event.time);
}

/** An alert for a condition that lasts. @param worst the level that gives a resolved alert its severity */
function lasting(
  event: PressureLevel | UsageLevel | MemoryShortage,
  name: string,
  what: string,
  key: string,
  worst: PressureLevelName,
  startsAt: string,
): Alert {
  const over = event.level === 'normal';
  const severity = severityOfLevel(over ? worst : event.level);
  return {
    ...common(event, name, severity),
    key,
    status: over ? 'resolved' : 'firing',
    title: `${what} ${over ? 'back to normal' : event.level}: ${whose(event.subject)}`,
    labels: { ...labelsOf(event, name, severity), scope: event.subject.scope, cgroup: event.subject.path },
    starts_at: startsAt,
    ends_at: over ? event.time : null,
    momentary: false,
  };
}

function moment(event: Event, name: string, title: string, labels: Record<string, string>, key: string): Alert {
  const { severity } = event;
  return {
    ...common(event, name, severity),
    key,
    status: 'firing',
    title: `${title} on ${event.node}`,
    labels: { ...labelsOf(event, name, severity), ...labels },
    starts_at: event.time,
    ends_at: event.time,
    momentary: true,
  };
}

function common(event: Event, name: string, severity: Severity) {
  return { schema: 'oomscope/alert/v1' as const, id: event.id, name, severity, message: event.message, event };
}

const labelsOf = ({ node }: Event, alertname: string, severity: Severity) => ({ alertname, severity, node });

const whose = ({ scope, path }: PressureSubject) => (scope === 'system' ? 'the system' : path);

/** Converts the type of an event to the name of an alert: `guard.action` to GuardAction. */
const nameOf = (type: string) => type.replace(/(?:^|[._])(\w)/g, (_, letter: string) => letter.toUpperCase());

const isoTime = (ms: number) => new Date(ms).toISOString();
