/** Puts together what a reader of a fleet knows. */
import type { Fleet } from './open-fleet.ts';
import type { FleetReport } from './report.ts';
import type { Subject, Totals } from './totals.ts';

const MINUTES = 30;
const TOP = 20;

/** @param sinceMs how far back the totals go, in ms */
export function fleetReport(fleet: Fleet, totals: Totals, sinceMs: number): FleetReport {
  const { kills, events } = totals;
  const top = (subject: Subject) => totals.top(subject, TOP);
  return {
    schema: 'oomscope/fleet/v1',
    time: new Date(fleet.nowMs).toISOString(),
    ...{ since_seconds: sinceMs / 1000, kills, events },
    kills_per_minute: totals.perMinute(fleet.nowMs, MINUTES),
    ...{ incidents: fleet.incidents, nodes: fleet.nodes, counts: fleet.counts },
    top: {
      ...{ image: top('image'), workload: top('workload'), limit: top('limit'), program: top('program') },
      node: top('node'),
    },
  };
}
