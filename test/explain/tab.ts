/** A page in a headless Chromium, controlled with the Chrome DevTools protocol. */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

export const CHROMIUM = ['/usr/bin/chromium', '/usr/bin/google-chrome'].find((path) => existsSync(path));

export interface View {
  width: number;
  height: number;
  scheme: 'light' | 'dark';
}

const KEYS: Record<string, [code: number, text: string]> = {
  Tab: [9, ''],
  Enter: [13, '\r'],
  ArrowDown: [40, ''],
  End: [35, ''],
};

export class Tab implements AsyncDisposable {
  readonly #process: ChildProcess;
  readonly #socket: WebSocket;
  readonly #profile: string;
  readonly #answers = new Map<number, (result: unknown) => void>();
  /** Errors of the script, and violations of the content security policy. */
  readonly complaints: string[] = [];
  #id = 0;

  private constructor(child: ChildProcess, socket: WebSocket, profile: string) {
    this.#process = child;
    this.#socket = socket;
    this.#profile = profile;
    socket.addEventListener('message', ({ data }) => {
      const { id, result, error, method, params } = JSON.parse(String(data));
      if (id !== undefined) this.#answers.get(id)?.(result ?? { error });
      if (method === 'Runtime.exceptionThrown' || method === 'Log.entryAdded')
        this.complaints.push(JSON.stringify(params));
    });
  }

  /** Opens a file, and waits until its script has run. */
  static async open(path: string, { width, height, scheme }: View): Promise<Tab> {
    const profile = mkdtempSync(join(tmpdir(), 'oomscope-chromium-'));
    const words = ['--headless=new', '--no-sandbox', '--disable-gpu', '--remote-debugging-port=0'];
    const child = spawn(CHROMIUM as string, [...words, `--user-data-dir=${profile}`, 'about:blank'], {
      stdio: 'ignore',
    });
    const port = await until(() => readFileSync(join(profile, 'DevToolsActivePort'), 'utf8').split('\n')[0]);
    const url = await until(async () => {
      const targets = (await (await fetch(`http://127.0.0.1:${port}/json`)).json()) as {
        type: string;
        webSocketDebuggerUrl: string;
      }[];
      return targets.find(({ type }) => type === 'page')?.webSocketDebuggerUrl;
    });
    const socket = new WebSocket(url);
    await new Promise((resolve) => socket.addEventListener('open', resolve));
    const tab = new Tab(child, socket, profile);
    for (const domain of ['Runtime', 'Log', 'Page', 'Network']) await tab.send(`${domain}.enable`);
    await tab.send('Emulation.setDeviceMetricsOverride', { width, height, deviceScaleFactor: 1, mobile: false });
    await tab.send('Emulation.setEmulatedMedia', { features: [{ name: 'prefers-color-scheme', value: scheme }] });
    await tab.send('Page.navigate', { url: `file://${path}` });
    await tab.until('document.readyState === "complete" && !!document.getElementById("log")');
    return tab;
  }

  send(method: string, params: object = {}): Promise<unknown> {
    const id = ++this.#id;
    return new Promise((resolve) => {
      this.#answers.set(id, resolve);
      this.#socket.send(JSON.stringify({ id, method, params }));
    });
  }

  /** The value of an expression; a promise is awaited. */
  async evaluate(expression: string): Promise<unknown> {
    const answer = (await this.send('Runtime.evaluate', { expression, returnByValue: true, awaitPromise: true })) as {
      result: { value: unknown };
      exceptionDetails?: { exception?: { description?: string } };
    };
    const problem = answer.exceptionDetails?.exception?.description;
    if (problem !== undefined) throw new Error(`${expression}: ${problem}`);
    return answer.result.value;
  }

  /** Waits until an expression is true. */
  async until(expression: string): Promise<void> {
    await until(async () => (await this.evaluate(expression)) || undefined);
  }

  async press(...keys: string[]): Promise<void> {
    for (const key of keys) {
      const [windowsVirtualKeyCode, text] = KEYS[key] ?? [0, ''];
      const common = { key, code: key, windowsVirtualKeyCode };
      await this.send('Input.dispatchKeyEvent', { type: text ? 'keyDown' : 'rawKeyDown', ...common, text });
      await this.send('Input.dispatchKeyEvent', { type: 'keyUp', ...common });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#socket.close();
    const ended = new Promise((resolve) => this.#process.once('exit', resolve));
    this.#process.kill();
    await ended;
    rmSync(this.#profile, { recursive: true, force: true, maxRetries: 5 });
  }
}

export async function until<T>(attempt: () => T | Promise<T>): Promise<NonNullable<T>> {
  for (let tries = 0; ; tries++) {
    try {
      const value = await attempt();
      if (value !== undefined && value !== false && value !== null) return value as NonNullable<T>;
    } catch (error) {
      if (tries > 200) throw error;
    }
    if (tries > 200) throw new Error('expected it within 20 s');
    await sleep(100);
  }
}
