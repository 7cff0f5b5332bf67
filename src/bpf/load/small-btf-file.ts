/**
 * The file with the part of the kernel's BTF that the BPF objects need: kernel-types-NAMES.btf, beside kernel-types.json and under the
 * same conditions (type-cache.ts). NAMES is a checksum of the names of the types, because libbpf opens the file by its path, and another
 * version of oomscope may need other types. The last string of the BTF says for which kernel and boot the file is, and has a checksum.
 * The first start after a boot writes the file.
 */
import { join } from 'node:path';
import { ownershipProblem, readFileOf } from '../../linux/regular-file.ts';
import { stateDirectories, usableDirectory } from '../../linux/state-directory.ts';
import { Btf } from '../libbpf/index.ts';
import { kernelTypeNames } from '../wire/layout.ts';
import { checksum } from './checksum.ts';
import { smallBtf } from './small-btf.ts';
import { replaceKept, runningKernel, type TypeCachePlace } from './type-cache.ts';

/** On 6.18 the file has 38 kB. */
const MOST_BYTES = 2 ** 20;
const FORMAT = 1;

let known: { path: string | undefined } | undefined;

/** The path of the file for this process. undefined: there is no place for one, so libbpf must read the whole BTF. */
export function smallBtfFile(): string | undefined {
  known ??= { path: smallBtfIn({}) };
  return known.path;
}

/** Finds or makes the file. @param names the types. Default: those of the BPF objects */
export function smallBtfIn(
  { directories = stateDirectories(), kernel = runningKernel() }: TypeCachePlace,
  names: readonly string[] = kernelTypeNames,
): string | undefined {
  const directory = usableDirectory(directories);
  const uid = process.geteuid?.();
  if (kernel === undefined || directory === undefined || uid === undefined) return undefined;
  const path = join(directory, `kernel-types-${checksum(Buffer.from(names.join()))}.btf`);
  const subject = `oomscope ${FORMAT} ${kernel}`;
  const { bytes } = readFileOf(uid, path, MOST_BYTES, ownershipProblem);
  if (bytes !== undefined && isFor(bytes, subject)) return path;
  const made = make(names, subject);
  return made !== undefined && replaceKept(path, made) ? path : undefined;
}

function isFor(bytes: Buffer, subject: string): boolean {
  const end = bytes.length - 1;
  const begin = bytes.lastIndexOf(0, end - 1) + 1;
  return bytes.toString('latin1', begin, end) === markOf(bytes.subarray(0, begin), subject) && bytes[end] === 0;
}

const markOf = (before: Buffer, subject: string) => `${subject} ${checksum(before)}`;

function make(names: readonly string[], subject: string): Buffer | undefined {
  const btf = Btf.ofKernel();
  try {
    const raw = btf.raw();
    // The mark has the same length with every checksum, and the header contains the length.
    const draft = raw && smallBtf(raw, names, markOf(Buffer.alloc(0), subject));
    if (draft === undefined) return undefined;
    const begin = draft.lastIndexOf(0, draft.length - 2) + 1;
    draft.write(markOf(draft.subarray(0, begin), subject), begin, 'latin1');
    return draft;
  } finally {
    btf.free();
  }
}
