/**
 * The types of the newest release of Kubernetes, as the official client has them: they are generated from the API description
 * of that release. The client is used for nothing else, and only in tests. Debian has no source of a server as new as that.
 */
import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { cacheDirectory } from '../cache.ts';

const run = promisify(execFile);
const PACKAGE = '@kubernetes/client-node@2.0.1';
const MODELS = 'package/dist/gen/models';

const directory = () => join(cacheDirectory('kubernetes'), PACKAGE.replace(/[@/]+/g, '-').replace(/^-/, ''));

/** Whether this machine has the types already. */
export const hasNewestTypes = (): boolean => existsSync(directory());

/** A field of a type. */
export interface TypeField {
  type: string;
  isOptional: boolean;
}

export interface NewestTypes {
  /** "release-1.36". */
  release: string;
  /** The fields of a type by name; undefined: there is no such type. */
  fields: (type: string) => ReadonlyMap<string, TypeField> | undefined;
}

/** Downloads the package of the client once, with npm, which checks it. It is unpacked, and none of its code runs. */
export async function newestTypes(): Promise<NewestTypes> {
  const target = directory();
  if (!existsSync(target)) {
    mkdirSync(cacheDirectory('kubernetes'), { recursive: true });
    const work = mkdtempSync(`${target}-`);
    try {
      await run('npm', ['pack', '--silent', '--ignore-scripts', PACKAGE], { cwd: work });
      const archive = readdirSync(work).find((name) => name.endsWith('.tgz')) ?? '';
      await run('tar', ['-xzf', archive, MODELS], { cwd: work });
      rmSync(join(work, archive));
      renameSync(work, target);
    } finally {
      rmSync(work, { recursive: true, force: true });
    }
  }
  const known = new Map<string, ReadonlyMap<string, TypeField> | undefined>();
  const read = (type: string) => {
    const file = join(target, MODELS, `${type}.d.ts`);
    return existsSync(file) ? fieldsIn(readFileSync(file, 'utf8')) : undefined;
  };
  const event = readFileSync(join(target, MODELS, 'EventsV1Event.d.ts'), 'utf8');
  return {
    release: /OpenAPI spec version: (\S+)/.exec(event)?.[1] ?? 'unknown',
    fields: (type) => {
      if (!known.has(type)) known.set(type, read(type));
      return known.get(type);
    },
  };
}

/**
 * Lines such as `    'hostUsers'?: boolean;` of a generated class. The type of a map, in braces, has three lines. Names that are
 * words of JavaScript have an underscore there: `_default`.
 */
function fieldsIn(source: string): ReadonlyMap<string, TypeField> {
  const lines = source.matchAll(/^ {4}'_?([^']+)'(\?)?: (\{\n[^}]*\}|.+);$/gm);
  return new Map(
    [...lines].map(([, name = '', optional, type = '']) => [
      name,
      { type: type.replace(/\s+/g, ' '), isOptional: optional !== undefined },
    ]),
  );
}
