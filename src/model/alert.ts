/** Alerts: events that a person should know about. An alert fires and, unless it is momentary, is resolved later. */
import { type CgroupOwner, shortId } from './container.ts';
import type { ContainerOom } from './container-events.ts';
import type { Event, OomKill } from './events.ts';
import type { GuardAction, GuardOutcome, GuardResult } from './guard.ts';
import { severityOfLevel } from './level.ts';
import type { PressureLevel, PressureLevelName, PressureSubject, UsageLevel } from './pressure.ts';
import type { Severity } from './severity.ts';

/**
 * What a sink receives, and what it writes if it writes JSON. Names in it are as the kernel has them: make them safe before
 * you print them.
 */
export interface Alert {
  /** The schema of the alert. */
  schema: 'oomscope/alert/v1';
  /** Unique. A receiver that sees an id twice has the same alert twice. */
  id: string;
  /** The same for all alerts about one thing: one episode of pressure, or one kill. */
  key: string;
  /** `firing`: it goes on, or it happened. `resolved`: it is over. */
  status: 'firing' | 'resolved';
  /** How bad it is. Of an alert that is resolved: how bad it was. */
  severity: Severity;
  /** The kind of alert, as in the label `alertname` of Prometheus: "OomKill". */
  name: string;
  /** A few words. */
  title: string;
  /** One sentence: the `message` of the event. */
  message: string;
  /** For routing and grouping. No label changes from one kill to the next: there is no pid and no time. */
  labels: Record<string, string>;
  /** When it began: RFC 3339. */
  starts_at: string;
  /** When it ended: RFC 3339. null: it is firing. A momentary alert ends when it begins. */
  ends_at: string | null;
  /** It happened once, and no `resolved` follows. */
  momentary: boolean;
  /** The event that it is about. null: the alert is a test. */
  event: Event | null;
}

/** The alert for an event. undefined: the event needs none, as most do. */
export function alertOf(event: Event): Alert | undefined {
  switch (event.type) {
    case 'oom.kill':
      return event.kind === 'already_dying' ? undefined : ofKill(event);
    case 'pressure.level':
      return ofPressure(event);
    case 'memory.usage':
      return ofUsage(event);
    case 'container.oom':
      return event.verdict === 'spared' ? undefined : ofContainer(event);
    case 'guard.action':
      // `notify` is the step of the ladder that exists for alerts.
      return event.action === 'notify' && event.outcome === 'done' ? ofGuard(event, 'GuardNotice') : undefined;
    case 'guard.result':
      return acted.has(event.outcome) ? ofGuard(event, 'GuardResult') : undefined;
    case 'oom.report':
      // The report of a kill that was seen adds to that kill, which has its own alert.
      return event.kill_id === null ? moment(event, 'OomReport', 'OOM report', {}, event.id) : undefined;
    case 'tracer.lost':
      return moment(event, 'EventsLost', 'Events were lost', { where: event.where }, `tracer.lost ${event.where}`);
    default:
      // Whatever is critical is worth an alert.
      return event.severity === 'critical' ? moment(event, nameOf(event.type), event.type, {}, event.id) : undefined;
  }
}

function ofKill(kill: OomKill): Alert {
  const { limit, scope, victim } = kill;
  const cgroup = limit?.path ?? victim.cgroup;
  const labels = { ...(scope && { scope }), ...(cgroup !== null && { cgroup }), ...ownerLabels(victim) };
  return moment(kill, 'OomKill', `OOM kill: ${victim.comm ?? `pid ${victim.pid}`}`, labels, kill.id);
}

/** It has the key of its first kill, if that was seen: a receiver that has the kill does not get a second alert. */
function ofContainer(event: ContainerOom): Alert {
  const { container, pod, kills } = event;
  const labels = ownerLabels({ container, pod, unit: null });
  const title = `OOM in the container ${container.name ?? shortId(container.id)}`;
  return moment(event, 'ContainerOom', title, labels, kills[0]?.kill_id ?? event.id);
}

/** Outcomes of a guard that acted, or was too late to. */
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

function ofUsage(event: UsageLevel): Alert {
  const { scope, path } = event.subject;
  return lasting(event, 'MemoryUsage', 'Memory usage', `memory.usage ${scope} ${path}`, event.previous, event.time);
}

/** @param worst the level that gives a resolved alert its severity */
function lasting(
  event: PressureLevel | UsageLevel,
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

/** The name of an event's type: GuardAction of `guard.action`. */
const nameOf = (type: string) => type.replace(/(?:^|[._])(\w)/g, (_, letter: string) => letter.toUpperCase());

const isoTime = (ms: number) => new Date(ms).toISOString();
