/** Makes the root directory of an invented machine, with the files in proc/ and sys/ that a test needs. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

export interface MadeRoot extends Disposable {
  path: string;
}

export function madeRoot(files: Record<string, string>): MadeRoot {
  const path = mkdtempSync(join(tmpdir(), 'oomscope-root-'));
  mkdirSync(join(path, 'proc'));
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(path, name)), { recursive: true });
    writeFileSync(join(path, name), text);
  }
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true }) };
}

/** The files in /proc of one process. */
export function madeProcess(pid: number, comm: string, adj: number, rssKib: number, argv = [comm]) {
  return {
    [`/proc/${pid}/comm`]: `${comm}\n`,
    [`/proc/${pid}/oom_score_adj`]: `${adj}\n`,
    [`/proc/${pid}/status`]: `Name:\t${comm}\nVmRSS:\t${String(rssKib).padStart(8)} kB\n`,
    [`/proc/${pid}/cmdline`]: `${argv.join('\0')}\0`,
  };
}

export const meminfo = (fields: Record<string, number>) =>
  Object.entries(fields)
    .map(([name, kib]) => `${`${name}:`.padEnd(16)}${String(kib).padStart(8)} kB\n`)
    .join('');
