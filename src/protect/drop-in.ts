/** Drop-ins for systemd, by which a service has the value of a plan each time it starts. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
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

/** Only for services whose processes are all of one profile: a unit's value is inherited by every process that it starts. */
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
  /** `foreign`: another file has that name, and is left as it is. */
  outcome: 'written' | 'as it is' | 'foreign';
}

/** systemd reads them after `systemctl daemon-reload`, and sets the value at the next start of the service. @throws OomscopeError OUTPUT */
export function installDropIns(dropIns: readonly DropIn[], ledger: UndoLedger): Installed[] {
  return dropIns.map((dropIn) => {
    const { path, text, profile } = dropIn;
    const there = read(path);
    if (there === text) return { ...dropIn, outcome: 'as it is' as const };
    if (there !== undefined) return { ...dropIn, outcome: 'foreign' as const };
    ledger.record([{ kind: 'file', path, by: profile, before: null, written: text.trimEnd(), lasting: true }]);
    try {
      mkdirSync(dirname(path), { recursive: true });
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
    return ''; // it cannot be read
  }
}
