/**
 * The steps that act on a cgroup without killing: they make the kernel reclaim memory, and write files (memory.high,
 * cgroup.freeze) that are restored after the shortage. Every change is recorded in the undo ledger before it is made.
 */
import { writeFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { otherGuardWith } from '../../process/ledger-files.ts';
import { readText } from '../../process/undo-entry.ts';
import type { UndoLedger } from '../../process/undo-ledger.ts';
import { formatBytes } from '../../text/format.ts';
import type { Restraint, StepResult } from '../steps/step.ts';
import { restraintFiles, stepOfFile } from '../steps/steps.ts';

export class CgroupRestraints {
  readonly #ledger: UndoLedger;

  constructor(ledger: UndoLedger) {
    this.#ledger = ledger;
  }

  /** Whether the guard may restore this file. A manipulated ledger file must not make it write any other file. */
  static mayWrite(path: string): boolean {
    return path.startsWith('/sys/fs/cgroup/') && restraintFiles.has(basename(path));
  }

  /** Writes memory.reclaim, and waits until the kernel has reclaimed. The kernel may reclaim less than `bytes`. */
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

  /** Writes a file of a cgroup, to be restored by `release()`. */
  restrain(directory: string, file: string, choose: Restraint): StepResult {
    const path = `${directory}/${file}`;
    const chosen = choose((other) => readText(`${directory}/${other}`) ?? undefined);
    const before = readText(path);
    if (!chosen || before === null) return { outcome: 'unavailable', detail: `there is no ${file}: cgroup v2 has it` };
    if ('outcome' in chosen) return chosen;
    const isFirst = this.#files().every((other) => other !== path);
    // Two guards that change one file would each restore what the other one wrote.
    const other = isFirst ? otherGuardWith(path, this.#ledger.path, CgroupRestraints) : undefined;
    if (other !== undefined) return { outcome: 'unavailable', detail: `${other} has changed ${file}` };
    const record = (written: string) =>
      this.#ledger.record([{ kind: 'file', path, by: stepOfFile(path) ?? 'guard', before, written }]);
    record(chosen.text);
    try {
      writeFileSync(path, chosen.text);
    } catch (error) {
      if (isFirst) this.#ledger.settle(path);
      return refused(error, path, 'cgroup v2');
    }
    // The kernel may round the value. Record the rounded value, because a file is restored only if it still has the
    // recorded value.
    const now = readText(path);
    if (now !== null && now !== chosen.text) record(now);
    return { outcome: 'done', detail: chosen.detail };
  }

  /**
   * Restores files, by default all. @returns the restored files, without those that another program has changed since
   */
  release(files: readonly string[] = this.#files()): string[] {
    return files.filter((file) => this.#ledger.undo(file)?.outcome === 'restored');
  }

  /** The files of one cgroup that have to be restored. */
  of(directory: string): string[] {
    return this.#files().filter((file) => file.startsWith(`${directory}/`));
  }

  #files(): string[] {
    return this.#ledger.accounts().flatMap(({ entry }) => (entry.kind === 'file' ? [entry.path] : []));
  }
}

function refused(error: unknown, file: string, since: string): StepResult {
  const { code } = error as NodeJS.ErrnoException;
  if (code === 'ENOENT') return { outcome: 'unavailable', detail: `there is no ${file} (${since})` };
  return { outcome: 'failed', detail: `${file}: ${code}` };
}
