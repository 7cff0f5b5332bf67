/** One report as a section of a page. The task table and the list of fields are separate parts, because they are long. */
import type { OomReport } from '../../model/oom-report.ts';
import { formatBytes } from '../../text/format.ts';
import { type Composition, compositionOf, swapOf } from '../render/composition.ts';
import { fieldsOf } from '../render/fields.ts';
import { asked, when } from '../render/sentences.ts';
import { sourceName } from '../render/time-line.ts';
import { outcomes } from '../report.ts';
import { compositionChart } from './charts.ts';
import { fragmentationView, holdersView, sumsView, zonesView } from './figures.ts';
import { advice, bullets, card, escapeHtml, safe, scrolling } from './markup.ts';
import { processTable } from './process-table.ts';

/** The long parts of a report: a page fills them when they are opened. */
export type Part = 'processes' | 'fields' | 'lines';

/** @param index number of the report in the page, which the ids have @param open the long parts that begin open */
export function reportView(report: OomReport, index: number, open: readonly Part[] = []): string {
  const { verdict, victim, outcome, tasks } = report;
  const who = victim
    ? `Killed: <span class="victim">${safe(victim.comm)}</span> <span class="dim">pid ${victim.pid}</span>`
    : outcomes[outcome];
  const otherwise = verdict.alternatives.map(
    (one) => `If ${safe(one.if)}, ${safe(one.comm)} (pid ${one.pid}) would have been chosen.`,
  );
  const warnings = report.warnings.length > 0 ? `<h3>Warnings</h3>${bullets(report.warnings.map(safe))}` : '';
  const part = (name: Part, title: string) =>
    `<details class="part" data-part="${name}" data-report="${index}"${open.includes(name) ? ' open' : ''}><summary><h3>${title}</h3></summary><div class="body"></div></details>`;
  return `<section class="report" id="report-${index}" aria-labelledby="title-${index}"><h2 id="title-${index}" tabindex="-1">${who}</h2><p class="dim place">${place(report)}</p>
<p class="why">${safe(verdict.why.charAt(0).toUpperCase() + verdict.why.slice(1))}</p>
${bullets(verdict.factors.map(({ text }) => safe(text)))}${warnings}
${chart(compositionOf(report))}${chart(swapOf(report))}
<div class="cards">${card('Memory held by', holdersView(report))}${card('Zones against their watermarks', zonesView(report))}</div>
<h3>The kernel’s choice</h3><p>${safe(verdict.choice)}</p><p>${safe(verdict.culprit)}</p>${bullets(otherwise)}
${advice(verdict.advice)}
<h3>Fragmentation</h3>${fragmentationView(verdict.fragmentation)}
${sumsView(verdict.sums)}
${tasks.length === 0 ? '<p class="dim">The log has no task table.</p>' : part('processes', `Processes (${tasks.length})`)}
${part('fields', 'Every field, explained')}
${report.lines === null ? '' : part('lines', `The lines of the report (${report.lines.length})`)}
<h3>Where it happened</h3>${facts(report)}</section>`;
}

const headings: Record<Composition['of'], string> = {
  limit: 'What filled the limit of',
  memory: 'What filled the memory of',
  'swap limit': 'Swap of the cgroup, of',
  swap: 'Swap of',
};

const chart = (composition: Composition | null) =>
  composition
    ? `<h3>${headings[composition.of]} ${formatBytes(composition.whole)}</h3>${compositionChart(composition)}`
    : '';

/** Time, host, kernel and log in one line. */
function place(report: OomReport): string {
  const { kernel, node, input } = report;
  const words = [when(report), node, kernel === null ? '' : `Linux ${kernel}`, sourceName(input)];
  return safe(words.filter((word) => word !== '').join(' · '));
}

function facts(report: OomReport): string {
  const { kernel, node, scope, limit, victim, verdict, input, offset } = report;
  const rows = [
    ['Time', when(report)],
    ['Host', node],
    ['Kernel', kernel ?? ''],
    ['Log', `${sourceName(input)}, at byte ${offset}`],
    ['Scope', scope ?? ''],
    ['Limit of', limit?.path ?? ''],
    ['Victim’s cgroup', victim?.cgroup ?? ''],
    ['Allocating task', asked(report)],
    ['Runtime', verdict.runtime ?? ''],
    ['Parts in the log', report.parts.join(', ')],
  ].filter(([, value]) => value !== '');
  return `<dl class="facts">${rows.map(([name, value = '']) => `<dt>${name}</dt><dd>${safe(value)}</dd>`).join('')}</dl>`;
}

/** A long part of a report. */
export function partView(part: Part, report: OomReport, index: number): string {
  if (part === 'processes') return processTable(report, index);
  return part === 'fields' ? fieldsView(report) : linesView(report);
}

/** The lines as they are in the log, without their prefixes. */
const linesView = ({ lines }: OomReport): string =>
  scrolling('The lines of the report', `<pre>${(lines ?? []).map(safe).join('\n')}</pre>`, 'tall');

/** Every field of a report with its value and its meaning. */
function fieldsView(report: OomReport): string {
  const groups = fieldsOf(report).map(({ title, fields }) => {
    const rows = fields.map(
      ({ name, value, meaning }) =>
        `<tr><th scope="row">${escapeHtml(name)}</th><td>${escapeHtml(value)}</td><td class="dim">${escapeHtml(meaning)}</td></tr>`,
    );
    return `<table class="fields"><caption>${safe(title)}</caption><colgroup><col><col><col></colgroup><thead class="hidden"><tr><th scope="col">field</th><th scope="col">value</th><th scope="col">meaning</th></tr></thead><tbody>${rows.join('')}</tbody></table>`;
  });
  return groups.join('');
}
