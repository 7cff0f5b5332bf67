/** What the converters of other early killers have in common. */
import type { GuardConfig } from '../../guard/guard-config.ts';
import { OomscopeError } from '../../model/error.ts';
import { readGuard } from '../guard.ts';

/** Memory and swap of the machine, in KiB. */
export interface MachineKib {
  memory: number;
  swap: number;
}

/** A file of another early killer. */
export interface ImportFile {
  path: string;
  text: string;
}

export interface Imported {
  guard: GuardConfig;
  /** Settings that were not converted, or that mean something slightly different here, each with its line. */
  notes: string[];
}

export const importable = ['earlyoom', 'systemd-oomd', 'nohang'] as const;
export type Importable = (typeof importable)[number];

export const refused = (from: Importable, expected: string) =>
  new OomscopeError('CONFIG', `${from}: expected ${expected}.`);

/** Reads a [guard] section as from a file, so that what is imported can also be read again. @throws OomscopeError CONFIG */
export function checked(from: Importable, section: Record<string, unknown>, notes: string[]): Imported {
  const { guard, faults } = readGuard({ mode: 'dry_run', default_protection: false, ...section });
  if (guard) return { guard, notes };
  throw new OomscopeError('CONFIG', `${from}: ${faults.map(({ path, message }) => `${path}: ${message}`).join('\n')}`);
}
