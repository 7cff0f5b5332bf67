/** The story of one kill, episode or decision of the guard: what happened before, during and after it. */
import type { Event, OomKill } from '../model/events.ts';
import type { OomReport } from '../model/oom-report.ts';

export interface Story {
  /** The number of the entry in the history. */
  number: number;
  /** The event that the story is about. */
  head: Event;
  /** The events of the same story, `head` among them, in the order of their numbers. */
  parts: Event[];
  /** Pressure, usage and decisions of the guard at that time, of the same cgroup or of the system, in order of time. */
  around: Event[];
}

export function killOf({ parts }: Story): OomKill | undefined {
  return parts.find((event) => event.type === 'oom.kill');
}

export function reportOf({ parts }: Story): OomReport | undefined {
  return parts.find((event) => event.type === 'oom.report');
}

/** An event with its time relative to the head of the story, in seconds: negative before it. */
export interface Moment {
  event: Event;
  atSeconds: number;
}

/** All events of a story in order of time. */
export function momentsOf({ head, parts, around }: Story): Moment[] {
  const begin = Date.parse(head.time);
  return [...parts, ...around]
    .map((event) => ({ event, atSeconds: (Date.parse(event.time) - begin) / 1000 }))
    .sort((a, b) => a.atSeconds - b.atSeconds);
}

/** "−12.3 s", "+0.02 s", "0 s". */
export function formatOffset(seconds: number): string {
  const size = Math.abs(seconds);
  const digits = size >= 100 ? 0 : size >= 1 ? 1 : 3;
  return `${seconds < 0 ? '−' : '+'}${size.toFixed(digits)} s`;
}

/** The advice about a story: that of the kernel's report. */
export const adviceOf = (story: Story): readonly { do: string; because: string }[] =>
  reportOf(story)?.verdict.advice ?? [];
