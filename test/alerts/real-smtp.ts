/** Runs the mail server of Debian's package python3-aiosmtpd on loopback. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { ROOT } from '../cli/cli.ts';

const PACKAGES = join(ROOT, 'build/test-packages/usr/lib/python3/dist-packages');

export interface Mail {
  from: string;
  to: string[];
  /** Whether it came within TLS. */
  tls: boolean;
  headers: Record<string, string>;
  /** What the reader's program would complain about. */
  defects: string[];
  body: string;
  raw: string;
}

/** Why the server cannot be started here; undefined when it can. */
export const smtpUnavailable = (): string | undefined =>
  ['aiosmtpd', 'public', 'attr'].every((name) => existsSync(join(PACKAGES, name)))
    ? undefined
    : 'needs Debian’s python3-aiosmtpd: sh scripts/packages.sh test <scripts/test-packages';

export const LOGIN = { user: 'oomscope', password: 'a password of this test' };

export class RealSmtp {
  readonly mails: Mail[] = [];
  readonly #directory = mkdtempSync(join(tmpdir(), 'oomscope-smtp-'));
  readonly #secure: boolean;
  #port = 0;
  #child: ChildProcess | undefined;

  private constructor(secure: boolean) {
    this.#secure = secure;
  }

  /** @param options.secure wants STARTTLS and a login, with a certificate for localhost */
  static async start({ secure = false } = {}): Promise<RealSmtp> {
    const server = new RealSmtp(secure);
    if (secure) {
      const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost'];
      const files = ['-keyout', server.#file('key.pem'), '-out', server.certificate];
      const made = [
        'req',
        '-x509',
        '-newkey',
        'ec',
        '-pkeyopt',
        'ec_paramgen_curve:prime256v1',
        '-nodes',
        '-days',
        '2',
      ];
      execFileSync('openssl', [...made, ...subject, ...files], { stdio: 'ignore' });
    }
    await server.up();
    return server;
  }

  get certificate(): string {
    return this.#file('certificate.pem');
  }

  get url(): string {
    return `smtp://localhost:${this.#port}`;
  }

  async up(): Promise<void> {
    const tls = this.#secure ? [this.certificate, this.#file('key.pem'), LOGIN.user, LOGIN.password] : [];
    const script = join(import.meta.dirname, 'real-smtp.py');
    const child = spawn('python3', [script, String(this.#port), ...tls], {
      env: { ...process.env, PYTHONPATH: PACKAGES },
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    this.#child = child;
    const lines = createInterface({ input: child.stdout });
    const [first] = (await Promise.race([once(lines, 'line'), once(child, 'exit')])) as [string];
    this.#port = (JSON.parse(first) as { port: number }).port;
    lines.on('line', (line) => this.mails.push(JSON.parse(line) as Mail));
  }

  async down(): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    if (!child) return;
    const gone = once(child, 'exit');
    child.kill('SIGKILL');
    await gone;
  }

  /** The server accepts connections, by the kernel's backlog, and says nothing. */
  hang(): void {
    this.#child?.kill('SIGSTOP');
  }

  async stop(): Promise<void> {
    await this.down();
    rmSync(this.#directory, { recursive: true });
  }

  #file(name: string): string {
    return join(this.#directory, name);
  }
}
