/** Faults of a configuration, collected so that all are reported at once, each with its place. */
import { OomscopeError } from '../model/error.ts';

export interface Fault {
  /** "guard.rule[0].steps[1].wait"; "" for the file as a whole. */
  path: string;
  /** What was expected, what was found, what to do. */
  message: string;
  /** Line in the file, from 1, for a fault whose `path` has none. */
  line?: number;
}

export class Faults {
  readonly list: Fault[] = [];

  add(path: string, message: string): undefined {
    this.list.push({ path, message });
    return undefined;
  }
}

/** One line for each fault, sorted by line: "oomscope.toml:12: guard.rule[0].on: expected …". */
export function faultsError(file: string, faults: readonly Fault[], lineOf: (path: string) => number): OomscopeError {
  const lines = faults
    .map((fault) => ({ ...fault, line: fault.line ?? lineOf(fault.path) }))
    .sort((a, b) => a.line - b.line)
    .map(({ path, message, line }) => `${file}:${line}: ${path === '' ? '' : `${path}: `}${message}`);
  const count = lines.length === 1 ? 'a fault' : `${lines.length} faults`;
  return new OomscopeError('CONFIG', `${file} has ${count}:\n${lines.join('\n')}`);
}
