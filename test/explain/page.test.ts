/** The page that explains logs, tested in a real browser: it needs no server and no network connection. */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fieldsOf } from '../../src/explain/render/fields.ts';
import { compare } from '../../src/explain/verdict/comparison.ts';
import type { OomReport } from '../../src/model/oom-report.ts';
import { oomscope } from '../cli/cli.ts';
import { CORPUS, explain, fixture, linesOf } from './corpus.ts';
import { PUBLIC } from './public-logs.ts';
import { CHROMIUM, Tab, until, type View } from './tab.ts';

const ROOT = join(import.meta.dirname, '../..');
const MOST_BYTES = 400 * 1024;
const directory = mkdtempSync(join(tmpdir(), 'oomscope-page-'));
const PAGE = join(directory, 'explain.html');

beforeAll(() => {
  execFileSync(process.execPath, [join(ROOT, 'scripts/page/main.ts'), PAGE], { cwd: ROOT });
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

/** A page with reports, written by the command. */
async function pageOf(...args: string[]): Promise<{ path: string; stderr: string }> {
  const { code, stdout, stderr } = await oomscope(['explain', '--html', ...args]);
  expect(code).toBe(0);
  const path = join(directory, `${createHash('sha256').update(stdout).digest('hex').slice(0, 12)}.html`);
  writeFileSync(path, stdout);
  return { path, stderr };
}

const dmesg = (name: string, quote = '') =>
  linesOf(fixture(name))
    .map(({ timeUs, text }) => `${quote}[${(timeUs / 1e6).toFixed(6)}] ${text}`)
    .join('\n');

const NARROW: View = { width: 360, height: 740, scheme: 'light' };
const WIDE: View = { width: 1400, height: 900, scheme: 'dark' };

describe('the file', () => {
  it('has at most 400 KiB, and its policy allows only its own script and style, by hash', () => {
    expect(statSync(PAGE).size).toBeLessThanOrEqual(MOST_BYTES);
    const page = readFileSync(PAGE, 'utf8');
    for (const part of ['script', 'style']) {
      const [, text = '', ...more] = page.split(new RegExp(`<${part}>|</${part}>`));
      expect(more).toHaveLength(1);
      const hash = createHash('sha256').update(text).digest('base64');
      expect(page).toContain(`${part}-src 'sha256-${hash}'`);
    }
    expect(page).toContain("content=\"default-src 'none'; ");
    expect(page).not.toMatch(/\bsrc=["']|\bhref=["'](?!#)|url\(|@import|\son[a-z]+=["']/);
  });

  it('with more reports than fit has the last ones, and says so', async () => {
    const log = join(directory, 'many.log');
    const names = Array.from({ length: 1500 }, (_, i) => createHash('sha256').update(String(i)).digest('hex'));
    const kills = names.map((name, i) => {
      const at = new Date(Date.UTC(2026, 0, 1) + i * 60_000).toISOString();
      return `${at} n1 kernel: oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=/,mems_allowed=0,oom_memcg=/${name},task_memcg=/${name}/${name},task=${name.slice(0, 15)},pid=${i + 10},uid=0`;
    });
    const others = names.map((name, i) => {
      const at = new Date(Date.UTC(2026, 1, 1) + i * 60_000).toISOString();
      return `${at} n1 systemd-oomd[9]: Killed /${name} due to memory pressure for / being 78.56% > 50.00% for > 20s`;
    });
    writeFileSync(log, [...others, ...kills].join('\n'));
    const { path, stderr } = await pageOf('--all', log);
    expect(stderr).toMatch(/This page has the last 1024 of 1500 messages of other programs/);
    expect(statSync(path).size).toBeLessThanOrEqual(MOST_BYTES);
    const [, count] = /This page has the last (\d+) of 1500 reports/.exec(stderr) ?? [];
    expect(Number(count)).toBeGreaterThan(50);
  });

  it('with a report that does not fit leaves out its lines and its smallest processes, and says so', async () => {
    const log = join(directory, 'large.log');
    const rows = Array.from({ length: 20_000 }, (_, i) => {
      const noise = createHash('sha256').update(String(i)).digest();
      const figures = [
        i % 60_000,
        i + 10,
        noise.readUInt32LE(0),
        noise.readUInt32LE(4) >>> 8,
        noise.readUInt16LE(8) * 4096,
        0,
        0,
      ];
      return `[ 1.0] [${i + 10}] ${figures.join(' ')} ${noise.toString('hex').slice(0, 15)}`;
    });
    const columns = '[ 1.0] [ pid ] uid tgid total_vm rss pgtables_bytes swapents oom_score_adj name';
    const kill = '[ 1.0] Out of memory: Killed process 10 (a) total-vm:8kB, anon-rss:4kB, file-rss:0kB';
    writeFileSync(log, ['[ 1.0] a invoked oom-killer: order=0, oom_score_adj=0', columns, ...rows, kill].join('\n'));
    const { path, stderr } = await pageOf(log);
    expect(statSync(path).size).toBeLessThanOrEqual(MOST_BYTES);
    expect(stderr).toContain('The lines of the report are left out');
    const [, count] = /The table of processes has the (\d+) largest of 20000/.exec(stderr) ?? [];
    expect(Number(count)).toBeGreaterThan(1000);
  });
});

describe.skipIf(!CHROMIUM)('in a browser', { timeout: 90_000 }, () => {
  it.each([NARROW, WIDE])(
    'explains a pasted log with the keyboard alone: $width × $height pixels, $scheme',
    async (view) => {
      await using tab = await Tab.open(PAGE, view);
      const log = dmesg('6.12/v2-global.kmsg', '> ');
      await tab.evaluate('document.getElementById("log").focus()');
      await tab.send('Input.insertText', { text: log });
      await tab.press('Tab', 'Enter');
      await tab.until('document.getElementById("results").innerText !== ""');
      const words = String(await tab.evaluate('document.getElementById("results").innerText'));
      const [report] = explain(log).reports as [OomReport];
      const { why, culprit, choice, fragmentation } = report.verdict;
      for (const sentence of [why.slice(1), culprit, choice, fragmentation.text]) expect(words).toContain(sentence);
      expect(await tab.evaluate('document.activeElement.id')).toBe('results');
      expect(await tab.evaluate('document.documentElement.scrollWidth <= window.innerWidth')).toBe(true);

      // The table: a heading sorts, arrow keys move, Enter compares.
      const pids = 'Array.from(document.querySelectorAll(".tasks tbody tr"), (row) => Number(row.cells[1].innerText))';
      await tab.evaluate('document.querySelector("[data-sort=pid]").focus()');
      await tab.press('Enter');
      const sorted = report.tasks.map(({ pid }) => pid).sort((a, b) => b - a);
      expect(await tab.evaluate(pids)).toEqual(sorted);
      await tab.press('Enter');
      expect(await tab.evaluate(pids)).toEqual(sorted.toReversed());
      expect(await tab.evaluate('document.activeElement.closest("th").ariaSort')).toBe('ascending');
      await tab.evaluate('document.querySelector(".tasks [data-tid]").focus()');
      await tab.press('ArrowDown', 'End', 'Enter');
      const last = report.tasks.find(({ pid }) => pid === sorted[0]) as OomReport['tasks'][0];
      expect(await tab.evaluate('document.activeElement.innerText')).toBe(last.comm);
      const compared = String(await tab.evaluate('document.getElementById("comparison-0").innerText'));
      expect(compared).toContain(compare(report, last.pid).conclusion);
      expect(await tab.evaluate('document.querySelectorAll(".tasks tr.chosen").length')).toBe(1);

      // Every field is in the list, beside its value.
      await tab.evaluate('document.querySelector("[data-part=fields] summary").focus()');
      await tab.press('Enter');
      await tab.until('document.querySelectorAll(".fields tbody tr").length > 0');
      const rows = await tab.evaluate(
        'Array.from(document.querySelectorAll(".fields tbody tr"), (row) => Array.from(row.cells, (cell) => cell.textContent))',
      );
      const fields = fieldsOf(report).flatMap((group) => group.fields);
      expect(rows).toEqual(fields.map(({ name, value, meaning }) => [name, value, meaning]));
      await tab.evaluate('document.querySelector("[data-part=lines]").open = true');
      await tab.until('document.querySelector("pre") !== null');
      const lines = String(await tab.evaluate('document.querySelector("pre").textContent')).split('\n');
      const written = linesOf(fixture('6.12/v2-global.kmsg')).map(({ text }) => text.trim());
      expect(lines.map((line) => line.trim()).filter((line) => !written.includes(line))).toEqual([]);
      expect(lines.length).toBeGreaterThan(written.length * 0.8);
      expect(await tab.evaluate('document.documentElement.scrollWidth <= window.innerWidth')).toBe(true);
      expect(await tab.evaluate(FAULTS)).toEqual([]);
      expect(tab.complaints).toEqual([]);
    },
  );

  it('reads several dropped files, packed with gzip too, into one time line with contents', async () => {
    await using tab = await Tab.open(PAGE, { ...WIDE, scheme: 'light' });
    const kill = (time: string, pid: number, name: string) =>
      `${time} n${pid} kernel: Out of memory: Killed process ${pid} (${name}) total-vm:8kB, anon-rss:4kB, file-rss:0kB`;
    const oomd =
      '2026-11-20T10:00:02Z n1 systemd-oomd[9]: Killed /a.slice/b.scope due to memory pressure for /a.slice being 78.56% > 50.00% for > 20s';
    const first = `${kill('2026-11-20T10:00:03Z', 7, 'late')}\n`;
    const second = gzipSync(`${kill('2026-11-20T10:00:01Z', 8, 'early')}\n${oomd}\n${first}`).toString('base64');
    await tab.evaluate(`{
      const files = new DataTransfer();
      files.items.add(new File([${JSON.stringify(first)}], 'one.log'));
      files.items.add(new File([Uint8Array.from(atob('${second}'), (c) => c.charCodeAt(0))], 'two.log.gz'));
      document.body.dispatchEvent(new DragEvent('drop', { dataTransfer: files, bubbles: true, cancelable: true }));
    }`);
    await tab.until('document.querySelectorAll("#time-line tbody tr").length > 0');
    const line = await tab.evaluate(
      'Array.from(document.querySelectorAll("#time-line tbody tr"), (row) => [1, 2, 3, 5].map((i) => row.cells[i].innerText))',
    );
    expect(line).toEqual([
      ['n8', 'kernel', 'early (pid 8)', 'two.log.gz'],
      ['n1', 'systemd-oomd', oomd.slice(oomd.indexOf('Killed')), 'two.log.gz'],
      ['n7', 'kernel', 'late (pid 7)', 'one.log'],
    ]);
    expect(await tab.evaluate('document.getElementById("results").innerText')).toContain(
      '1 reports are in more than one log; each is shown once.',
    );
    const links = await tab.evaluate(
      'Array.from(document.querySelectorAll("#contents a"), (link) => link.getAttribute("href"))',
    );
    expect(links).toEqual(['#summary', '#time-line', '#report-0', '#report-1']);
    await tab.evaluate('document.querySelector("#contents a[href=\\"#report-1\\"]").focus()');
    await tab.press('Enter');
    await tab.until('location.hash === "#report-1"');
    expect(tab.complaints).toEqual([]);
  });

  it('shows the reports that the command put into it, and can read another log', async () => {
    const logs = ['5.10/swap-global.kmsg', '6.18/v2-global-order.kmsg'].map((name) => join(CORPUS, name));
    const { path } = await pageOf(...logs, join(PUBLIC, '77-systemd-oomd.log'));
    await using tab = await Tab.open(path, NARROW);
    await tab.until('document.querySelectorAll("section.report").length === 2');
    const words = String(await tab.evaluate('document.getElementById("results").innerText'));
    const [report] = explain(dmesg('6.18/v2-global-order.kmsg')).reports as [OomReport];
    expect(words).toContain(report.verdict.fragmentation.text);
    expect(words).toMatch(/Swap of 64/);
    expect(words).toContain('systemd-oomd');
    expect(await tab.evaluate('document.getElementById("input").open')).toBe(false);
    await tab.evaluate('for (const part of document.querySelectorAll("details")) part.open = true');
    await tab.until('document.querySelectorAll("table.tasks").length === 2');
    expect(await tab.evaluate('document.documentElement.scrollWidth <= window.innerWidth')).toBe(true);
    expect(await tab.evaluate(FAULTS)).toEqual([]);
    await tab.send('Emulation.setEmulatedMedia', { features: [{ name: 'prefers-color-scheme', value: 'dark' }] });
    expect(await tab.evaluate(FAULTS)).toEqual([]);
    await tab.evaluate('document.getElementById("example").click()');
    expect(await tab.evaluate('document.querySelectorAll("section.report").length')).toBe(1);
    expect(await tab.evaluate('document.getElementById("results").innerText')).toContain('Swap of');
    await tab.evaluate('document.getElementById("log").value = "nothing"; document.getElementById("explain").click()');
    expect(await tab.evaluate('document.getElementById("results").innerText')).toContain('contains no report');
    expect(tab.complaints).toEqual([]);
  });

  it('escapes markup in a process name, and its policy blocks network requests', async () => {
    await using tab = await Tab.open(PAGE, WIDE);
    const kill = 'Out of memory: Killed process 7 (<img src=x>) total-vm:8kB, anon-rss:4kB, file-rss:0kB';
    await tab.evaluate(
      `document.getElementById("log").value = ${JSON.stringify(kill)}; document.getElementById("explain").click()`,
    );
    expect(await tab.evaluate('document.getElementById("results").innerText')).toContain('<img src=x>');
    expect(await tab.evaluate('document.querySelectorAll("img").length')).toBe(0);
    await tab.evaluate('fetch("https://192.0.2.1/").catch(() => {})');
    await until(() => tab.complaints.find((complaint) => /Content Security Policy/.test(complaint)));
  });
});

/**
 * Faults of accessibility: text with a contrast below 4.5 (WCAG 2.2, 1.4.3), a heading that skips a level, and a control
 * or a region without a name.
 */
const FAULTS = `(() => {
  const faults = [];
  const channel = (value) => (value <= 0.03928 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4);
  const numbers = (color) => color.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => 0.2126 * channel(r / 255) + 0.7152 * channel(g / 255) + 0.0722 * channel(b / 255);
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const color = numbers(getComputedStyle(at).backgroundColor);
      if (color[3] !== 0) return color;
    }
    return [255, 255, 255];
  };
  for (const element of document.querySelectorAll('body *')) {
    const own = Array.from(element.childNodes).some((node) => node.nodeType === 3 && node.data.trim() !== '');
    if (!own || element.closest('script, template, noscript, .hidden, .skip') || !element.checkVisibility()) continue;
    const [a, b] = [light(numbers(getComputedStyle(element).color)), light(behind(element))].sort((x, y) => y - x);
    const contrast = (a + 0.05) / (b + 0.05);
    if (contrast < 4.5) faults.push(contrast.toFixed(2) + ' ' + element.outerHTML.slice(0, 80));
  }
  let level = 0;
  for (const heading of document.querySelectorAll('h1, h2, h3, h4')) {
    const next = Number(heading.tagName[1]);
    if (next > level + 1) faults.push('skips a level: ' + heading.outerHTML.slice(0, 80));
    level = next;
  }
  for (const control of document.querySelectorAll('button, input, textarea, summary, a, [role=region], nav, section')) {
    const labelled = document.getElementById(control.getAttribute('aria-labelledby') ?? '');
    const name = control.getAttribute('aria-label') ?? labelled?.textContent ?? control.labels?.[0]?.textContent ?? control.textContent;
    if (!name?.trim()) faults.push('no name: ' + control.outerHTML.slice(0, 80));
  }
  return [...new Set(faults)].slice(0, 20);
})()`;
