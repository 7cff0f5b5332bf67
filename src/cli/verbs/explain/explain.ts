import { printable } from '../../../text/printable.ts';
import { type Context, defineVerb } from '../../verb/define-verb.ts';
import { Exit, exitCodeOf } from '../../verb/exit.ts';
import { count, flag, usage } from '../../verb/options.ts';
import { tell } from '../../verb/tell.ts';
import { since } from './since.ts';
import type { Format } from './write.ts';
import { zone } from './zone.ts';

const options = {
  kmsg: flag("read the kernel's ring buffer, /dev/kmsg"),
  journal: flag('read the kernel messages of the systemd journal, of all boots'),
  since: since('TIME', 'only reports since this time: 30m, 24h, 7d, 2026-11-22, 2026-11-22T10:00:00Z'),
  tz: zone('ZONE', 'time zone of stamps that have none: +02:00, Europe/Berlin, UTC (the default)'),
  year: count('YEAR', 'year of stamps that have none; by default the latest that is past'),
  why: count('PID', 'why the kernel did not choose this process instead, with the arithmetic; as text only'),
  last: count('N', 'only the last N reports'),
  all: flag('show each report in full; otherwise, of more than three, only the last'),
  markdown: flag('write Markdown, for a ticket'),
  html: flag('write one page with charts that needs nothing else'),
};

export const verb = defineVerb({
  description: [
    'Reads kernel logs and explains each OOM in them: why it happened, which processes held the memory, which one the kernel chose and by what, and what to do.',
    'A FILE may come from any kernel since 2.6.32 and be in any form: dmesg, syslog, journalctl (text or JSON), a log of a container node, packed with gzip or zstd; - is standard input. It needs no privilege and no kernel: it only reads text.',
  ],
  words: { name: 'FILE', about: 'a log; without one, and without --kmsg or --journal, standard input is read' },
  options,
  format: 'document',
  json: 'write JSON Lines: an oom.report each, then an oom.patterns; see `oomscope schema`',
  examples: [
    { command: 'dmesg | oomscope explain', about: 'Explain what happened since boot.' },
    { command: 'oomscope explain --journal --since 24h', about: 'Explain the last day, also of earlier boots.' },
    {
      command: 'oomscope explain /var/log/kern.log /var/log/kern.log.*.gz --all',
      about: 'Show every report in rotated logs.',
    },
    { command: 'oomscope explain --html node-7.log > node-7.html', about: 'Make a page for a postmortem.' },
    {
      command:
        'oomscope explain --json kern.log | jq -c \\\n  \'select(.type == "oom.report") | [.victim.comm, .verdict.cause]\'',
      about: 'Print the victim and the cause of each.',
    },
  ],
  exits: {
    ok: 'there were reports',
    failed: 'there was no report',
    usage: true,
    badInput: 'a file is not text',
    noInput: true,
    noPermission: true,
  },
  run,
});

/** Of more reports than this, the text shows the summary and the last one. */
const FEW = 3;
/** Reports on a page or in a ticket. */
const SOME = 20;

async function run({ given, words: files, asText, paint }: Context<typeof options>): Promise<number> {
  const format = formatOf(given, asText);
  if (given.why !== undefined && format !== 'text') throw usage(`Expected --why without --${format}: it is text only.`);
  if (files.length === 0 && !given.kmsg && !given.journal) {
    if (process.stdin.isTTY) throw usage('Expected a FILE, - for standard input, --kmsg or --journal, got none.');
    files.push('-');
  }
  const [{ ReportCollector }, { Printer, writeReports }] = await Promise.all([
    import('./report-collector.ts'),
    import('./write.ts'),
  ]);
  const printer = new Printer();
  const collector = new ReportCollector({
    since: given.since,
    clock: { zone: given.tz ?? 'UTC', year: given.year },
    most: given.last ?? (given.all ? Number.POSITIVE_INFINITY : format === 'text' ? FEW + 1 : SOME),
    onReport:
      format === 'json' && given.last === undefined ? (report) => printer.print(JSON.stringify(report)) : undefined,
  });
  const { found, kept, undated, errors, copies, others } = await collector.read(files, given, printer.signal);

  for (const { message } of errors) tell(message);
  if (undated > 0) {
    tell(`${undated} reports have no time but that since boot; --since does not leave them out.`);
  }
  if (copies > 0) tell(`${copies} reports are in the input more than once; each is shown and counted once.`);
  for (const { kill, time, count: times } of others.values()) {
    const at = time === null ? '' : `${time.slice(0, 19)}Z `;
    tell(`${at}not the kernel but ${kill.program}${times > 1 ? ` (${times} times)` : ''}: ${printable(kill.words)}`);
  }
  if (found > 0) {
    const each = given.all || given.last !== undefined || kept.length <= FEW;
    await writeReports(format, collector, { each, last: given.last !== undefined, paint, why: given.why }, printer);
  } else if (errors.length === 0) tell(nothing(files, given.since));
  const [first] = errors;
  if (first) return exitCodeOf(first.code);
  return found > 0 ? Exit.ok : Exit.failed;
}

function nothing(files: readonly string[], since: number | undefined): string {
  const where =
    files.length > 0
      ? files.map((file) => (file === '-' ? 'standard input' : JSON.stringify(file))).join(', ')
      : 'the log';
  return `No OOM report in ${where}${since === undefined ? '' : ' since then'}.`;
}

function formatOf(given: { markdown: boolean | undefined; html: boolean | undefined }, asText: boolean): Format {
  const asked = [
    ...(asText ? [] : (['json'] as const)),
    ...(given.markdown ? (['markdown'] as const) : []),
    ...(given.html ? (['html'] as const) : []),
  ];
  if (asked.length > 1) {
    throw usage(`Expected one of --json, --markdown, --html, got ${asked.map((name) => `--${name}`).join(' and ')}.`);
  }
  return asked[0] ?? 'text';
}
