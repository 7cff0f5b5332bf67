/** Reads a TOML file by its shape, and reports all faults at once, each with its line. */
import { readRegularFile } from '../linux/regular-file.ts';
import { OomscopeError } from '../model/error.ts';
import { printable } from '../text/printable.ts';
import { type Fault, Faults, faultsError } from './fault.ts';
import { linesOf } from './lines.ts';
import type { Shape } from './shape.ts';

/** Largest file, in bytes. A large real configuration has about 10 KiB. */
const MOST_BYTES = 256 * 1024;

/** A check of two parts of a file against each other. */
export type Check<T> = (value: T, faults: Faults) => void;

/**
 * @param file name of the file in messages
 * @throws OomscopeError CONFIG, with every fault in its message
 */
export async function parseToml<T>(
  toml: string,
  file: string,
  shape: Shape<T>,
  checkTogether: Check<T> = () => {},
): Promise<T> {
  const { parse, TomlError } = await import('smol-toml');
  let value: unknown;
  try {
    value = parse(toml);
  } catch (error) {
    // The parser descends by recursion: a RangeError means that the stack was used up.
    const line = error instanceof TomlError ? error.line : 1;
    const [reason = 'it is not TOML'] = (error as Error).message.replace(/^Invalid TOML document: /, '').split('\n');
    throw faultsError(file, [{ path: '', message: `expected TOML: ${reason}.`, line }], () => 1);
  }
  const faults = new Faults();
  const read = shape.read(value, '', faults);
  if (read) checkTogether(read, faults);
  if (read && faults.list.length === 0) return read;
  throw faultsError(file, distinct(faults.list), linesOf(toml));
}

/** @throws OomscopeError NO_INPUT: the file cannot be read; CONFIG: it has faults */
export async function readToml<T>(file: string, shape: Shape<T>, checkTogether?: Check<T>): Promise<T> {
  const { bytes, problem } = readRegularFile(file, MOST_BYTES);
  if (problem !== undefined) throw noConfiguration('NO_INPUT', file, problem);
  let toml: string;
  try {
    toml = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw noConfiguration('CONFIG', file, 'it is not UTF-8');
  }
  return parseToml(toml, file, shape, checkTogether);
}

const noConfiguration = (code: 'NO_INPUT' | 'CONFIG', file: string, problem: string) =>
  new OomscopeError(code, `Expected a configuration in ${printable(file)}: ${problem}.`);

function distinct(faults: readonly Fault[]): Fault[] {
  return [...new Map(faults.map((fault) => [`${fault.path}\0${fault.message}`, fault])).values()];
}
