/** Recognizes and unpacks compressed files. */
import type { Transform } from 'node:stream';
import { OomscopeError } from '../model/error.ts';
import { printable } from '../text/printable.ts';

/** Bytes of a file by which its compression is recognized. */
export const MAGIC_BYTES = 6;

/**
 * @param magic the first bytes of the file
 * @param instead the command that reads the unpacked file from standard input, for the error: "oomscope explain -"
 * @returns undefined: the file is not compressed
 * @throws OomscopeError BAD_INPUT: this Node cannot unpack it. Node has zstd since 22.15 and 23.8
 */
export async function unpacker(magic: Buffer, path: string, instead: string): Promise<Transform | undefined> {
  const starts = (hex: string) => magic.toString('hex').startsWith(hex);
  const packed = (how: string, program: string) => {
    const file = printable(path);
    const message = `${file}: expected text or gzip, got ${how}. Unpack it: ${program} ${file} | ${instead}`;
    return new OomscopeError('BAD_INPUT', message);
  };
  if (starts('1f8b')) return (await import('node:zlib')).createGunzip();
  if (starts('28b52ffd')) {
    const { createZstdDecompress: unpack } = await import('node:zlib');
    if (unpack) return unpack();
    throw packed('zstd, which this Node (before 22.15) cannot unpack', 'zstdcat');
  }
  if (starts('fd377a585a00')) throw packed('xz', 'xzcat');
  if (starts('425a68')) throw packed('bzip2', 'bzcat');
  return undefined;
}
