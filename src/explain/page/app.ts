/**
 * The script of the page that explains kernel logs. It runs in the browser, also when the page is opened from a file. It
 * shows the reports that are in the page, and those of a log that is pasted, dropped or opened. It sends no data: the
 * Content-Security-Policy of the page allows no connection.
 */
import type { OomOtherKill } from '../../model/oom-other-kill.ts';
import type { OomReport } from '../../model/oom-report.ts';
import { formatBytes } from '../../text/format.ts';
import { printable } from '../../text/printable.ts';
import { bullets, escapeHtml } from '../html/markup.ts';
import { type Part, partView, reportView } from '../html/report-view.ts';
import { contentsView, summaryView, timeLineView } from '../html/summary-view.ts';
import { Patterns } from '../patterns.ts';
import { TextReader, type TextResult } from '../read-text.ts';
import { TimeLine } from '../render/time-line.ts';
import { type Archive, unpack } from './archive.ts';
import { browser, element, type PageElement, type PageFile } from './dom.ts';
import { example } from './example.ts';
import { readFile } from './log-file.ts';
import { clicked, pressed } from './tables.ts';

const { document } = browser;
/** The reports in the page: their number is their index. */
let shown: readonly OomReport[] = [];

function show({ reports, others, summary, notes }: Archive, from: string): void {
  shown = reports;
  const many = reports.length + others.length > 1 || others.length > 0;
  const line = new TimeLine();
  for (const event of [...reports, ...others]) line.add(event);
  const indices = new Map(reports.map(({ id }, i) => [id, i]));
  const parts = [
    reports.length + others.length === 0 ? '<p>This text contains no report of the OOM killer.</p>' : '',
    bullets(notes.map((note) => escapeHtml(printable(note)))),
    summary.reports > 1 ? summaryView(summary) : '',
    many ? timeLineView(line.entries(), (id) => indices.get(id)) : '',
    ...reports.map((report, i) => reportView(report, i, reports.length === 1 ? ['processes'] : [])),
  ];
  element('results').innerHTML = parts.join('\n');
  const sections: [string, string][] = [
    ...(summary.reports > 1 ? [['summary', 'Summary'] as [string, string]] : []),
    ...(many ? [['time-line', 'Time line'] as [string, string]] : []),
  ];
  element('contents').innerHTML = reports.length + sections.length > 1 ? contentsView(reports, sections) : '';
  document.body.classList.toggle('listed', reports.length + sections.length > 1);
  const words = `${reports.length} ${reports.length === 1 ? 'report' : 'reports'}`;
  element('status').textContent = `${words} in ${from}.`;
  document.title = reports.length === 0 ? 'Explain an OOM report' : `${words}: ${from}`;
  for (const one of Array.from(element('results').querySelectorAll('details.part[open]'))) fill(one);
}

/** Fills a long part of a report when it is opened for the first time. */
function fill(part: PageElement): void {
  const body = part.querySelector('.body');
  const index = Number(part.dataset.report);
  const report = shown[index];
  if (!body || !report || body.innerHTML !== '') return;
  body.innerHTML = partView(part.dataset.part as Part, report, index);
}

/** Joins the results of several logs. A report that two logs have is shown once. */
function joined(results: readonly { name: string; result: TextResult }[], errors: readonly string[]): Archive {
  const reports = new Map<string, OomReport>();
  const others = new Map<string, OomOtherKill>();
  const notes = [...errors];
  let copies = 0;
  for (const { name, result } of results) {
    for (const report of result.reports) {
      if (reports.has(report.id)) copies++;
      else reports.set(report.id, report);
    }
    for (const kill of result.others) others.set(kill.id, kill);
    notes.push(...result.warnings.map((warning) => `${name}: ${warning}.`));
  }
  if (copies > 0) notes.push(`${copies} reports are in more than one log; each is shown once.`);
  const patterns = new Patterns();
  for (const report of reports.values()) patterns.add(report);
  for (const kill of others.values()) patterns.addOther(kill);
  return { reports: [...reports.values()], others: [...others.values()], summary: patterns.summary(), notes };
}

/** Shows the results and moves the focus to them. */
function present(archive: Archive, from: string): void {
  show(archive, from);
  element('results').focus({ preventScroll: true });
  element('results').scrollIntoView({ block: 'start' });
}

function explainText(text: string): void {
  const reader = new TextReader('the pasted text', undefined, true);
  reader.push(text);
  present(joined([{ name: 'the pasted text', result: reader.end() }], []), 'the pasted text');
}

async function explainFiles(files: ArrayLike<PageFile> | null | undefined): Promise<void> {
  const list = Array.from(files ?? []);
  if (list.length === 0) return;
  const results: { name: string; result: TextResult }[] = [];
  const errors: string[] = [];
  for (const file of list) {
    const reader = new TextReader(file.name, undefined, true);
    try {
      await readFile(file, reader, (bytes) => {
        element('status').textContent = `Reading ${file.name}: ${formatBytes(bytes)} of ${formatBytes(file.size)}.`;
      });
    } catch (error) {
      errors.push(error instanceof Error ? error.message : `${file.name} could not be read.`);
    }
    results.push({ name: file.name, result: reader.end() });
  }
  present(joined(results, errors), list.length === 1 ? (list[0]?.name ?? '') : `${list.length} files`);
}

function listen(): void {
  element('explain').addEventListener('click', () => explainText(element('log').value));
  element('example').addEventListener('click', () => {
    element('log').value = example;
    explainText(example);
  });
  element('log').addEventListener('keydown', ({ key, ctrlKey, metaKey }) => {
    if (key === 'Enter' && (ctrlKey || metaKey)) explainText(element('log').value);
  });
  element('file').addEventListener('change', () => void explainFiles(element('file').files));
  element('results').addEventListener('click', (event) => clicked(event, (index) => shown[index]));
  element('results').addEventListener('keydown', pressed);
  element('results').addEventListener('toggle', ({ target }) => fill(target), true);
  browser.addEventListener('beforeprint', () => {
    for (const part of Array.from(document.querySelectorAll('details.part'))) {
      fill(part);
      part.open = true;
    }
  });
  const dragged = (on: boolean) => document.body.classList.toggle('dragged', on);
  document.body.addEventListener('dragover', (event) => {
    event.preventDefault();
    dragged(true);
  });
  document.body.addEventListener('dragleave', ({ relatedTarget }) => {
    if (!relatedTarget) dragged(false);
  });
  document.body.addEventListener('drop', (event) => {
    event.preventDefault();
    dragged(false);
    const { files, getData } = event.dataTransfer ?? {};
    if (files && files.length > 0) void explainFiles(files);
    else if (getData) explainText(event.dataTransfer?.getData('text/plain') ?? '');
  });
}

async function begin(): Promise<void> {
  listen();
  element('list').open = browser.matchMedia('(min-width: 64rem)').matches;
  const packed = element('archive').innerHTML;
  if (packed === '') return;
  try {
    const archive = await unpack(packed);
    const names = new Set(archive.reports.map(({ input }) => (input === '-' ? 'standard input' : input)));
    show(archive, names.size === 1 ? printable([...names][0] ?? '') : `${names.size} logs`);
    element('input').open = false;
    const target = document.getElementById(browser.location.hash.slice(1));
    if (browser.location.hash !== '') target?.scrollIntoView();
  } catch (error) {
    element('status').textContent =
      `The reports in this page could not be unpacked: ${String(error)}. Use a current browser.`;
  }
}

void begin();
