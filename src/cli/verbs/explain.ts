import { EnvelopeFactory, realtimeOffsetNs } from '../../events/envelope.ts';
import { Patterns } from '../../explain/patterns.ts';
import { type ReadOptions, readJournal, readKmsg, readLog } from '../../explain/read.ts';
import { OomscopeError } from '../../model/error.ts';
import { SCHEMA } from '../../model/events.ts';
import type { OomReport } from '../../model/oom-report.ts';
import { writeAll } from '../../render/output.ts';
import { formatBytes } from '../../text/format.ts';
import { parseDuration } from '../../text/units.ts';
import { paintFor } from '../verb/colour.ts';
import { Exit, exitCodeOf } from '../verb/exit.ts';
import { count, flag, type Option, optionsHelp, parseWords, usage } from '../verb/options.ts';

const options = {
  kmsg: flag('read the kernel’s ring buffer, /dev/kmsg'),
  journal: flag('read the kernel messages of the systemd journal, of all boots'),
  since: since('TIME', 'only reports since then: 30m, 24h, 7d, 2026-11-22, 2026-11-22T10:00:00Z'),
  last: count('N', 'only the last N reports'),
  all: flag('each report in full; otherwise, of more than three, the last one'),
  json: flag('JSON Lines on stdout: an oom.report each, then an oom.patterns'),
  markdown: flag('Markdown, for a ticket'),
  html: flag('one page with charts, which needs nothing else'),
  'no-color': flag('no colour, even on a terminal (NO_COLOR is honoured too)'),
  help: flag('this text'),
};

export const help = () => `usage: oomscope explain [options] [FILE…]

Reads kernel logs and says of each OOM why it came to it, who held the memory, whom the kernel chose and by what, and what
to do. A FILE may be of any kernel from 2.6.32 on and in any form: dmesg, syslog, journalctl (text or JSON), a node's
container log, packed with gzip or zstd; - is standard input. Needs no privilege, and no kernel: it is only text.

${optionsHelp(options)}

Examples:
  dmesg | oomscope explain
  oomscope explain --journal --since 24h
  oomscope explain /var/log/kern.log /var/log/kern.log.*.gz --all
  oomscope explain --html node-7.log > node-7.html
  oomscope explain --json kern.log | jq -c 'select(.type == "oom.report") | [.victim.comm, .verdict.cause]'

Events are described by \`oomscope schema\` (${SCHEMA}). Exit codes: 0 there were reports, 1 there were none, 2 bad option,
65 not a text, 66 a file cannot be read, 77 not permitted.
`;

/** Of many reports a person wants the last, and what they have in common. */
const FEW = 3;
/** A page or a ticket has room for some more. */
const SOME = 20;

type Format = 'text' | 'json' | 'markdown' | 'html';

export async function run(argv: string[]): Promise<number> {
  const { values: given, words: files } = parseWords('explain', options, argv);
  if (given.help) {
    process.stdout.write(help());
    return Exit.ok;
  }
  const format = formatOf(given);
  if (files.length === 0 && !given.kmsg && !given.journal) {
    if (process.stdin.isTTY) throw usage('Expected a FILE, - for standard input, --kmsg or --journal, got none.');
    files.push('-');
  }

  const stop = new AbortController();
  // A log is no live stream: a reader that is slow is waited for, and nothing is dropped.
  const print = (text: string) => {
    if (stop.signal.aborted) return;
    try {
      writeAll(1, Buffer.from(`${text}\n`));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EPIPE') throw error;
      stop.abort();
    }
  };
  const patterns = new Patterns();
  const most = given.last ?? (given.all ? Number.POSITIVE_INFINITY : format === 'text' ? FEW + 1 : SOME);
  const kept: OomReport[] = [];
  let found = 0;
  let undated = 0;
  const progress = progressOn(process.stderr);
  const reading: ReadOptions = {
    signal: stop.signal,
    onProgress: progress.show,
    onWarning: (warning) => process.stderr.write(`oomscope: ${warning}\n`),
    onReport: (report) => {
      if (given.since !== undefined) {
        if (report.time_source === 'reading') undated++;
        else if (Date.parse(report.time) < given.since) return;
      }
      report.seq = found++;
      patterns.add(report);
      if (format === 'json' && given.last === undefined) return print(JSON.stringify(report));
      kept.push(report);
      if (kept.length > most) kept.shift();
    },
  };

  const errors: OomscopeError[] = [];
  const attempt = async (read: () => unknown) => {
    try {
      await read();
    } catch (error) {
      if (stop.signal.aborted) return;
      if (!(error instanceof OomscopeError)) throw error;
      errors.push(error);
    }
  };
  for (const file of files) await attempt(() => readLog(file, reading));
  if (given.kmsg) await attempt(() => readKmsg(reading));
  if (given.journal) await attempt(() => readJournal(given.since ?? null, reading));
  progress.end();

  for (const { message } of errors) process.stderr.write(`oomscope: ${message}\n`);
  if (undated > 0) {
    process.stderr.write(`oomscope: ${undated} reports have no time but that since boot; --since lets them pass.\n`);
  }
  if (found > 0) await write(format, kept, patterns, print, given);
  else if (errors.length === 0) process.stderr.write(`oomscope: ${nothing(files, given)}\n`);
  const [first] = errors;
  if (first) return exitCodeOf(first.code);
  return found > 0 ? Exit.ok : Exit.failed;
}

