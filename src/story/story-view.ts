/** A story as HTML: the page `oomscope web` and `history show --html` show it. All texts of the event are escaped. */

import { shareBar } from '../explain/html/charts.ts';
import { escapeHtml, safe } from '../explain/html/markup.ts';
import { reportView } from '../explain/html/report-view.ts';
import { formatBytes, formatRate } from '../text/format.ts';
import { leadUpCharts } from './charts.ts';
import { choiceOf, type Fact, factsOf, leadUpOf } from './facts.ts';
import { formatOffset, killOf, momentsOf, reportOf, type Story } from './story.ts';

/** @param heading the level of the heading: 1 where the story is the whole page */
export function storyView(story: Story, heading: 1 | 2 = 2): string {
  const { head } = story;
  const report = reportOf(story);
  const parts = [
    `<h${heading} id="story-title" tabindex="-1">${safe(titleOf(story))}</h${heading}><p class="why">${safe(head.message)}</p>`,
    part('Facts', factsView(factsOf(story))),
    part('Before', beforeView(story)),
    part('Candidates of the kernel', choiceView(story)),
    part('During and after', momentsView(story)),
    report
      ? `<section class="story-part"><h2>The kernel’s report</h2>${withoutTitle(reportView(report, 0))}</section>`
      : '',
  ];
  return `<article class="story" aria-labelledby="story-title">${parts.join('\n')}</article>`;
}

const part = (title: string, body: string) =>
  body === '' ? '' : `<section class="story-part"><h2>${title}</h2>${body}</section>`;

export function titleOf(story: Story): string {
  const kill = killOf(story);
  const victim = kill?.victim ?? reportOf(story)?.victim;
  if (victim) return `OOM kill of ${victim.comm ?? '?'} (pid ${victim.pid})`;
  return (
    { pressure: 'Memory pressure', guard: 'A decision of the guard' }[story.head.type.split('.')[0] ?? ''] ??
    story.head.type
  );
}

/** The report has a heading of its own, which would repeat the title of the story. */
const withoutTitle = (html: string) => html.replaceAll('<h2 ', '<h3 ').replaceAll('</h2>', '</h3>');

const factsView = (facts: readonly Fact[]) =>
  `<dl class="facts">${facts.map(([name, text]) => `<dt>${name}</dt><dd>${escapeHtml(text)}</dd>`).join('')}</dl>`;

function beforeView(story: Story): string {
  const leadUp = leadUpOf(story);
  if (!leadUp) return '';
  const limit = killOf(story)?.limit?.limit_bytes ?? null;
  const rows = leadUp.growers.map(
    ({ comm, pid, growth_bytes_per_second: speed, rss_bytes }) =>
      `<tr><th scope="row">${safe(comm)} <span class="dim">${pid}</span></th><td class="figure">${speed === null ? '' : formatRate(speed)}</td><td class="figure">${formatBytes(rss_bytes)}</td></tr>`,
  );
  const grew =
    rows.length === 0
      ? ''
      : `<table><caption>Processes that grew</caption><thead><tr><th scope="col">process</th><th scope="col" class="figure">growth</th><th scope="col" class="figure">resident</th></tr></thead><tbody>${rows.join('')}</tbody></table>`;
  return leadUpCharts(leadUp, limit) + grew;
}

function choiceView(story: Story): string {
  const all = choiceOf(story);
  const most = Math.max(1, ...all.map(({ bytes }) => bytes));
  const rows = all.map(
    ({ pid, comm, bytes, adj, chosen }) =>
      `<tr${chosen ? ' class="killed"' : ''}><th scope="row" class="name">${safe(comm)} <span class="dim">${pid}</span>${chosen ? ' <b>killed</b>' : ''}</th><td class="figure">${formatBytes(bytes)}</td><td class="figure">${adj}</td><td class="chart">${shareBar(bytes / most, chosen ? 'victim-bar' : 'holder-bar')}</td></tr>`,
  );
  if (rows.length === 0) return '';
  return `<table><thead><tr><th scope="col">process</th><th scope="col" class="figure">memory</th><th scope="col" class="figure">oom_score_adj</th><td></td></tr></thead><tbody>${rows.join('')}</tbody></table>`;
}

function momentsView(story: Story): string {
  const rows = momentsOf(story)
    .filter(({ event }) => event.type !== 'oom.report')
    .map(
      ({ event, atSeconds }) =>
        `<tr${event.id === story.head.id ? ' class="chosen"' : ''}><td class="figure time">${formatOffset(atSeconds)}</td><td class="dim">${escapeHtml(event.type)}</td><td>${safe(event.message)}</td></tr>`,
    );
  return `<table class="moments"><thead><tr><th scope="col" class="figure">seconds</th><th scope="col">event</th><th scope="col">what</th></tr></thead><tbody>${rows.join('')}</tbody></table>`;
}
