/** Lists the sums of a report, and every field of it, for a terminal. */
import type { OomReport, ReportSum, ReportSums } from '../../model/oom-report.ts';
import type { Paint } from '../../render/paint.ts';
import { formatBytes, formatShare } from '../../text/format.ts';
import { printable } from '../../text/printable.ts';
import { fieldsOf } from './fields.ts';
import { labelled } from './rows.ts';

const MOST_SUMS = 4;

/** Memory by name, user and owner, one row for each kind. A name with one process and a single user are left out. */
export function sumRows(sums: ReportSums): [string, string][] {
  const of = sums.whole === null ? '' : sums.whole === 'ram' ? ' of RAM' : ' of the limit';
  const kinds: [string, ReportSum[]][] = [
    ['by name', sums.by_name.filter(({ processes }) => processes > 1)],
    ['by user', sums.by_user.length > 1 ? sums.by_user.map((one) => ({ ...one, name: `uid ${one.name}` })) : []],
    ['by unit', sums.by_unit],
    ['by pod', sums.by_pod],
    ['containers', sums.by_container],
  ];
  return kinds.filter(([, list]) => list.length > 0).map(([label, list]) => [label, listed(list, of)]);
}

function listed(list: readonly ReportSum[], of: string): string {
  const shown = list.slice(0, MOST_SUMS).map(({ name, processes, bytes, share }) => {
    const part = share === null ? '' : `, ${formatShare(share)}${of}`;
    const many = processes === 1 ? '1 process' : `${processes} processes`;
    return `${printable(name)} ${formatBytes(bytes)} (${many}${part})`;
  });
  const rest = list.length - shown.length;
  return `${shown.join('; ')}${rest > 0 ? `; and ${rest} more` : ''}`;
}

/** Every field with its value and its meaning, in groups. */
export function fieldLines(report: OomReport, paint: Paint, width: number): string[] {
  return fieldsOf(report).flatMap(({ title, fields }) => [
    `  ${paint('bold', title)}`,
    ...labelled(
      fields.map(({ name, value, meaning }) => [
        '',
        `${name === '' ? '' : `${name}: `}${value}${meaning === '' ? '' : `  ${paint('dim', meaning)}`}`,
      ]),
      paint,
      width,
    ),
  ]);
}
