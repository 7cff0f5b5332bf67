/**
 * The directory of a queue on disk (disk-queue.ts). A file holds one item and has the number of the item as its name, or it
 * holds several items and also has their count in its name. Only one process uses the directory at a time.
 *
 * The directory is opened once and then reached by its descriptor: another directory that is put at its path later gets
 * no items. Files are opened without following symbolic links, and opening a FIFO does not block.
 */
import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  type Stats,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { type FileHandle, open, rename, unlink } from 'node:fs/promises';
import { kindProblem, ownershipProblem } from '../linux/regular-file.ts';
import { OomscopeError } from '../model/error.ts';
import { loadNative } from '../native/addon.ts';
import { failure } from '../native/system-call.ts';
import { printable } from '../text/printable.ts';

/** Largest file that is read as an item. The alert of a kill with its candidates has about 20 KiB. */
const MOST_BYTES = 4 * 1024 ** 2;
const NAME = /^(\d{12})(?:\+(\d{1,4}))?\.json$/;
const LAST_NUMBER = 999_999_999_999;

/** A file of the directory. */
export interface SpoolFile {
  /** The number of its first item. */
  number: number;
  /** How many items it has. */
  count: number;
}

export class SpoolDirectory {
  readonly path: string;
  readonly #descriptor: number;
  readonly #lock: number;
  /** What a file is, for messages: "an alert". */
  readonly #noun: string;

  private constructor(path: string, descriptor: number, lock: number, noun: string) {
    this.path = path;
    this.#noun = noun;
    this.#descriptor = descriptor;
    this.#lock = lock;
  }

  /**
   * @param noun what a file is, for messages: "an alert"
   * @throws OomscopeError USAGE: the path is no directory, other users can write to it, or another process uses it
   */
  static open(path: string, noun: string): SpoolDirectory {
    const descriptor = openDirectory(path);
    try {
      return new SpoolDirectory(path, descriptor, lock(path, `/proc/self/fd/${descriptor}/lock`), noun);
    } catch (error) {
      closeSync(descriptor);
      throw error;
    }
  }

