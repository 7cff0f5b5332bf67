/**
 * The file that keeps answers about the kernel's BTF until the next boot: kernel-types.json in a directory that belongs to this user,
 * and to which no other user can write (/run/oomscope for root). A file that is damaged, belongs to another user, or is about another
 * kernel or boot is ignored, and replaced.
 */
import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { GfpBits } from '../../kernel-facts/gfp-names.ts';
import { bootId } from '../../linux/boot-id.ts';
import { ownershipProblem, readFileOf } from '../../linux/regular-file.ts';
import { stateDirectories, usableDirectory } from '../../linux/state-directory.ts';
import { checksum } from './checksum.ts';

const NAME = 'kernel-types.json';
const MOST_BYTES = 65_536;
const FORMAT = 1;
const NOTES = '/sys/kernel/notes';
/** include/uapi/linux/elf.h, and "GNU\0" as the name of the note: 4-byte lengths of name and content, type, name, content. */
const NT_GNU_BUILD_ID = 3;

/** What was asked about the kernel's BTF. */
export interface Answers {
  /** null: the kernel has no such tracepoint. */
  tracepoints: Record<string, string[] | null>;
  functions: Record<string, boolean>;
  fentry?: boolean;
  gfp?: GfpBits;
}

export interface TypeCachePlace {
  /** In order of preference. Default: `stateDirectories()`. */
  directories?: readonly string[];
  /** Which kernel and boot. Default: the running one; undefined: unknown, so nothing is read or written. */
  kernel?: string | undefined;
}

/** @returns the kept answers; undefined: there are none that can be trusted */
export function readTypeCache({
  directories = stateDirectories(),
  kernel = runningKernel(),
}: TypeCachePlace = {}): Answers | undefined {
  if (kernel === undefined) return undefined;
  const directory = usableDirectory(directories);
  const uid = process.geteuid?.();
  if (directory === undefined || uid === undefined) return undefined;
  const { bytes } = readFileOf(uid, join(directory, NAME), MOST_BYTES, ownershipProblem);
  if (bytes === undefined) return undefined;
  const text = bytes.toString('utf8');
  const [head, body = ''] = text.split('\n', 2);
  if (head !== header(kernel, body)) return undefined;
  try {
    const answers: unknown = JSON.parse(body);
    return isAnswers(answers) ? answers : undefined;
  } catch {
    return undefined;
  }
}

/** Replaces the file at once. Without a directory for it, or on an error, nothing is kept, and the next start reads the BTF again. */
export function writeTypeCache(
  answers: Answers,
  { directories = stateDirectories(), kernel = runningKernel() }: TypeCachePlace = {},
): void {
  const directory = usableDirectory(directories);
  if (kernel === undefined || directory === undefined) return;
  const body = JSON.stringify(answers);
  replaceKept(join(directory, NAME), `${header(kernel, body)}\n${body}\n`);
}

/** Replaces a file about the kernel at once. @returns false: it could not be written, and the old file is as it was */
export function replaceKept(path: string, content: string | Buffer): boolean {
  const fresh = join(dirname(path), `.${basename(path)}.${process.pid}`);
  try {
    writeFileSync(fresh, content, { flag: 'wx', mode: 0o600 });
    renameSync(fresh, path);
    return true;
  } catch {
    rmSync(fresh, { force: true });
    return false;
  }
}

const header = (kernel: string, body: string) => `oomscope ${FORMAT} ${kernel} ${checksum(Buffer.from(body))}`;

function isAnswers(value: unknown): value is Answers {
  if (!isRecord(value)) return false;
  const { tracepoints, functions, fentry, gfp } = value;
  const words = (list: unknown) =>
    list === null || (Array.isArray(list) && list.every((each) => typeof each === 'string'));
  return (
    isRecord(tracepoints) &&
    Object.values(tracepoints).every(words) &&
    isRecord(functions) &&
    Object.values(functions).every((each) => typeof each === 'boolean') &&
    (fentry === undefined || typeof fentry === 'boolean') &&
    (gfp === undefined || (isRecord(gfp) && Object.values(gfp).every((each) => typeof each === 'number')))
  );
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** The build id of the running kernel and the id of this boot; undefined: one of them is unknown. */
export function runningKernel(): string | undefined {
  const boot = bootId();
  try {
    const build = buildId(readFileSync(NOTES));
    return boot === undefined || build === undefined ? undefined : `${build} ${boot}`;
  } catch {
    return undefined;
  }
}

/** The GNU build id in notes of an ELF file, in hexadecimal; undefined: there is none. */
export function buildId(notes: Buffer): string | undefined {
  const padded = (length: number) => (length + 3) & ~3;
  for (let at = 0; at + 12 <= notes.length; ) {
    const name = notes.readUInt32LE(at);
    const content = notes.readUInt32LE(at + 4);
    const from = at + 12 + padded(name);
    const isBuildId =
      notes.readUInt32LE(at + 8) === NT_GNU_BUILD_ID && notes.toString('latin1', at + 12, at + 16) === 'GNU\0';
    if (isBuildId && from + content <= notes.length) return notes.toString('hex', from, from + content);
    at = from + padded(content);
  }
  return undefined;
}
