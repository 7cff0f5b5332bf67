/** The parts of a tracer whose modules are loaded only if they are needed. */
import type { EnvelopeFactory } from '../events/envelope.ts';
import type { KillWatch, KillWatchOptions } from '../killers/kill-watch.ts';
import { LeadUpRecorder } from '../memory/lead-up-recorder.ts';
import { OomscopeError } from '../model/error.ts';
import type { PressureMonitor } from '../pressure/monitor.ts';
import type { TracerOptions } from './options.ts';
import type { ReportMatcher } from './report-matcher.ts';

const DEFAULT_RING_BYTES = 512 * 1024;

export interface TracerParts {
  /** Numbers all events of the tracer in one sequence, including the events of `pressure`. */
  envelopes?: EnvelopeFactory;
  reportMatcher?: typeof ReportMatcher;
  openKills?: (options: Omit<KillWatchOptions, 'deaths'>) => KillWatch;
  pressure?: PressureMonitor;
}

export async function loadParts(
  { pressure = false, report = false, allKills = false }: TracerOptions,
  envelopes: EnvelopeFactory,
): Promise<TracerParts> {
  const parts: TracerParts = { envelopes };
  if (report) parts.reportMatcher = (await import('./report-matcher.ts')).ReportMatcher;
  if (allKills !== false) {
    const { KillWatch } = await import('../killers/kill-watch.ts');
    parts.openKills = (options) => new KillWatch({ ...options, deaths: allKills === true ? 'sent' : allKills });
  }
  if (pressure !== false) {
    const { PressureMonitor } = await import('../pressure/monitor.ts');
    parts.pressure = new PressureMonitor(pressure === true ? {} : pressure, envelopes);
  }
  return parts;
}

export function openLeadUps(pressure: PressureMonitor | undefined): LeadUpRecorder {
  return new LeadUpRecorder({ pressure: pressure && (() => pressure.totals()) });
}

/** @throws OomscopeError USAGE */
export function checkedRingBytes(ringBytes = DEFAULT_RING_BYTES): number {
  if (Number.isInteger(Math.log2(ringBytes)) && ringBytes >= 65536) return ringBytes;
  throw new OomscopeError('USAGE', `ringBytes: expected a power of two, at least 65536, got ${ringBytes}.`);
}
