/**
 * What is done to a cgroup short of killing: reclaim, throttle, freeze; and the way back. What has to be taken back is
 * written down before it is done, so that a guard that crashed takes it back at its next start.
 */
import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { readIfPresent } from '../../linux/capabilities.ts';
import { formatBytes } from '../../text/format.ts';
import type { Restraint, StepResult } from '../steps/step.ts';
import { restraintFiles } from '../steps/steps.ts';

/** A file that was written to, what was in it, and what is in it now. */
interface Written {
  file: string;
  before: string;
  now: string;
}

export class CgroupRestraints {
  readonly #path: string | undefined;
  readonly #written = new Map<string, Written>();

  /** @param path of the file that outlives a crash; undefined: none */
  constructor(path: string | undefined) {
    this.#path = path;
  }

  /** What a guard that crashed has left. @returns the files that are as they were again */
  static recover(path: string): string[] {
    const restraints = new CgroupRestraints(undefined);
    try {
      for (const each of JSON.parse(readFileSync(path, 'utf8')) as Written[]) {
        if (isWritten(each)) restraints.#written.set(each.file, each);
      }
    } catch {
      return []; // there is none, or it was cut short: it is replaced as a whole, so nothing was done yet
    }
    const restored = restraints.release();
    rmSync(path, { force: true });
    return restored;
  }

  /** @returns how much it asked for; the kernel may find less. Waits for it. */
  async reclaim(directory: string, bytes: number): Promise<StepResult> {
    try {
      await writeFile(`${directory}/memory.reclaim`, String(bytes));
      return { outcome: 'done', detail: `${formatBytes(bytes)} reclaimed` };
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'EAGAIN') return { outcome: 'done', detail: `less than ${formatBytes(bytes)} could be reclaimed` };
      return refused(error, 'memory.reclaim', 'cgroup v2, Linux 5.19');
    }
  }

  /** Writes a file of a cgroup. */
  restrain(directory: string, file: string, choose: Restraint): StepResult {
    const chosen = choose((other) => read(`${directory}/${other}`));
    if (!chosen) return { outcome: 'unavailable', detail: `there is no ${file}: cgroup v2 has it` };
    return this.#write(`${directory}/${file}`, chosen.text, chosen.detail);
  }

  /** Takes back what was done to these files, or to all; none that somebody else has changed since. */
  release(files: readonly string[] = [...this.#written.keys()]): string[] {
    const restored: string[] = [];
    for (const file of files) {
      const written = this.#written.get(file);
      if (!written) continue;
      this.#written.delete(file);
      if (read(file) !== written.now) continue; // the cgroup is gone, or it is somebody else's value
      if (write(file, written.before) === undefined) restored.push(file);
    }
    this.#save();
    return restored;
  }

  /** The files of one cgroup that are to be taken back. */
  of(directory: string): string[] {
    return [...this.#written.keys()].filter((file) => file.startsWith(`${directory}/`));
  }

  #write(file: string, text: string, detail: string): StepResult {
    const before = read(file);
    if (before === undefined) return { outcome: 'unavailable', detail: `there is no ${file}: cgroup v2 has it` };
    const first = this.#written.get(file)?.before ?? before;
    this.#written.set(file, { file, before: first, now: text });
    this.#save();
    const error = write(file, text);
    if (error) {
      this.#written.delete(file);
      this.#save();
      return refused(error, file, 'cgroup v2');
    }
    // The kernel rounds: what is to be compared later is what it made of it.
    this.#written.set(file, { file, before: first, now: read(file) ?? text });
    this.#save();
    return { outcome: 'done', detail };
  }

  /** As a whole or not at all. */
  #save(): void {
    const path = this.#path;
    if (path === undefined) return;
    if (this.#written.size === 0) {
      rmSync(path, { force: true });
      return;
    }
    writeFileSync(`${path}.new`, JSON.stringify([...this.#written.values()]), { mode: 0o600 });
    renameSync(`${path}.new`, path);
  }
}

/** The state file is ours, but it may be on a disk that others write to: only these files are ever written. */
function isWritten(each: unknown): each is Written {
  const { file, before, now } = (each ?? {}) as Partial<Written>;
  const known =
    typeof file === 'string' && file.startsWith('/sys/fs/cgroup/') && restraintFiles.has(file.replace(/.*\//s, ''));
  return known && !file.includes('/../') && typeof before === 'string' && typeof now === 'string';
}

function refused(error: unknown, file: string, since: string): StepResult {
  const { code } = error as NodeJS.ErrnoException;
  if (code === 'ENOENT') return { outcome: 'unavailable', detail: `there is no ${file} (${since})` };
  return { outcome: 'failed', detail: `${file}: ${code}` };
}

function write(file: string, text: string): NodeJS.ErrnoException | undefined {
  try {
    writeFileSync(file, text);
    return undefined;
  } catch (error) {
    return error as NodeJS.ErrnoException;
  }
}

const read = (file: string) => readIfPresent(file)?.trim();
