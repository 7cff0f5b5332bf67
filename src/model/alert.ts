/**
 * Alerts: events that somebody should hear of. An alert fires and, unless it is about a moment, is resolved later.
 */
import type { Event, OomKill } from './events.ts';
import type { PressureLevel, PressureLevelName, PressureSubject, UsageLevel } from './pressure.ts';

export const severities = ['info', 'warning', 'critical'] as const;
export type AlertSeverity = (typeof severities)[number];

/** What sinks get, and what they write where they write JSON. Names in it are as the kernel has them: not made safe. */
export interface Alert {
  schema: 'oomscope/alert/v1';
  /** Unique: a receiver that sees it twice has the same alert twice. */
  id: string;
  /** The same for everything about one story: an episode of pressure, one kill. */
  key: string;
  status: 'firing' | 'resolved';
  severity: AlertSeverity;
  /** What kind of alert it is, as in `alertname`. */
  name: string;
  /** A few words. */
  title: string;
  /** One sentence. */
  message: string;
  /** What to route and group by. Nothing in them changes from one kill to the next: no pid, no time. */
  labels: Record<string, string>;
  /** RFC 3339. */
  starts_at: string;
  /** RFC 3339; null while it is firing. Of a moment, when it was. */
  ends_at: string | null;
  /** It happened, and there is nothing to resolve. */
  momentary: boolean;
  /** null: a test. */
  event: Event | null;
}

/** The alert that an event is worth; undefined for most. */
export function alertOf(event: Event): Alert | undefined {
  switch (event.type) {
    case 'oom.kill':
      return event.kind === 'already_dying' ? undefined : ofKill(event);
    case 'pressure.level':
      return ofPressure(event);
    case 'memory.usage':
      return ofUsage(event);
    case 'tracer.lost':
      return moment(event, 'EventsLost', 'Events were lost', { where: event.where }, `tracer.lost ${event.where}`);
    default:
      // What is an error is worth an alert, whatever it is about.
      return event.severity === 'error' ? moment(event, nameOf(event.type), event.type, {}, event.id) : undefined;
  }
}

function ofKill(kill: OomKill): Alert {
  const cgroup = kill.limit?.path ?? kill.victim.cgroup;
  const labels = { ...(kill.scope && { scope: kill.scope }), ...(cgroup !== null && { cgroup }) };
  return moment(kill, 'OomKill', `OOM kill: ${kill.victim.comm ?? `pid ${kill.victim.pid}`}`, labels, kill.id);
}

function ofPressure(event: PressureLevel): Alert {
  const startMs = Date.parse(event.time) - event.duration_ms;
  return lasting(event, 'MemoryPressure', 'Memory pressure', event.episode, event.peak.level, isoTime(startMs));
}

function ofUsage(event: UsageLevel): Alert {
  const { scope, path } = event.subject;
  return lasting(event, 'MemoryUsage', 'Memory usage', `memory.usage ${scope} ${path}`, event.previous, event.time);
}

const severityOf: Record<PressureLevelName, AlertSeverity> = {
  normal: 'info',
  low: 'info',
  medium: 'warning',
  critical: 'critical',
};

/** @param worst the level that counts when it is over */
function lasting(
  event: PressureLevel | UsageLevel,
  name: string,
  what: string,
  key: string,
  worst: PressureLevelName,
  startsAt: string,
): Alert {
  const over = event.level === 'normal';
  const severity = severityOf[over ? worst : event.level];
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
  const severity = event.severity === 'error' ? 'critical' : event.severity;
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

function common(event: Event, name: string, severity: AlertSeverity) {
  return { schema: 'oomscope/alert/v1' as const, id: event.id, name, severity, message: event.message, event };
}

const labelsOf = ({ node }: Event, alertname: string, severity: AlertSeverity) => ({ alertname, severity, node });

const whose = ({ scope, path }: PressureSubject) => (scope === 'system' ? 'the system' : path);

/** `guard.action` is a GuardAction. */
const nameOf = (type: string) => type.replace(/(?:^|[._])(\w)/g, (_, letter: string) => letter.toUpperCase());

const isoTime = (ms: number) => new Date(ms).toISOString();
