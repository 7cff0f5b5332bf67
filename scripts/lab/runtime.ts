/**
 * Makes a read-only ext4 image with the parts of a guest that rarely change: Node, the shared libraries, the npm
 * packages. Every kernel of the lab has ext4 built in. In an initramfs these files would occupy 150 MB of the guest's
 * memory, which would disturb tests that run out of memory.
 */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  copyFileSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { Userland } from './userland.ts';

const IMAGES_KEPT = 3;
const SPARE_MIB = 24;
/** Files of an npm package that may be needed at run time. */
const NEEDED = /\.(js|cjs|mjs|json|wasm)$/;
/** Built files, which are part of a guest's initramfs; their shared libraries are part of the image. */
const NATIVE = ['oomscope.node', 'ffi_bindings.node', 'ref_bindings.node', 'hog'].map((name) => `build/${name}`);
/** ext4 features that a read-only image does not need. */
const FEATURES = '^has_journal,^resize_inode,^metadata_csum,^64bit,^huge_file';

/**
 * Makes the image with bin/ (node, setpriv), lib/ (libraries and loader) and node_modules/.
 *
 * @returns the path of the image
 */
export function runtimeImage(root: string, cache: string, userland: Userland): string {
  const sources = runtimeFiles(root, userland);
  const directory = join(cache, 'runtime');
  const image = join(directory, `${fingerprint(sources)}.ext4`);
  if (existsSync(image)) return image;
  mkdirSync(directory, { recursive: true });
  const work = mkdtempSync(join(directory, 'making-'));
  try {
    const tree = join(work, 'tree');
    for (const [path, source] of sources) {
      mkdirSync(dirname(join(tree, path)), { recursive: true });
      copyFileSync(source, join(tree, path));
    }
    const bytes = [...sources.values()].reduce(
      (sum, source) => sum + Math.ceil(statSync(source).size / 4096) * 4096,
      0,
    );
    const made = join(work, 'image');
    execFileSync(
      'mke2fs',
      [
        '-q',
        '-t',
        'ext4',
        '-b',
        '4096',
        '-m',
        '0',
        '-O',
        FEATURES,
        '-d',
        tree,
        made,
        `${Math.ceil(bytes / 2 ** 20) + SPARE_MIB}M`,
      ],
      {
        env: { ...process.env, PATH: `${process.env.PATH}:/usr/sbin:/sbin` },
        stdio: ['ignore', 'ignore', 'pipe'],
      },
    );
    renameSync(made, image);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
  removeOldImages(directory);
  return image;
}

/** For each path in the image, the path on this machine from which the file is copied. */
function runtimeFiles(root: string, { node, setpriv, file, libraries }: Userland): Map<string, string> {
  const files = new Map([
    ['bin/node', node],
    ['bin/setpriv', setpriv], // the setpriv of busybox cannot change the user
  ]);
  const native = [node, setpriv, ...NATIVE.map(file)];
  for (const name of productionPackages(root)) {
    for (const found of readdirSync(join(root, name), { recursive: true, encoding: 'utf8' })) {
      const path = join(name, found);
      const nested = found.includes('node_modules/');
      if (nested || !NEEDED.test(found) || !lstatSync(join(root, path)).isFile()) continue;
      files.set(path, file(path));
    }
  }
  for (const library of libraries(native)) files.set(`lib/${basename(library)}`, library);
  return files;
}

/**
 * The packages that are needed at run time, and the peer dependency, as keys of package-lock.json
 * ("node_modules/smol-toml").
 */
function productionPackages(root: string): string[] {
  const lock = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as {
    packages: Record<string, { dev?: boolean; devOptional?: boolean }>;
  };
  return Object.entries(lock.packages)
    .filter(([path, { dev, devOptional }]) => path === 'node_modules/rxjs' || (path !== '' && !dev && !devOptional))
    .filter(([path]) => existsSync(join(root, path)))
    .map(([path]) => path);
}

function fingerprint(files: Map<string, string>): string {
  const hash = createHash('sha256').update(FEATURES);
  for (const [path, source] of [...files].sort()) {
    const { size, mtimeMs } = statSync(source);
    hash.update(`${path}\0${size}\0${mtimeMs}\n`);
  }
  return hash.digest('hex').slice(0, 16);
}

/** A running guest keeps its image open, so removing the file does not harm it. */
function removeOldImages(directory: string): void {
  const images = readdirSync(directory)
    .filter((name) => name.endsWith('.ext4'))
    .map((name) => join(directory, name))
    .sort((a, b) => statSync(b).mtimeMs - statSync(a).mtimeMs);
  for (const image of images.slice(IMAGES_KEPT)) rmSync(image, { force: true });
}
