/**
 * The script of the page that explains a pasted kernel log. It runs in the browser, also when the page is opened from a
 * file. It sends no data: the Content-Security-Policy of the page allows no connection.
 */
import { Patterns } from '../../src/explain/patterns.ts';
import { readText } from '../../src/explain/read-text.ts';
import { escapeHtml } from '../../src/explain/render/charts.ts';
import { htmlBody } from '../../src/explain/render/html.ts';
import { printable } from '../../src/text/printable.ts';

/**
 * The parts of an HTML element that the page uses. They are declared here because the project has no types of
 * browsers.
 */
interface Element {
  innerHTML: string;
  value: string;
  textContent: string | null;
  files: ArrayLike<BrowserFile> | null;
  addEventListener(type: string, listener: (event: BrowserEvent) => void): void;
  focus(): void;
  scrollIntoView(): void;
}
interface BrowserFile {
  name: string;
  text(): Promise<string>;
}
interface BrowserEvent {
  preventDefault(): void;
  dataTransfer?: { files: ArrayLike<BrowserFile> };
}
interface Document {
  getElementById(id: string): Element | null;
  body: Element;
}
const { document } = globalThis as unknown as { document: Document };

const element = (id: string): Element => {
  const found = document.getElementById(id);
  if (!found) throw new Error(`The page has no element ${id}.`);
  return found;
};
const safe = (text: string) => escapeHtml(printable(text));

function show(text: string, name: string): void {
  const { reports, others, warnings } = readText(text, name);
  const patterns = new Patterns();
  for (const report of reports) patterns.add(report);
  const notes = [
    ...others.map(({ program, words }) => `A kill by ${safe(program)}, not by the kernel: ${safe(words)}.`),
    ...warnings.map((warning) => `Warning: ${safe(warning)}.`),
  ];
  const list = notes.length === 0 ? '' : `<ul>${notes.map((note) => `<li>${note}</li>`).join('')}</ul>`;
  const none = '<p>This text contains no report of the OOM killer.</p>';
  element('results').innerHTML = (reports.length === 0 ? none : htmlBody(reports, patterns.summary())) + list;
  element('status').textContent = `${reports.length} ${reports.length === 1 ? 'report' : 'reports'} in ${name}.`;
  element('results').scrollIntoView();
}

async function open(files: ArrayLike<BrowserFile> | null | undefined): Promise<void> {
  const file = files?.[0];
  if (file) show(await file.text(), file.name);
}

element('explain').addEventListener('click', () => show(element('log').value, 'the pasted text'));
element('file').addEventListener('change', () => void open(element('file').files));
document.body.addEventListener('dragover', (event) => event.preventDefault());
document.body.addEventListener('drop', (event) => {
  event.preventDefault();
  void open(event.dataTransfer?.files);
});