function nothing(files: string[], { since }: { since: number | undefined }): string {
  const where =
    files.length > 0
      ? files.map((file) => (file === '-' ? 'standard input' : JSON.stringify(file))).join(', ')
      : 'the log';
  return `No OOM report in ${where}${since === undefined ? '' : ' since then'}.`;
}

function formatOf(given: {
  json: boolean | undefined;
  markdown: boolean | undefined;
  html: boolean | undefined;
}): Format {
  const asked = (['json', 'markdown', 'html'] as const).filter((name) => given[name]);
  if (asked.length > 1)
    throw usage(`Expected one of --json, --markdown, --html, got ${asked.map((name) => `--${name}`).join(' and ')}.`);
  return asked[0] ?? 'text';
}

async function write(
  format: Format,
  kept: OomReport[],
  patterns: Patterns,
  print: (text: string) => void,
  given: { all: boolean | undefined; last: number | undefined; 'no-color': boolean | undefined },
): Promise<void> {
  const summary = patterns.summary();
  if (format === 'json') {
    const now = process.hrtime.bigint();
    const message = `${summary.reports} reports of OOMs, ${summary.kills} kills.`;
    const envelope = new EnvelopeFactory().next(now, realtimeOffsetNs(), 'info', 'log', message);
    for (const report of given.last === undefined ? [] : kept) print(JSON.stringify(report));
    print(JSON.stringify({ ...envelope, seq: summary.reports, ...summary }));
  } else if (format === 'markdown') {
    const { markdown } = await import('../../explain/render/markdown.ts');
    print(markdown(kept, summary));
  } else if (format === 'html') {
    const { html } = await import('../../explain/render/html.ts');
    print(html(kept, summary));
  } else {
    const { renderPatterns, renderReport } = await import('../../explain/render/text.ts');
    const paint = paintFor(given['no-color']);
    const width = Math.min(process.stdout.columns ?? 120, 140);
    const each = given.all || given.last !== undefined || kept.length <= FEW;
    const shown = each ? kept : kept.slice(-1);
    if (summary.reports > 1) print(`${renderPatterns(summary, paint, width)}\n`);
    if (!each) print(paint('dim', `The last of them (--all shows each, --last N some):\n`));
    print(shown.map((report) => renderReport(report, paint, width)).join('\n\n'));
  }
}

/** "1.2 GiB, 34 %" in place, on a terminal only. */
function progressOn(stream: NodeJS.WriteStream) {
  let shown = false;
  return {
    show: (bytes: number, total: number | null) => {
      if (!stream.isTTY) return;
      const part = total ? `, ${Math.min(100, Math.round((bytes / total) * 100))} %` : '';
      stream.write(`\r\x1b[Koomscope: read ${formatBytes(bytes)}${part}`);
      shown = true;
    },
    end: () => {
      if (shown) stream.write('\r\x1b[K');
    },
  };
}

/** Milliseconds since 1970. */
function since(value: string, help: string): Option<number> {
  return {
    value,
    help,
    parse: (given, name) => {
      const ago = parseDuration(given);
      const dated = /^\d{4}-\d\d-\d\d/.test(given) ? Date.parse(given) : Number.NaN;
      const at = ago === undefined ? dated : Date.now() - ago;
      if (!Number.isFinite(at))
        throw usage(`${name}: expected a time such as 30m, 24h, 7d or 2026-11-22T10:00:00Z, got "${given}".`);
      return at;
    },
  };
}
