/** A certificate authority of a test's own, made with openssl. */
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';

export interface Certificate {
  certificate: string;
  key: string;
}

export class Authority {
  readonly #directory: string;
  readonly #name: string;

  /** @param directory where all files are written. @param name what this authority is called */
  constructor(directory: string, name: string) {
    this.#directory = directory;
    this.#name = name;
    this.#openssl(['req', '-x509', ...this.#request(name), '-out', this.certificate]);
  }

  get certificate(): string {
    return this.#file(`${this.#name}.pem`);
  }

  /** A certificate that this authority has signed. @param names of the host, such as DNS:localhost */
  issue(name: string, names: string, days = 2): Certificate {
    const [certificate, request] = [this.#file(`${name}.pem`), this.#file(`${name}.csr`)];
    this.#openssl(['req', ...this.#request(name), '-addext', `subjectAltName=${names}`, '-out', request]);
    const ca = ['-CA', this.certificate, '-CAkey', this.#file(`${this.#name}.key`), '-CAcreateserial'];
    const text = ['-copy_extensions', 'copy', '-days', String(days), '-in', request, '-out', certificate];
    this.#openssl(['x509', '-req', ...ca, ...text]);
    return { certificate, key: this.#file(`${name}.key`) };
  }

  #request(name: string): string[] {
    const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
    return [...key, '-subj', `/CN=${name}`, '-keyout', this.#file(`${name}.key`)];
  }

  #openssl(words: string[]): void {
    execFileSync('openssl', words, { stdio: ['ignore', 'ignore', 'pipe'] });
  }

  #file(name: string): string {
    return join(this.#directory, name);
  }
}
