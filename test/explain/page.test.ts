/** The HTML page that explains a pasted log, tested in a real browser: it needs no server and no network connection. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { explain, fixture, linesOf } from './corpus.ts';

const ROOT = join(import.meta.dirname, '../..');
const CHROMIUM = ['/usr/bin/chromium', '/usr/bin/google-chrome'].find((path) => existsSync(path));
const directory = mkdtempSync(join(tmpdir(), 'oomscope-page-'));
const PAGE = join(directory, 'explain.html');

beforeAll(() => execFileSync(process.execPath, [join(ROOT, 'scripts/page/main.ts'), PAGE], { cwd: ROOT }));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

it('is one file of at most 400 KiB whose policy allows only its own script, by hash', () => {
  expect(statSync(PAGE).size).toBeLessThanOrEqual(400 * 1024);
  const page = readFileSync(PAGE, 'utf8');
  expect(page).toMatch(/default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-[\w+/=]+'/);
  expect(page.match(/<script/g)).toHaveLength(1);
  expect(page).not.toMatch(/\b(?:src|href)=["']/);
});

/** A page in the browser, controlled with the Chrome DevTools protocol. */
class Tab implements AsyncDisposable {
  readonly #process: ChildProcess;
  readonly #socket: WebSocket;
  readonly #answers = new Map<number, (result: unknown) => void>();
  /** Errors of the script, and violations of the content security policy. */
  readonly complaints: string[] = [];
  #id = 0;

  private constructor(child: ChildProcess, socket: WebSocket) {
    this.#process = child;
    this.#socket = socket;
    socket.addEventListener('message', ({ data }) => {
      const { id, result, method, params } = JSON.parse(String(data));
      if (id !== undefined) this.#answers.get(id)?.(result);
      if (method === 'Runtime.exceptionThrown' || method === 'Log.entryAdded')
        this.complaints.push(JSON.stringify(params));
    });
  }

  static async open(program: string, url: string): Promise<Tab> {
    const profile = join(directory, `profile-${Date.now()}`);
    const words = [
      '--headless=new',
      '--no-sandbox',
      '--disable-gpu',
      '--remote-debugging-port=0',
      `--user-data-dir=${profile}`,
      'about:blank',
    ];
    const child = spawn(program, words, { stdio: 'ignore' });
    const port = await until(() => readFileSync(join(profile, 'DevToolsActivePort'), 'utf8').split('\n')[0]);
    const targets = (await until(async () => (await fetch(`http://127.0.0.1:${port}/json`)).json())) as {
      type: string;
      webSocketDebuggerUrl: string;
    }[];
    const socket = new WebSocket(targets.find(({ type }) => type === 'page')?.webSocketDebuggerUrl ?? '');
    await new Promise((resolve) => socket.addEventListener('open', resolve));
    const tab = new Tab(child, socket);
    for (const domain of ['Runtime', 'Log', 'Page', 'Network']) await tab.send(`${domain}.enable`);
    await tab.send('Page.navigate', { url });
    await until(
      async () =>
        (await tab.evaluate('document.readyState === "complete" && !!document.getElementById("log")')) || undefined,
    );
    return tab;
  }

  send(method: string, params: object = {}): Promise<unknown> {
    const id = ++this.#id;
    return new Promise((resolve) => {
      this.#answers.set(id, resolve);
      this.#socket.send(JSON.stringify({ id, method, params }));
    });
  }

  async evaluate(expression: string): Promise<unknown> {
    const answer = (await this.send('Runtime.evaluate', { expression, returnByValue: true })) as {
      result: { value: unknown };
    };
    return answer.result.value;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#socket.close();
    const ended = new Promise((resolve) => this.#process.once('exit', resolve));
    this.#process.kill();
    await ended;
  }
}

async function until<T>(attempt: () => T | Promise<T>): Promise<NonNullable<T>> {
  for (let tries = 0; ; tries++) {
    try {
      const value = await attempt();
      if (value !== undefined && value !== false) return value as NonNullable<T>;
    } catch (error) {
      if (tries > 200) throw error;
    }
    if (tries > 200) throw new Error('expected it within 20 s');
    await sleep(100);
  }
}

describe.skipIf(!CHROMIUM)('in a browser', { timeout: 90_000 }, () => {
  const log = linesOf(fixture('6.12/v2-global.kmsg'))
    .map(({ timeUs, text }) => `> [${(timeUs / 1e6).toFixed(6)}] ${text}`)
    .join('\n');

  it.each([
    [360, 740, 'light'],
    [1400, 900, 'dark'],
  ])(
    'at %i × %i pixels, %s mode, shows the same sentences as the command, with the keyboard alone',
    async (width, height, scheme) => {
      await using tab = await Tab.open(CHROMIUM as string, `file://${PAGE}`);
      await tab.send('Emulation.setDeviceMetricsOverride', { width, height, deviceScaleFactor: 1, mobile: false });
      await tab.send('Emulation.setEmulatedMedia', { features: [{ name: 'prefers-color-scheme', value: scheme }] });
      await tab.evaluate('document.getElementById("log").focus()');
      await tab.send('Input.insertText', { text: log });
      const key = (name: string, code: number, text = '') => ({
        key: name,
        code: name,
        windowsVirtualKeyCode: code,
        text,
      });
      for (const [name, code, text] of [
        ['Tab', 9, ''],
        ['Enter', 13, '\r'],
      ] as const) {
        await tab.send('Input.dispatchKeyEvent', { type: text ? 'keyDown' : 'rawKeyDown', ...key(name, code, text) });
        await tab.send('Input.dispatchKeyEvent', { type: 'keyUp', ...key(name, code) });
      }
      const words = String(
        await until(async () => (await tab.evaluate('document.getElementById("results").innerText')) || undefined),
      );
      const [report] = explain(log).reports;
      expect(words).toContain(report?.verdict.culprit);
      expect(words).toContain(report?.verdict.choice);
      expect(await tab.evaluate('document.documentElement.scrollWidth <= window.innerWidth')).toBe(true);
      expect(tab.complaints).toEqual([]);
    },
  );

  it('escapes markup in a process name, and its policy blocks network requests', async () => {
    await using tab = await Tab.open(CHROMIUM as string, `file://${PAGE}`);
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
