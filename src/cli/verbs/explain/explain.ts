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
  tz: zone('ZONE', 'time zone of time stamps without one: +02:00, Europe/Berlin, UTC (the default)'),
  year: count('YEAR', 'year of time stamps without a year; by default the latest year that puts them in the past'),
  why: count(
    'PID',
    'say why the kernel did not choose this process instead, with the computed scores; as text or JSON',
  ),
  last: count('N', 'only the last N reports'),
  fields: flag('also list every field of each report with its value and its meaning'),
  all: flag('show each report in full; by default, if there are more than three, only the last is shown'),
  markdown: flag('write Markdown, for a ticket'),
  html: flag('write one HTML page that loads no other file: charts, tables to sort, every field explained'),
};

export const verb = defineVerb({
  description: [
    'Reads kernel logs and explains each OOM in them: why it happened, which processes held the memory, which process the kernel chose and why, and what to do.',
    'A FILE may come from any kernel since 2.6.32 and be in any form: dmesg, syslog, journalctl (text or JSON), a log of a container node, packed with gzip or zstd; - is standard input. The verb only reads text, so it needs no privilege and works on any machine.',
  ],
  words: { name: 'FILE', about: 'a log; without one, and without --kmsg or --journal, standard input is read' },
  options,
  format: 'document',
  json: 'write JSON Lines: one oom.report for each OOM, one oom.other_kill for each kill that another program logged, with --why one oom.comparison for each report, then one oom.patterns; see `oomscope schema`',
  examples: [
    { command: 'dmesg | oomscope explain', about: 'Explain the OOMs since boot.' },
    {
      command: 'oomscope explain --journal --since 24h',
      about: 'Explain the OOMs of the last day, earlier boots included.',
    },
    {
      command: 'oomscope explain /var/log/kern.log /var/log/kern.log.*.gz --all',
      about: 'Show every report in rotated logs.',
    },
    { command: 'oomscope explain --html node-7.log > node-7.html', about: 'Make a page for a postmortem.' },
    {
      command:
        'oomscope explain --json kern.log | jq -c \\\n  \'select(.type == "oom.report") | [.victim.comm, .verdict.cause]\'',
      about: 'Print the victim and the cause of each OOM.',
    },
  ],
  exits: {
    ok: 'there were reports, or kills that other programs logged',
    failed: 'there were neither',
    usage: true,
    badInput: 'a file is not text',
    noInput: true,
    noPermission: true,
  },
  run,
});

/** If there are more reports than this, the text shows only the summary and the last report. */
const FEW = 3;
/** How many reports the Markdown text contains by default. */
const SOME = 20;
/** How many reports are kept for an HTML page, which leaves out those that do not fit. */
const MANY = 500;

async function run({ given, words: files, asText, paint }: Context<typeof options>): Promise<number> {
  const format = formatOf(given, asText);
  if (given.why !== undefined && (format === 'markdown' || format === 'html')) {
    throw usage(
      `Expected --why without --${format}: it writes text or JSON. In the page, choose a process in the table.`,
    );
  }
  if (given.fields && format !== 'text') throw usage(`Expected --fields without --${format}: it is text only.`);
  if (files.length === 0 && !given.kmsg && !given.journal) {
    if (process.stdin.isTTY) throw usage('Expected a FILE, - for standard input, --kmsg or --journal, got none.');
    files.push('-');
  }
  const [{ ReportCollector }, { eventLines, Printer, writeReports }] = await Promise.all([
    import('./report-collector.ts'),
    import('./write.ts'),
  ]);
  const printer = new Printer();
  const collector = new ReportCollector({
    since: given.since,
    clock: { zone: given.tz ?? 'UTC', year: given.year },
    most: given.last ?? mostOf(format, given.all),
    lines: format === 'html',
    onEvent:
      format === 'json' && given.last === undefined
        ? (event) => printer.print(eventLines(event, given.why).join('\n'))
        : undefined,
  });
  const { found, kept, undated, errors, copies, othersFound } = await collector.read(files, given, printer.signal);

  for (const { message } of errors) tell(message);
  if (undated > 0) {
    tell(`${undated} reports have only a time since boot, so --since does not apply to them.`);
  }
  if (copies > 0) tell(`${copies} reports in the input are copies of others; each report is shown and counted once.`);
  if (found + othersFound > 0) {
    const each = given.all || given.last !== undefined || kept.length <= FEW;
    const shown = { each, last: given.last !== undefined, paint, why: given.why, fields: given.fields === true };
    await writeReports(format, collector, shown, printer);
  } else if (errors.length === 0) tell(nothing(files, given.since));
  const [first] = errors;
  if (first) return exitCodeOf(first.code);
  return found + othersFound > 0 ? Exit.ok : Exit.failed;
}

function mostOf(format: Format, all: boolean | undefined): number {
  if (all) return Number.POSITIVE_INFINITY;
  return { text: FEW + 1, json: SOME, markdown: SOME, html: MANY }[format];
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