  /** The files, oldest first. Renames files that cannot hold items. @param onTrouble called for each renamed file */
  list(onTrouble: (message: string) => void): (SpoolFile & { bytes: number })[] {
    const files: (SpoolFile & { bytes: number })[] = [];
    let next = 0;
    for (const name of readdirSync(this.#at('')).sort()) {
      // left by a process that died while writing
      if (name.endsWith('.json.new')) quietly(() => unlinkSync(this.#at(name)));
      const [, digits, many] = NAME.exec(name) ?? [];
      if (digits === undefined) continue;
      const file = { number: Number(digits), count: Number(many ?? 1) };
      const stats = nameOf(file) === name ? lstatSync(this.#at(name), { throwIfNoEntry: false }) : undefined;
      if (!stats) continue;
      const problem =
        file.number + file.count > LAST_NUMBER
          ? 'its number is the last one'
          : file.number < next
            ? 'another file has the same numbers'
            : fileProblem(stats);
      if (problem === undefined) {
        files.push({ ...file, bytes: stats.size });
        next = file.number + file.count;
      } else onTrouble(this.putAside(file, problem));
    }
    return files;
  }

  /** Writes a file; it is on disk after the next sync(). @throws Error of the file system */
  async write(file: SpoolFile, text: string): Promise<void> {
    const fresh = this.#at(`${nameOf(file)}.new`);
    const handle = await createAnew(fresh);
    try {
      await handle.writeFile(text);
      await handle.sync();
    } catch (error) {
      await unlink(fresh).catch(() => {}); // removes an incomplete file
      throw error;
    } finally {
      await handle.close();
    }
    await rename(fresh, this.#at(nameOf(file)));
  }

  /** The names of all written files are on disk when the promise resolves. @throws Error of the file system */
  async sync(): Promise<void> {
    const directory = await open(this.#at('.'), constants.O_RDONLY | constants.O_DIRECTORY);
    await directory.sync().finally(() => directory.close());
  }

  /** @throws Error that says why the file cannot hold items */
  async read(file: SpoolFile): Promise<string> {
    const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
    const handle = await open(this.#at(nameOf(file)), flags);
    try {
      const problem = fileProblem(await handle.stat());
      if (problem !== undefined) throw new Error(problem);
      return await handle.readFile('utf8');
    } finally {
      await handle.close();
    }
  }

  /**
   * Renames a file that holds no items, so that oomscope does not read the file again, but a user can examine it.
   *
   * @returns a sentence for the log
   */
  putAside(file: SpoolFile, problem: string): string {
    const [name, aside] = [nameOf(file), `${nameOf(file)}.rejected`];
    quietly(() => renameSync(this.#at(name), this.#at(aside)));
    return `spool: ${printable(this.path)}/${name} is not ${this.#noun} and is kept as ${aside}: ${printable(problem)}.`;
  }

  async remove(file: SpoolFile): Promise<void> {
    await unlink(this.#at(nameOf(file))).catch(() => {});
  }

  close(): void {
    quietly(() => unlinkSync(this.#at('lock')));
    closeSync(this.#lock);
    closeSync(this.#descriptor);
  }

  #at(name: string): string {
    return `/proc/self/fd/${this.#descriptor}/${name}`;
  }
}

const nameOf = ({ number, count }: SpoolFile) =>
  `${String(number).padStart(12, '0')}${count === 1 ? '' : `+${count}`}.json`;

function openDirectory(path: string): number {
  const wrong = (what: string, cause?: unknown) =>
    new OomscopeError('USAGE', `spool: ${what}`, cause === undefined ? {} : { cause });
  const shown = printable(path);
  try {
    mkdirSync(path, { mode: 0o700 });
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code !== 'EEXIST') throw wrong(`cannot make ${shown}: ${printable(message)}.`, error);
  }
  let descriptor: number;
  try {
    descriptor = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'ENOTDIR' || code === 'ELOOP')
      throw wrong(`expected a directory at ${shown}, got something else.`, error);
    throw wrong(`${shown} cannot be opened: ${printable(message)}.`, error);
  }
  const problem = ownershipProblem(fstatSync(descriptor));
  if (problem === undefined) return descriptor;
  closeSync(descriptor);
  throw wrong(`expected ${shown} to be a directory of this user alone, but ${problem}: choose another.`);
}

/**
 * Takes the lock, which the kernel releases when the process ends. Without a lock, two processes would send every alert
 * twice. If the lock file was removed after it was opened, another process may hold a new lock file of that name: so
 * try again.
 */
function lock(shownPath: string, path: string): number {
  for (;;) {
    const flags = constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW | constants.O_NONBLOCK;
    let descriptor: number;
    try {
      descriptor = openSync(path, flags, 0o600);
    } catch (error) {
      const what = `${printable(shownPath)} cannot be written: ${printable((error as Error).message)}`;
      throw new OomscopeError('USAGE', `spool: ${what}.`, { cause: error });
    }
    const code = failure(loadNative().lockFile(descriptor));
    const there = lstatSync(path, { throwIfNoEntry: false });
    const isOurs = there?.ino === fstatSync(descriptor).ino;
    if (code === undefined && isOurs) {
      writeSync(descriptor, `${process.pid}\n`, 0);
      return descriptor;
    }
    closeSync(descriptor);
    if (code === undefined || !isOurs) continue;
    const what = `${printable(shownPath)} is used by another process or another sink`;
    throw new OomscopeError('USAGE', `spool: ${what}; give every sink its own directory.`);
  }
}

/** Creates a new file, and never opens a file or a link that another process has put there. */
async function createAnew(path: string): Promise<FileHandle> {
  const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
  try {
    return await open(path, flags, 0o600);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    await unlink(path);
    return await open(path, flags, 0o600);
  }
}

function fileProblem(stats: Stats): string | undefined {
  const problem = kindProblem(stats) ?? ownershipProblem(stats);
  return problem ?? (stats.size > MOST_BYTES ? `it is larger than ${MOST_BYTES / 1024 ** 2} MiB` : undefined);
}

function quietly(act: () => void): void {
  try {
    act();
  } catch {
    // the file does not exist or cannot be removed; the next operation on it reports that
  }
}
