/** An event as a LogRecord. Names follow the semantic conventions where they have one; ours are below `oomscope.`. */
import type { CgroupOwner } from '../model/container.ts';
import type { Event } from '../model/events.ts';
import type { Severity } from '../model/severity.ts';
import { type AttributeValue, attributesOf } from './attributes.ts';

/** SeverityNumber of the data model: INFO, WARN, ERROR. */
const severityNumbers: Record<Severity, number> = { info: 9, warning: 13, critical: 17 };
const severityTexts: Record<Severity, string> = { info: 'INFO', warning: 'WARN', critical: 'ERROR' };
/** Most attributes of one record; the specification's default limit is 128. */
const MOST = 120;
/** Fields that a record has in another place, and command lines, which may have secrets. */
const ELSEWHERE = new Set([
  'schema',
  'type',
  'time',
  'node',
  'severity',
  'message',
  'cmdline',
  'cmdline_truncated',
  'raw',
]);

/** The record in the form of OTLP's JSON. */
export function logRecordOf(event: Event, nowMs: number): object {
  const all = { ...conventional(event), ...flat('oomscope', event) };
  const names = Object.keys(all).filter((name) => all[name] !== null && all[name] !== undefined);
  const kept = Object.fromEntries(names.slice(0, MOST).map((name) => [name, all[name]]));
  return {
    timeUnixNano: unixNano(event.time),
    severityNumber: severityNumbers[event.severity],
    severityText: severityTexts[event.severity],
    body: { stringValue: event.message.toWellFormed() },
    attributes: attributesOf(kept),
    ...(names.length > MOST && { droppedAttributesCount: names.length - MOST }),
    observedTimeUnixNano: String(BigInt(Math.round(nowMs)) * 1_000_000n),
    eventName: `oomscope.${event.type}`,
  };
}

/** Nanoseconds since 1970, as a decimal string. @param time RFC 3339, UTC, with nanoseconds */
export function unixNano(time: string): string {
  const [seconds = '', fraction = ''] = time.slice(0, -1).split('.');
  return String(BigInt(Date.parse(`${seconds}Z`)) * 1_000_000n + BigInt(fraction.padEnd(9, '0').slice(0, 9) || 0));
}

type Values = Record<string, AttributeValue | null | undefined>;

/** The process, container and pod that the event is about. */
function conventional(event: Event): Values {
  const victim = 'victim' in event ? (event.victim as Partial<Victim>) : undefined;
  const target = 'target' in event ? (event.target as Partial<Victim>) : undefined;
  const process = victim ?? target ?? {};
  const subject = 'subject' in event ? event.subject : 'cgroup' in event ? event.cgroup : undefined;
  const owner = [process, subject, event].find((each) => each && typeof each === 'object' && 'container' in each);
  return { ...ofProcess(process), ...ofOwner((owner ?? {}) as Partial<CgroupOwner>) };
}

interface Victim extends CgroupOwner {
  pid: number;
  comm: string | null;
  exe: string | null;
  uid: number | null;
  cgroup: string | null;
}

const ofProcess = ({ pid, comm, exe, uid, cgroup }: Partial<Victim>): Values => ({
  'process.pid': pid,
  'process.executable.name': comm,
  'process.executable.path': exe,
  'process.user.id': uid === undefined || uid === null ? undefined : String(uid),
  'process.linux.cgroup': cgroup,
});

function ofOwner({ container, pod }: Partial<CgroupOwner>): Values {
  return {
    'container.id': container?.id,
    'container.name': pod ? undefined : container?.name,
    'container.image.name': container?.image,
    'container.runtime.name': container?.runtime,
    'k8s.namespace.name': pod?.namespace,
    'k8s.pod.name': pod?.name,
    'k8s.pod.uid': pod?.uid,
    'k8s.container.name': pod ? container?.name : undefined,
  };
}

/** The scalar fields of an object, with their path as name. Lists of objects are left out: the JSON event has them. */
function flat(prefix: string, value: object, depth = 0): Values {
  const values: Values = {};
  for (const [name, each] of Object.entries(value)) {
    if (ELSEWHERE.has(name)) continue;
    const path = `${prefix}.${name === 'id' && depth === 0 ? 'event_id' : name}`;
    if (each === null || typeof each !== 'object') values[path] = each as AttributeValue | null;
    else if (!Array.isArray(each) && depth < 3) Object.assign(values, flat(path, each, depth + 1));
    else if (Array.isArray(each) && each.length > 0 && each.every((one) => typeof one === 'string'))
      values[path] = each;
  }
  return values;
}
