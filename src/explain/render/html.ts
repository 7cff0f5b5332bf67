/** Renders reports as one HTML page without scripts and without network requests. All names are escaped. */
import type { OomReport } from '../../model/oom-report.ts';
import { formatBytes, formatShare } from '../../text/format.ts';
import { printable } from '../../text/printable.ts';
import { VERSION } from '../../version.ts';
import { outcomes } from '../report.ts';
import { compositionChart, escapeHtml, shareBar, timeline, zoneChart } from './charts.ts';
import { compositionOf } from './composition.ts';
import { style } from './html-style.ts';
import { asked, when } from './sentences.ts';
import type { Summary } from './text.ts';

const MOST_TASKS = 500;

/** @param reports the reports to show @param summary summary of all reports, including those that are not shown */
export function html(reports: readonly OomReport[], summary: Summary): string {
  const title = `${summary.reports} OOM ${summary.reports === 1 ? 'report' : 'reports'}`;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="referrer" content="no-referrer">
<title>${title}</title>
<style>${style}</style>
</head>
<body>
<header><h1>${title}</h1><p class="dim">oomscope ${VERSION}</p></header>
<main>
${htmlBody(reports, summary)}
</main>
</body>
</html>`;
}

/** The sections of the page: one about all reports, and one for each report. */
export function htmlBody(reports: readonly OomReport[], summary: Summary): string {
  const left = summary.reports - reports.length;
  const more =
    left > 0
      ? `<p class="dim">The page shows the last ${reports.length} reports; ${left} earlier ones are only counted.</p>`
      : '';
  const together = summary.reports > 1 ? patterns(summary) + more : '';
  return `${together}\n${reports.map(section).join('\n')}`;
}

/** Escapes text from a log for HTML and for attribute values. */
const safe = (text: string) => escapeHtml(printable(text));

function patterns(summary: Summary): string {
  const lists: [string, { name: string; count: number }[]][] = [
    ['Victims', summary.by_process],
    ['Limits', summary.by_cgroup],
    ['Units', summary.by_unit],
    ['Pods', summary.by_pod],
    ['Containers', summary.by_container],
    ['Scopes', summary.by_scope],
  ];
  const chart = timeline(summary.by_hour);
  const cards = lists.filter(([, list]) => list.length > 0).map(([name, list]) => card(name, counts(list)));
  const notes = [
    ...summary.storms.map(
      ({ kills, duration_seconds, from }) =>
        `Storm: ${kills} kills in ${duration_seconds} s${from === null ? '' : `, from ${safe(from)}`}.`,
    ),
    ...summary.growers.map(
      ({ comm, pid, from_bytes, to_bytes }) =>
        `${safe(comm)} (pid ${pid}) grew from ${formatBytes(from_bytes)} to ${formatBytes(to_bytes)} between reports.`,
    ),
  ];
  const last = summary.last_24h === null ? '' : ` · ${summary.last_24h} in the last 24 hours`;
  const time =
    summary.first === null ? '' : `<p class="dim">${safe(summary.first)} to ${safe(summary.last ?? '')}${last}</p>`;
  return `<section><h2>${summary.kills} kills in all reports</h2>${time}
${chart ? `<figure>${chart.svg}<figcaption><span>${safe(chart.from)}</span><span>reports by hour, at most ${chart.most}</span><span>${safe(chart.to)}</span></figcaption></figure>` : ''}
<div class="cards">${cards.join('')}</div>
${bullets(notes)}${advice(summary.findings)}</section>`;
}

function counts(list: readonly { name: string; count: number }[]): string {
  const most = list[0]?.count ?? 1;
  const rows = list
    .slice(0, 10)
    .map(
      ({ name, count }) =>
        `<tr><td class="name">${safe(name)}</td><td class="figure">${count}</td><td class="chart">${shareBar(count / most, 'hour')}</td></tr>`,
    );
  return `<table>${rows.join('')}</table>`;
}

const card = (name: string, body: string) => (body === '' ? '' : `<div class="card"><h3>${name}</h3>${body}</div>`);
const bullets = (items: readonly string[]) =>
  items.length === 0 ? '' : `<ul>${items.map((item) => `<li>${item}</li>`).join('')}</ul>`;

function advice(list: readonly { do: string; because: string }[]): string {
  if (list.length === 0) return '';
  return `<h3>What to do</h3><ol class="advice">${list.map((one) => `<li>${safe(one.do)}<br><span class="dim">${safe(one.because)}</span></li>`).join('')}</ol>`;
}

function section(report: OomReport): string {
  const { verdict, victim, outcome, kernel } = report;
  const who = victim
    ? `Killed: <span class="victim">${safe(victim.comm)}</span> <span class="dim">pid ${victim.pid}</span>`
    : outcomes[outcome];
  const facts = [
    ['When', safe(when(report))],
    ['Kernel', kernel === null ? '' : safe(kernel)],
    ['Node', safe(report.node)],
    ['Scope', report.scope ?? ''],
    ['Limit of', safe(report.limit?.path ?? '')],
    ['Victim’s cgroup', safe(victim?.cgroup ?? '')],
    ['Allocating task', safe(asked(report))],
    ['Runtime', safe(verdict.runtime ?? '')],
  ].filter(([, value]) => value !== '');
  const composition = compositionOf(report);
  return `<section class="report"><h2>${who}</h2><p class="dim when">${safe(when(report))}</p>
<p class="why">${safe(verdict.why.charAt(0).toUpperCase() + verdict.why.slice(1))}</p>
${bullets(verdict.factors.map(({ text }) => safe(text)))}
${composition ? `<h3>${composition.of === 'limit' ? 'What filled the limit of' : 'What filled the memory of'} ${formatBytes(composition.whole)}</h3>${compositionChart(composition)}` : ''}
<div class="cards">${card('Memory held by', holders(report))}${card('Zones against their watermarks', zones(report))}</div>
<h3>The kernel’s choice</h3><p>${safe(verdict.choice)}</p><p>${safe(verdict.culprit)}</p>
${bullets(verdict.alternatives.map((one) => `If ${safe(one.if)}, ${safe(one.comm)} (pid ${one.pid}) would have been chosen.`))}
${advice(verdict.advice)}
<details><summary>Details</summary><dl>${facts.map(([name, value]) => `<dt>${name}</dt><dd>${value}</dd>`).join('')}</dl>${tasks(report)}</details>
${report.warnings.length > 0 ? `<h3>Warnings</h3>${bullets(report.warnings.map(safe))}` : ''}</section>`;
}

function holders({ verdict, victim }: OomReport): string {
  const most = verdict.holders[0]?.bytes ?? 0;
  if (most === 0) return '';
  const rows = verdict.holders.map(({ name, pid, processes, bytes, share }) => {
    const killed = pid !== null && pid === victim?.pid;
    return `<tr${killed ? ' class="killed"' : ''}><td class="name">${safe(name)}${processes > 1 ? ` <span class="dim">${processes} processes</span>` : ''}${pid === null ? '' : ` <span class="dim">${pid}</span>`}${killed ? ' <b>killed</b>' : ''}</td><td class="figure">${formatBytes(bytes)}</td><td class="figure dim">${share === null ? '' : formatShare(share)}</td><td class="chart">${shareBar(bytes / most, killed ? 'victim-bar' : 'holder-bar')}</td></tr>`;
  });
  return `<table>${rows.join('')}</table>`;
}

function zones({ memory }: OomReport): string {
  const list = memory?.zones.filter(({ high_bytes, managed_bytes }) => high_bytes > 0 && managed_bytes !== 0) ?? [];
  const rows = list.map((zone) => {
    const marks = `min ${formatBytes(zone.min_bytes)} · low ${formatBytes(zone.low_bytes)} · high ${formatBytes(zone.high_bytes)}`;
    return `<div class="zone-row"><p>node ${zone.node} ${safe(zone.name)}: <b>${formatBytes(zone.free_bytes)} free</b> <span class="dim">${marks}</span></p>${zoneChart(zone)}</div>`;
  });
  return rows.join('');
}

function tasks({ tasks, victim, badness_pages }: OomReport): string {
  if (tasks.length === 0) return '';
  const rows = tasks
    .toSorted((a, b) => b.rss_bytes + (b.swap_bytes ?? 0) - a.rss_bytes - (a.swap_bytes ?? 0))
    .slice(0, MOST_TASKS)
    .map((task) => {
      const cells = [
        task.pid,
        task.uid,
        formatBytes(task.rss_bytes),
        task.swap_bytes === null ? '' : formatBytes(task.swap_bytes),
        task.oom_score_adj,
        task.badness_pages ?? '',
      ];
      return `<tr${task.tid === victim?.tid ? ' class="killed"' : ''}><td class="name">${safe(task.comm)}</td>${cells.map((cell) => `<td class="figure">${cell}</td>`).join('')}</tr>`;
    });
  const left =
    tasks.length > rows.length
      ? `<p class="dim">The table shows the ${rows.length} largest of ${tasks.length} processes.</p>`
      : '';
  const note = badness_pages === null ? '' : `<p class="dim">Badness is the value of oom_badness(), in pages.</p>`;
  return `<div class="wide"><table class="tasks"><thead><tr><th>name</th><th>pid</th><th>uid</th><th>resident</th><th>swap</th><th>adj</th><th>badness</th></tr></thead><tbody>${rows.join('')}</tbody></table></div>${left}${note}`;
}
