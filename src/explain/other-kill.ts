/** Builds the `oom.other_kill` event from a message of another program. */
import { ownerOf } from '../containers/container-path.ts';
import { SCHEMA } from '../model/events.ts';
import type { OomOtherKill } from '../model/oom-other-kill.ts';
import { printable } from '../text/printable.ts';
import { fingerprint } from './fingerprint.ts';
import type { LogLine } from './input/log-line.ts';
import type { OtherKill } from './input/other-killers.ts';
import { type LogContext, placeOf } from './place.ts';

/** @param seq number of the message among those of its log, from 0 */
export function toOtherKill(kill: OtherKill, from: LogLine, context: LogContext, seq: number): OomOtherKill {
  const { program, role, pid, comm, cgroup, unit } = kill;
  const place = placeOf({ ...from, host: from.host ?? kill.host }, context);
  const words = printable(kill.words);
  const dated = place.time_source !== 'reading' || place.since_boot_seconds !== null;
  const when = dated ? [place.since_boot_seconds ?? place.time] : [context.input, from.offset];
  const owner = ownerOf(cgroup ?? (unit === null ? null : `/${unit}`));
  return {
    schema: SCHEMA,
    id: `log-${fingerprint(JSON.stringify([program, words, place.node, place.boot_id, ...when]))}`,
    seq,
    ...place,
    severity: role === 'killed' ? 'critical' : 'warning',
    source: 'log',
    message: `${program}: ${words}`,
    type: 'oom.other_kill',
    ...owner,
    unit: unit ?? owner.unit,
    program,
    role,
    words,
    pid,
    comm,
    cgroup,
  };
}
