/** Reads a TOML file by its shape, and reports all faults at once, each with its line. */
import { OomscopeError } from '../model/error.ts';
import { type Fault, Faults, faultsError } from './fault.ts';
import { linesOf } from './lines.ts';
import type { Shape } from './shape.ts';

/** A check that concerns two parts of a file. */
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
    if (!(error instanceof TomlError)) throw error;
    const [reason = 'it is not TOML'] = error.message.replace(/^Invalid TOML document: /, '').split('\n');
    throw faultsError(file, [{ path: '', message: `expected TOML: ${reason}.`, line: error.line }], () => 1);
  }
  const faults = new Faults();
  const read = shape.read(value, '', faults);
  if (read) checkTogether(read, faults);
  if (read && faults.list.length === 0) return read;
  throw faultsError(file, distinct(faults.list), linesOf(toml));
}

/** @throws OomscopeError CONFIG */
export async function readToml<T>(file: string, shape: Shape<T>, checkTogether?: Check<T>): Promise<T> {
  const { readFile } = await import('node:fs/promises');
  let toml: string;
  try {
    toml = new TextDecoder('utf-8', { fatal: true }).decode(await readFile(file));
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    const why = code === 'ENOENT' ? 'there is no such file' : cause instanceof TypeError ? 'it is not UTF-8' : code;
    throw new OomscopeError('CONFIG', `Expected a configuration in ${file}: ${why}.`, { cause });
  }
  return parseToml(toml, file, shape, checkTogether);
}

function distinct(faults: readonly Fault[]): Fault[] {
  return [...new Map(faults.map((fault) => [`${fault.path}\0${fault.message}`, fault])).values()];
}
