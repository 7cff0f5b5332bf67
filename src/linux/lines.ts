/** Reads lines of any number from a regular file, plain or compressed, or from standard input. */
import { constants } from 'node:fs';
import { type FileHandle, open, stat } from 'node:fs/promises';
import { StringDecoder } from 'node:string_decoder';
import { OomscopeError } from '../model/error.ts';
import { printable } from '../text/printable.ts';
import { kindProblem, systemProblem } from './regular-file.ts';
import { MAGIC_BYTES, unpacker } from './unpack.ts';

const FLAGS = constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY;

export interface LinesOptions {
  /** The expected kind of content, for error messages: "a recording". */
  expected: string;
  /** Length of the longest allowed line. */
  mostLine: number;
  /** The command that reads an unpacked file from standard input, for error messages: "oomscope replay -". */
  instead: string;
}

/**
 * Reads a file line by line, at most one chunk and one line at a time.
 *
 * @param path a regular file, also one compressed with gzip or (Node 22.15 and later) zstd; "-": standard input
 * @throws OomscopeError NO_INPUT: the file cannot be read; BAD_INPUT: a line is too long, or the file cannot be unpacked
 */
export async function* readLines(path: string, { expected, mostLine, instead }: LinesOptions): AsyncGenerator<string> {
  const refusal = (code: 'NO_INPUT' | 'BAD_INPUT', problem: string) =>
    new OomscopeError(code, `Expected ${expected} in ${printable(path)}: ${problem}.`);
  const noInput = (error: unknown) => refusal('NO_INPUT', systemProblem(error as NodeJS.ErrnoException));
  const decoder = new StringDecoder('utf8');
  let rest = '';
  try {
    for await (const chunk of path === '-' ? process.stdin : chunksOf(path, instead, refusal)) {
      const [first = '', ...others] = decoder.write(chunk as Buffer).split('\n');
      rest += first;
      if (rest.length > mostLine) throw refusal('BAD_INPUT', `a line is longer than ${mostLine / 1024 ** 2} MiB`);
      if (others.length === 0) continue;
      yield rest;
      rest = others.pop() ?? '';
      yield* others;
    }
  } catch (error) {
    if (error instanceof OomscopeError) throw error;
    if (/^(Z_|ERR_)/.test((error as NodeJS.ErrnoException).code ?? '')) throw refusal('BAD_INPUT', 'it is damaged');
    throw noInput(error);
  }
  if (rest !== '') yield rest;
}

async function* chunksOf(
  path: string,
  instead: string,
  refusal: (code: 'NO_INPUT', problem: string) => OomscopeError,
): AsyncGenerator<Buffer> {
  // Check the kind before open(), which would block on a FIFO and may have effects on a device.
  const wrong = kindProblem(await stat(path));
  if (wrong !== undefined) throw refusal('NO_INPUT', wrong);
  const handle = await open(path, FLAGS);
  try {
    const problem = kindProblem(await handle.stat());
    if (problem !== undefined) throw refusal('NO_INPUT', problem);
    const magic = Buffer.alloc(MAGIC_BYTES);
    const { bytesRead } = await handle.read(magic, 0, MAGIC_BYTES, 0);
    const unpack = await unpacker(magic.subarray(0, bytesRead), path, instead);
    if (unpack) yield* handle.createReadStream({ start: 0, autoClose: false }).pipe(unpack) as AsyncIterable<Buffer>;
    else yield* plain(handle);
  } finally {
    await handle.close();
  }
}

async function* plain(handle: FileHandle): AsyncGenerator<Buffer> {
  const chunk = Buffer.allocUnsafe(65_536);
  for (let at = 0; ; ) {
    const { bytesRead } = await handle.read(chunk, 0, chunk.length, at);
    if (bytesRead === 0) return;
    at += bytesRead;
    yield chunk.subarray(0, bytesRead);
  }
}
