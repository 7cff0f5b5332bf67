/** Writes systemd drop-ins that give a service the planned oom_score_adj each time it starts. */
import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { makeDirectory } from '../linux/state-directory.ts';
import { OomscopeError } from '../model/error.ts';
import type { UndoLedger } from '../process/undo-ledger.ts';
import { SYSTEMD_DIRECTORY } from './paths.ts';
import type { Plan } from './plan.ts';
import { type Profile, profileServiceLines } from './profile.ts';
import type { Subject } from './subject.ts';

export const DROP_IN_FILE = '50-oomscope-protect.conf';
const MARK = '# Written by `oomscope protect`';

export interface DropIn {
  unit: string;
  profile: string;
  path: string;
  text: string;
}

/**
 * Returns drop-ins only for services whose processes all match one profile, because every process of a unit inherits
 * the unit's value.
 */
export function dropInsFor(
  { entries }: Plan,
  subjects: readonly Subject[],
  profiles: readonly Profile[],
  directory = SYSTEMD_DIRECTORY,
): DropIn[] {
  const matched = new Map(entries.filter(({ action }) => action !== 'skip').map((entry) => [entry.subject.pid, entry]));
  const units = Map.groupBy(subjects, ({ unit }) => unit);
  return [...units].flatMap(([unit, members]) => {
    if (unit === null || !unit.endsWith('.service') || members.some(({ container }) => container !== null)) return [];
    const names = new Set(members.map(({ pid }) => matched.get(pid)?.profile));
    const profile = profiles.find(({ name }) => names.has(name));
    const settled = members.every(({ pid }) => matched.get(pid)?.action === 'keep' && matched.get(pid)?.before !== 0);
    if (!profile || names.size !== 1 || (settled && profile.oomPolicy === null)) return [];
    const path = join(directory, `${unit}.d`, DROP_IN_FILE);
    return [{ unit, profile: profile.name, path, text: textOf(profile) }];
  });
}

function textOf(profile: Profile): string {
  const head = `${MARK}, profile ${profile.name}. \`oomscope protect undo\` removes it.`;
  return `${[head, '[Service]', ...profileServiceLines(profile)].join('\n')}\n`;
}

export interface Installed extends DropIn {
  /** `foreign`: a file of another program has that name, and it is not changed. */
  outcome: 'written' | 'as it is' | 'foreign';
}

/**
 * Writes the drop-ins. systemd reads them at `systemctl daemon-reload`, and sets the value at the next start of the
 * service. @throws OomscopeError OUTPUT
 */
export function installDropIns(dropIns: readonly DropIn[], ledger: UndoLedger): Installed[] {
  return dropIns.map((dropIn) => {
    const { path, text, profile } = dropIn;
    const there = read(path);
    if (there === text) return { ...dropIn, outcome: 'as it is' as const };
    if (there !== undefined) return { ...dropIn, outcome: 'foreign' as const };
    ledger.record([{ kind: 'file', path, by: profile, before: null, written: text.trimEnd(), lasting: true }]);
    try {
      makeDirectory(dirname(path), 0o755);
      writeFileSync(path, text, { flag: 'wx', mode: 0o644, flush: true });
    } catch (cause) {
      const { code } = cause as NodeJS.ErrnoException;
      throw new OomscopeError('OUTPUT', `Cannot write the drop-in ${path}: ${code}.`, { cause });
    }
    return { ...dropIn, outcome: 'written' as const };
  });
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    return ''; // the file exists but cannot be read
  }
}
