/** Collects the faults of a configuration, so that all are reported at once, each with its line. */
import { OomscopeError } from '../model/error.ts';
import { printable } from '../text/printable.ts';

export interface Fault {
  /** Path of the wrong value, such as "guard.rule[0].steps[1].wait"; "" for the file as a whole. */
  path: string;
  /** A sentence: what was expected, what was found, what to do. */
  message: string;
  /** Line in the file, from 1, for a fault whose `path` has no line. */
  line?: number;
}

/** Largest number of reported faults. Suggesting a spelling for every wrong key of a large file would take seconds. */
const MOST_FAULTS = 100;
/** Longest message of one fault, in characters. */
const MOST_LENGTH = 1000;

export class Faults {
  readonly list: Fault[] = [];
  /** Number of states of all regular expressions read so far: see match.ts. */
  patternStates = 0;

  /** True when the limit of reported faults is reached. Readers may then stop early. */
  get full(): boolean {
    return this.list.length > MOST_FAULTS;
  }

  add(path: string, message: string): undefined {
    if (!this.full) this.list.push({ path, message });
    return undefined;
  }
}

/** The error with one line for each fault, sorted by line: "oomscope.toml:12: guard.rule[0].on: expected …". */
export function faultsError(file: string, faults: readonly Fault[], lineOf: (path: string) => number): OomscopeError {
  const name = printable(file);
  const lines = faults
    .map((fault) => ({ ...fault, line: fault.line ?? lineOf(fault.path) }))
    .sort((a, b) => a.line - b.line)
    .map(({ path, message, line }) => `${name}:${line}: ${path === '' ? '' : `${path}: `}${shown(message)}`);
  const more = lines.splice(MOST_FAULTS).length > 0;
  const count = lines.length === 1 ? 'a fault' : `${more ? 'more than ' : ''}${lines.length} faults`;
  if (more) lines.push('… and more faults: correct these first.');
  return new OomscopeError('CONFIG', `${name} has ${count}:\n${lines.join('\n')}`);
}

const shown = (message: string) =>
  printable(message.length > MOST_LENGTH ? `${message.slice(0, MOST_LENGTH)}…` : message);
