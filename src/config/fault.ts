/** Faults of a configuration, collected so that all are reported at once, each with its place. */
import { OomscopeError } from '../model/error.ts';
import { printable } from '../text/printable.ts';

export interface Fault {
  /** "guard.rule[0].steps[1].wait"; "" for the file as a whole. */
  path: string;
  /** A sentence: what was expected, what was found, what to do. */
  message: string;
  /** Line in the file, from 1, for a fault whose `path` has none. */
  line?: number;
}

/** Limit of reported faults. The search for a nearest spelling would take seconds for a large file of wrong keys. */
const MOST_FAULTS = 100;
/** Limit of one fault, in characters. */
const MOST_LENGTH = 1000;

export class Faults {
  readonly list: Fault[] = [];
  /** States of all patterns read so far. */
  patternStates = 0;

  /** True when no further fault is listed. Readers may then stop early. */
  get full(): boolean {
    return this.list.length > MOST_FAULTS;
  }

  add(path: string, message: string): undefined {
    if (!this.full) this.list.push({ path, message });
    return undefined;
  }
}

/** One line for each fault, sorted by line: "oomscope.toml:12: guard.rule[0].on: expected …". */
export function faultsError(file: string, faults: readonly Fault[], lineOf: (path: string) => number): OomscopeError {
  const name = printable(file);
  const lines = faults
    .map((fault) => ({ ...fault, line: fault.line ?? lineOf(fault.path) }))
    .sort((a, b) => a.line - b.line)
    .map(({ path, message, line }) => `${name}:${line}: ${path === '' ? '' : `${path}: `}${shown(message)}`);
  const more = lines.splice(MOST_FAULTS).length > 0;
  const count = lines.length === 1 ? 'a fault' : `${more ? 'more than ' : ''}${lines.length} faults`;
  if (more) lines.push('… and more: correct these first.');
  return new OomscopeError('CONFIG', `${name} has ${count}:\n${lines.join('\n')}`);
}

const shown = (message: string) =>
  printable(message.length > MOST_LENGTH ? `${message.slice(0, MOST_LENGTH)}…` : message);
