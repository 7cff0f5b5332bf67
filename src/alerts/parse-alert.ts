/** Parses an alert from JSON that may be damaged, or that another program may have written. */
import type { Alert } from '../model/alert.ts';
import { severities } from '../model/severity.ts';

/** @throws Error that says what is wrong */
export function parseAlert(json: string): Alert {
  const value: unknown = JSON.parse(json);
  if (!isRecord(value)) throw new Error('expected a JSON object');
  const wrong = Object.entries(fields).find(([name, fits]) => !fits(value[name]));
  if (wrong) throw new Error(`"${wrong[0]}" is missing or has another type`);
  JSON.stringify(value); // throws if the alert is nested too deeply for a sink to write
  return value as unknown as Alert;
}

const isText = (value: unknown) => typeof value === 'string';
const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const fields: Record<keyof Alert, (value: unknown) => boolean> = {
  schema: (value) => value === 'oomscope/alert/v1',
  id: isText,
  key: isText,
  status: (value) => value === 'firing' || value === 'resolved',
  severity: (value) => severities.some((severity) => severity === value),
  name: isText,
  title: isText,
  message: isText,
  labels: (value) => isRecord(value) && Object.values(value).every(isText),
  starts_at: isTime,
  ends_at: (value) => value === null || isTime(value),
  momentary: (value) => typeof value === 'boolean',
  event: (value) => value === null || isEvent(value),
};

/** Checks only the part of an event that sinks read: the victim of a kill. */
function isEvent(value: unknown): boolean {
  if (!isRecord(value) || !isText(value.type)) return false;
  return value.type !== 'oom.kill' || (isRecord(value.victim) && typeof value.victim.pid === 'number');
}

function isTime(value: unknown): boolean {
  return typeof value === 'string' && !Number.isNaN(Date.parse(value));
}
