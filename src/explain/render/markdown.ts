/** Renders reports as Markdown, for a ticket or a chat. Names are escaped, so none can become a link or a mention. */
import type { OomReport } from '../../model/oom-report.ts';
import { formatBytes, formatShare } from '../../text/format.ts';
import { printable } from '../../text/printable.ts';
import { outcomes } from '../report.ts';
import { compositionOf } from './composition.ts';
import { asked, when } from './sentences.ts';
import type { Summary } from './text.ts';
import type { TimeLine } from './time-line.ts';

/** @param reports the reports to show @param summary summary of all reports, including those that are not shown */
export function markdown(reports: readonly OomReport[], summary: Summary, line: TimeLine): string {
  const many = summary.reports + summary.other_kills > 1 || summary.reports === 0;
  const head = many ? [[patterns(summary), ...timeLine(line)].join('\n')] : [];
  return [...head, ...reports.map(reportSection)].join('\n\n---\n\n');
}

/** Escapes every character with a meaning in Markdown, and prevents GitHub and GitLab from making links of the text. */
export function safe(text: string): string {
  const escaped = printable(text).replace(/[\\`*_{}[\]()+!|<>~&$^=]|:(?=\/\/)/g, (character) => `\\${character}`);
  return unlinked(escaped);
}

/**
 * Escapes oomscope's own sentences, in which only names come from the log; keeps more characters readable than `safe`.
 */
export const prose = (text: string) =>
  unlinked(printable(text).replace(/[\\`*_[\]<>|~&]|:(?=\/\/)/g, (character) => `\\${character}`));

/**
 * GitHub and GitLab search the rendered text for mentions, issues, addresses and names of pictures such as ":bug:", so a
 * backslash does not help. ":30:" in a time is no name.
 */
const unlinked = (text: string) =>
  text.replace(/[@#]|www(?=\.)|:(?=(?!\d\d:)[\w+\\-]+:)/g, (found) => `${found}&#8288;`);

function patterns(summary: Summary): string {
  const list = (items: { name: string; count: number }[]) =>
    items
      .slice(0, 10)
      .map(({ name, count }) => `${safe(name)} ×${count}`)
      .join(', ');
  const rows: [string, string][] = [
    ['Victims', list(summary.by_process)],
    ['Limits', list(summary.by_cgroup)],
    ['Units', list(summary.by_unit)],
    ['Pods', list(summary.by_pod)],
    ['Containers', list(summary.by_container)],
    ['Scopes', list(summary.by_scope)],
    ['From, to', summary.first === null ? '' : `${summary.first}, ${summary.last}`],
    ['Last 24 hours', summary.last_24h === null ? '' : String(summary.last_24h)],
    [
      'Storms',
      summary.storms.map(({ kills, duration_seconds }) => `${kills} kills in ${duration_seconds} s`).join(', '),
    ],
    [
      'Growing',
      summary.growers
        .map(({ comm, from_bytes, to_bytes }) => `${safe(comm)} ${formatBytes(from_bytes)} → ${formatBytes(to_bytes)}`)
        .join(', '),
    ],
  ];
  const lines = rows.filter(([, value]) => value !== '').map(([name, value]) => `| ${name} | ${value} |`);
  return [
    `## ${summary.reports} OOM reports, ${summary.kills} kills`,
    '',
    '| | |',
    '|---|---|',
    ...lines,
    ...advice(summary.findings),
  ].join('\n');
}

const MOST_ENTRIES = 50;

function timeLine(line: TimeLine): string[] {
  const all = line.entries();
  const shown = all.slice(-MOST_ENTRIES);
  const left = all.length - shown.length + line.left;
  const rows = shown.map((entry) => {
    const cells = [entry.time, entry.host, entry.by, entry.what, entry.why, entry.source];
    return `| ${cells.map(safe).join(' | ')} |`;
  });
  const head = ['', '| time | host | killer | what | why | log |', '|---|---|---|---|---|---|'];
  return [...head, ...rows, ...(left > 0 ? ['', `${left} earlier entries are left out here.`] : [])];
}

/** One report, with a heading of the third level. */
export function reportSection(report: OomReport): string {
  const { verdict, victim, trigger, outcome } = report;
  const title = victim ? `${safe(victim.comm)} (pid ${victim.pid}) was killed` : outcomes[outcome];
  const facts = [when(report), report.kernel === null ? '' : `Linux ${safe(report.kernel)}`, safe(report.node)].filter(
    (fact) => fact !== '',
  );
  const composition = compositionOf(report);
  const parts = composition
    ? [
        `\n**${composition.of === 'limit' ? 'The limit' : 'Memory'}** of ${formatBytes(composition.whole)}: ${composition.parts.map(({ name, bytes }) => `${name} ${formatBytes(bytes)}`).join(', ')}.`,
      ]
    : [];
  const holders = verdict.holders.map(
    ({ name, pid, processes, bytes, share }) =>
      `| ${safe(name)}${processes > 1 ? ` ×${processes}` : ''} | ${pid ?? ''} | ${formatBytes(bytes)} | ${share === null ? '' : formatShare(share)} |`,
  );
  return [
    `### ${title}`,
    '',
    facts.join(' · '),
    '',
    `**Why:** ${prose(verdict.why)}`,
    ...verdict.factors.map(({ text }) => `- ${prose(text)}`),
    ...parts,
    '',
    `**Chosen:** ${prose(verdict.choice)}`,
    '',
    `**Held the memory:** ${prose(verdict.culprit)}`,
    '',
    `**Fragmentation:** ${prose(verdict.fragmentation.text)}`,
    ...(trigger ? ['', `**Allocating task:** ${prose(asked(report))}`] : []),
    ...(holders.length > 0 ? ['', '| Held by | pid | size | share |', '|---|---:|---:|---:|', ...holders] : []),
    ...verdict.alternatives.map(
      (one, i) =>
        `${i === 0 ? '\n' : ''}- If ${prose(one.if)}, ${safe(one.comm)} (pid ${one.pid}) would have been chosen.`,
    ),
    ...advice(verdict.advice),
    ...(report.warnings.length > 0
      ? ['', '**Warnings**', '', ...report.warnings.map((warning) => `- ${prose(warning)}`)]
      : []),
  ].join('\n');
}

function advice(list: readonly { do: string; because: string }[]): string[] {
  return list.length === 0
    ? []
    : ['', '**What to do**', '', ...list.map((one, i) => `${i + 1}. ${prose(one.do)} *${prose(one.because)}*`)];
}
