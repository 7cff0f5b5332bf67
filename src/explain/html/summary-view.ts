/** What several reports have in common, the kills in the order of time, and the contents of a page. */

import type { Envelope } from '../../model/events.ts';
import type { OomPatterns, OomReport } from '../../model/oom-report.ts';
import { formatBytes } from '../../text/format.ts';
import { MOST_NAMES } from '../patterns.ts';
import { when } from '../render/sentences.ts';
import { causes, type Entry } from '../render/time-line.ts';
import { outcomes } from '../report.ts';
import { hourChart, shareBar } from './charts.ts';
import { advice, bullets, card, escapeHtml, folded, safe, scrolling } from './markup.ts';

export type Summary = Omit<OomPatterns, keyof Envelope>;

const FEW = 8;

export function summaryView(summary: Summary): string {
  const lists: [string, { name: string; count: number }[]][] = [
    ['Victims', summary.by_process],
    ['Limits', summary.by_cgroup],
    ['Units', summary.by_unit],
    ['Pods', summary.by_pod],
    ['Containers', summary.by_container],
    ['Scopes', summary.by_scope],
    ['Messages of other programs', summary.by_program],
  ];
  const chart = hourChart(summary.by_hour);
  const cards = lists.map(([name, list]) => card(name, counts(list)));
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
  const figure = chart
    ? `<figure>${chart.svg}<figcaption><span>${safe(chart.from)}</span><span>kills by hour, at most ${chart.most}</span><span>${safe(chart.to)}</span></figcaption></figure>`
    : '';
  return `<section id="summary" aria-labelledby="summary-title"><h2 id="summary-title" tabindex="-1">${many(summary.kills, 'kill')} in ${many(summary.reports, 'report')}</h2>${time}${figure}<div class="cards">${cards.join('')}</div>${bullets(notes)}${advice(summary.findings)}</section>`;
}

const many = (count: number, noun: string) => `${count} ${noun}${count === 1 ? '' : 's'}`;

function counts(list: readonly { name: string; count: number }[]): string {
  const most = list[0]?.count ?? 1;
  const rows = list.map(
    ({ name, count }) =>
      `<tr><th scope="row" class="name">${safe(name)}</th><td class="figure">${count}</td><td class="chart">${shareBar(count / most, 'hour')}</td></tr>`,
  );
  const cut =
    list.length === MOST_NAMES ? `<p class="dim">The ${MOST_NAMES} most frequent; there may be more.</p>` : '';
  return rows.length === 0 ? '' : `${folded(rows, FEW, (some) => `<table>${some}</table>`)}${cut}`;
}

/** @param indexOf the number of a report in the page, by the id of its event; undefined: the page does not have it */
export function timeLineView(entries: readonly Entry[], indexOf: (id: string) => number | undefined): string {
  const rows = entries.map(({ id, time, host, by, what, why, source }) => {
    const index = indexOf(id);
    const kill = index === undefined ? escapeHtml(what) : `<a href="#report-${index}">${escapeHtml(what)}</a>`;
    const killer = by === 'kernel' ? by : `<b>${escapeHtml(by)}</b>`;
    return `<tr><td class="time">${escapeHtml(time)}</td><td>${escapeHtml(host)}</td><td>${killer}</td><td>${kill}</td><td>${escapeHtml(why)}</td><td class="dim">${escapeHtml(source)}</td></tr>`;
  });
  const heads = ['Time', 'Host', 'By', 'What', 'Why', 'Log'].map((name) => `<th scope="col">${name}</th>`);
  const table = `<table class="line"><thead><tr>${heads.join('')}</tr></thead><tbody>${rows.join('')}</tbody></table>`;
  return `<section id="time-line" aria-labelledby="line-title"><h2 id="line-title" tabindex="-1">Time line</h2>${scrolling('Time line', table, 'tall')}</section>`;
}

/** Links to the reports of a page, in the order of the page. */
export function contentsView(reports: readonly OomReport[], sections: readonly (readonly [string, string])[]): string {
  const first = sections.map(([id, title]) => `<li><a href="#${id}">${title}</a></li>`);
  const links = reports.map((report, i) => {
    const { victim, outcome, verdict, node, trigger } = report;
    const asker = trigger && outcome === 'unknown' ? `OOM killer invoked by ${safe(trigger.comm)}` : outcomes[outcome];
    const who = victim ? `${safe(victim.comm)} <span class="dim">pid ${victim.pid}</span>` : asker;
    const where = node === '' ? '' : ` · ${safe(node)}`;
    return `<li><a href="#report-${i}">${who}</a><br><span class="dim">${safe(when(report))}${where}<br>${causes[verdict.cause]}</span></li>`;
  });
  return `<ol>${[...first, ...links].join('')}</ol>`;
}
