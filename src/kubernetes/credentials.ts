/**
 * Credentials that change while oomscope runs: the kubelet replaces the token of a service account each hour, and a
 * cluster may replace its certificate authority. Files are read again when they have changed.
 */
import { execFile } from 'node:child_process';
import { readFileSync, statSync } from 'node:fs';
import { OomscopeError } from '../model/error.ts';
import { parseForeignJson } from '../text/foreign-json.ts';
import { printable } from '../text/printable.ts';
import type { Access, ExecPlugin, Source } from './access.ts';
import { record, text } from './foreign.ts';

/** The time between two looks at the change time of a file (ms). */
const LOOK_MS = 10_000;
const EXEC_TIMEOUT_MS = 30_000;

/** What a TLS connection uses. */
export interface TlsFiles {
  ca?: Buffer;
  cert?: Buffer;
  key?: Buffer;
}

/** What the program of a kubeconfig has printed. */
interface Printed {
  token?: string;
  cert?: Buffer;
  key?: Buffer;
}

/** A file or fixed bytes. */
class Content {
  readonly #source: Source;
  #bytes: Buffer | undefined;
  #changed = Number.NaN;
  #looked = Number.NEGATIVE_INFINITY;

  constructor(source: Source) {
    this.#source = source;
  }

  /** @param now CLOCK_MONOTONIC (ms) @throws OomscopeError KUBERNETES: the file cannot be read */
  read(now: number): Buffer {
    if (!('file' in this.#source)) return this.#source.data;
    if (this.#bytes && now - this.#looked < LOOK_MS) return this.#bytes;
    this.#looked = now;
    try {
      const { mtimeMs } = statSync(this.#source.file);
      if (!this.#bytes || mtimeMs !== this.#changed) this.#bytes = readFileSync(this.#source.file);
      this.#changed = mtimeMs;
      return this.#bytes;
    } catch (error) {
      if (this.#bytes) return this.#bytes; // the kubelet replaces files by renaming a link, and may be doing so
      const { file } = this.#source;
      throw new OomscopeError('KUBERNETES', `Cannot read ${printable(file)}: ${(error as Error).message}.`);
    }
  }

  /** The next read() looks at the file. */
  expire(): void {
    this.#looked = Number.NEGATIVE_INFINITY;
  }
}

export class Credentials {
  readonly #access: Access;
  readonly #allowExec: boolean;
  readonly #contents: Partial<Record<'ca' | 'cert' | 'key' | 'token', Content>>;
  #printed: Printed | undefined;

  /** @param allowExec whether the program of a kubeconfig may be run */
  constructor(access: Access, allowExec: boolean) {
    this.#access = access;
    this.#allowExec = allowExec;
    const { ca, cert, key, token } = access;
    this.#contents = {
      ...(ca && { ca: new Content(ca) }),
      ...(cert && { cert: new Content(cert) }),
      ...(key && { key: new Content(key) }),
      ...(token && { token: new Content(token) }),
    };
  }

  /** The token without white space; undefined: there is none. @throws OomscopeError KUBERNETES */
  async token(): Promise<string | undefined> {
    if (this.#access.exec) this.#printed ??= await this.#run(this.#access.exec);
    return this.#printed?.token ?? this.#contents.token?.read(performance.now()).toString('latin1').trim();
  }

  /** @throws OomscopeError KUBERNETES */
  tls(): TlsFiles {
    const { ca, cert, key } = this.#contents;
    const now = performance.now();
    return {
      ...(ca && { ca: ca.read(now) }),
      ...(cert && key && { cert: cert.read(now), key: key.read(now) }),
      ...(this.#printed?.cert && this.#printed.key && { cert: this.#printed.cert, key: this.#printed.key }),
    };
  }

  /** The server refused the credentials: they are read again. @returns whether they can be different then */
  expire(): boolean {
    for (const content of Object.values(this.#contents)) content?.expire();
    this.#printed = undefined;
    return this.#access.exec !== undefined || (this.#access.token !== undefined && 'file' in this.#access.token);
  }

  async #run({ command, args, env, apiVersion }: ExecPlugin): Promise<Printed> {
    const shown = printable(command);
    if (!this.#allowExec) {
      throw new OomscopeError(
        'KUBERNETES',
        `${this.#access.from}: the user's credentials come from the program ${shown}, which is not run unless it is allowed: add --allow-exec.`,
      );
    }
    const info = JSON.stringify({ apiVersion, kind: 'ExecCredential', spec: { interactive: false } });
    const options = {
      ...{ timeout: EXEC_TIMEOUT_MS, maxBuffer: 2 ** 20 },
      env: { ...process.env, ...env, KUBERNETES_EXEC_INFO: info },
    };
    const printed = await new Promise<string>((resolve, reject) => {
      execFile(command, args, options, (error, stdout) => {
        if (error) reject(new OomscopeError('KUBERNETES', `${shown} gave no credentials: ${printable(error.message)}`));
        else resolve(stdout);
      });
    });
    const status = record(record(parseOrNothing(printed)).status);
    const [token, cert, key] = [text(status.token), text(status.clientCertificateData), text(status.clientKeyData)];
    if (token === null && (cert === null || key === null))
      throw new OomscopeError('KUBERNETES', `${shown} printed neither a token nor a certificate.`);
    return {
      ...(token !== null && { token }),
      ...(cert !== null && key !== null && { cert: Buffer.from(cert), key: Buffer.from(key) }),
    };
  }
}

function parseOrNothing(json: string): unknown {
  try {
    return parseForeignJson(json);
  } catch {
    return undefined;
  }
}
