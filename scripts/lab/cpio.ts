/** Writes an initramfs: an uncompressed cpio archive in the "newc" form. Documentation/driver-api/early-userspace */
import { lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';

const DIRECTORY = 0o040755;
const FILE = 0o100644;
const LINK = 0o120777;

export class Cpio {
  readonly #parts: Buffer[] = [];
  readonly #known = new Set(['', '.', '/']);

  /** Adds a directory. The path is absolute in the guest; missing parents are added, too. */
  directory(path: string): this {
    if (this.#known.has(path)) return this;
    this.directory(dirname(path));
    this.#known.add(path);
    return this.#entry(path, DIRECTORY, Buffer.alloc(0));
  }

  file(path: string, data: Buffer | string, options: { executable?: boolean } = {}): this {
    this.directory(dirname(path));
    return this.#entry(path, options.executable ? FILE | 0o111 : FILE, Buffer.from(data));
  }

  link(path: string, target: string): this {
    this.directory(dirname(path));
    return this.#entry(path, LINK, Buffer.from(target));
  }

  /** Adds a file, link or directory of this machine with everything below it. Other kinds of files are left out. */
  copy(path: string, source: string): this {
    const stat = lstatSync(source);
    if (stat.isSymbolicLink()) return this.link(path, readlinkSync(source));
    if (stat.isFile()) return this.file(path, readFileSync(source), { executable: (stat.mode & 0o100) !== 0 });
    if (!stat.isDirectory()) return this;
    this.directory(path);
    for (const name of readdirSync(source)) this.copy(join(path, name), join(source, name));
    return this;
  }

  /** Returns the archive. No file may be added afterwards. */
  end(): Buffer {
    this.#entry('TRAILER!!!', 0, Buffer.alloc(0));
    return Buffer.concat(this.#parts);
  }

  #entry(path: string, mode: number, data: Buffer): this {
    const name = Buffer.from(`${path.replace(/^\//, '')}\0`);
    const inode = this.#parts.length + 1;
    const fields = [inode, mode, 0, 0, 1, 0, data.length, 0, 0, 0, 0, name.length, 0];
    const header = `070701${fields.map((field) => field.toString(16).padStart(8, '0')).join('')}`;
    this.#parts.push(Buffer.from(header), name, padding(header.length + name.length), data, padding(data.length));
    return this;
  }
}

const padding = (length: number) => Buffer.alloc(-length & 3);
