/** Where in a log a message is, and at what time it was written. */
import type { Envelope } from '../model/envelope.ts';
import type { LogPlace } from '../model/oom-report.ts';
import { formatTime } from '../text/format.ts';
import type { LogLine } from './input/log-line.ts';
import { AS_WRITTEN, type Clock, readTime } from './input/stamp.ts';

export interface LogContext {
  /** Name of the log, copied to `input`. */
  input: string;
  /** Name and boot time of this machine; only where the log was read from this machine's own kernel. */
  machine?: { host: string; bootTimeSeconds: number } | undefined;
  /** Time zone and year for time stamps without them. Default: UTC, and the latest year that is not in the future. */
  clock?: Clock | undefined;
  /** Copies the lines of each report to `OomReport.lines`. */
  lines?: boolean | undefined;
}

/** @param start the first line of the message */
export function placeOf(
  start: LogLine,
  { input, machine, clock = AS_WRITTEN }: LogContext,
): LogPlace & Pick<Envelope, 'time' | 'mono_ns' | 'boot_id' | 'node'> {
  const { stamp, sinceBootUs, bootId, host, offset } = start;
  const timeMs = readTime(start, clock);
  const base = {
    mono_ns: String(BigInt(sinceBootUs ?? 0) * 1000n),
    since_boot_seconds: sinceBootUs === null ? null : sinceBootUs / 1e6,
    time_text: timeMs !== null && stamp && !stamp.complete ? stamp.text.trim() : null,
    boot_id: bootId,
    node: host ?? machine?.host ?? '',
    input,
    offset,
  };
  const at = (ms: number) => formatTime(BigInt(Math.round(ms * 1000)) * 1000n);
  if (timeMs !== null) return { time: at(timeMs), time_source: stamp?.complete ? 'log' : 'log_local', ...base };
  if (!machine || sinceBootUs === null) return { time: at(Date.now()), time_source: 'reading', ...base };
  return { time: at(machine.bootTimeSeconds * 1000 + sinceBootUs / 1000), time_source: 'boot', ...base };
}
