/**
 * The container image, made without a registry: one layer with the tree and the C and C++ libraries of Debian 12. The archive has the
 * descriptions of both formats, so that dockerd, Podman and containerd load it.
 */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { cacheDirectory } from '../cache.ts';
import { Suite } from '../lab/apt.ts';
import { makeOnce } from '../lock.ts';
import { type Architecture, archive, debianNames, epoch, manifest, say, sha256 } from './package.ts';
import { makeTree } from './tarball.ts';

const SUITE = 'bookworm';
/** A file with the names of the packages that were unpacked. */
const VERSIONS = 'versions';
const PACKAGES = ['libc6', 'libstdc++6', 'libgcc-s1'];
/** The libraries that Node and the addon need, and that V8's and Node's threads load. */
const LIBRARIES = [
  'libc.so.6',
  'libm.so.6',
  'libdl.so.2',
  'libpthread.so.0',
  'librt.so.1',
  'libresolv.so.2',
  'libnss_files.so.2',
  'libnss_dns.so.2',
  'libstdc++.so.6',
  'libgcc_s.so.1',
];
const LOADERS: Record<Architecture, { triplet: string; path: string }> = {
  x64: { triplet: 'x86_64-linux-gnu', path: 'lib64/ld-linux-x86-64.so.2' },
  arm64: { triplet: 'aarch64-linux-gnu', path: 'lib/ld-linux-aarch64.so.1' },
};
const created = () => new Date(epoch * 1000).toISOString();

/** @param native the folder with the native files. @returns the archive's path */
export async function makeImage(
  architecture: Architecture,
  native: string,
  work: string,
  output: string,
): Promise<string> {
  const root = join(work, `image-root-${architecture}`);
  await makeTree(join(root, 'usr/lib/oomscope'), architecture, native, 'image');
  mkdirSync(join(root, 'usr/bin'), { recursive: true });
  symlinkSync('../lib/oomscope/oomscope', join(root, 'usr/bin/oomscope'));
  await copyLibraries(architecture, root);
  for (const directory of ['dev', 'etc', 'proc', 'sys', 'tmp', 'run', 'var/lib/oomscope'])
    mkdirSync(join(root, directory), { recursive: true });
  writeFileSync(join(root, 'etc/passwd'), 'root:x:0:0:root:/root:/sbin/nologin\n');
  writeFileSync(join(root, 'etc/group'), 'root:x:0:\n');

  const layout = join(work, `image-${architecture}`);
  rmSync(layout, { recursive: true, force: true });
  const blobs = join(layout, 'blobs/sha256');
  mkdirSync(blobs, { recursive: true });
  const layer = join(work, `layer-${architecture}.tar`);
  archive(root, ['.'], layer);
  const diffId = sha256(layer);
  execFileSync('gzip', ['-9n', layer]);
  const blob = (content: Buffer) => {
    const digest = createHash('sha256').update(content).digest('hex');
    writeFileSync(join(blobs, digest), content);
    return { digest: `sha256:${digest}`, size: content.length };
  };
  const json = (value: unknown) => blob(Buffer.from(JSON.stringify(value)));
  const compressed = blob(readFileSync(`${layer}.gz`));
  rmSync(`${layer}.gz`);
  const config = json({
    architecture: debianNames[architecture],
    os: 'linux',
    created: created(),
    config: {
      // Node itself, not the script: the image has no shell.
      Entrypoint: ['/usr/lib/oomscope/bin/node', '/usr/lib/oomscope/scripts/oomscope.cjs'],
      Cmd: ['trace', '--json'],
      Labels: {
        'org.opencontainers.image.title': 'oomscope',
        'org.opencontainers.image.version': manifest.version,
        'org.opencontainers.image.licenses': manifest.license,
      },
    },
    rootfs: { type: 'layers', diff_ids: [`sha256:${diffId}`] },
    history: [{ created: created(), created_by: 'npm run package' }],
  });
  const type = 'application/vnd.oci.image';
  const description = json({
    schemaVersion: 2,
    mediaType: `${type}.manifest.v1+json`,
    config: { mediaType: `${type}.config.v1+json`, ...config },
    layers: [{ mediaType: `${type}.layer.v1.tar+gzip`, ...compressed }],
  });
  const tag = `oomscope:${manifest.version}`;
  const annotations = {
    'org.opencontainers.image.ref.name': manifest.version,
    'io.containerd.image.name': `docker.io/library/${tag}`,
  };
  writeFileSync(join(layout, 'oci-layout'), JSON.stringify({ imageLayoutVersion: '1.0.0' }));
  writeFileSync(
    join(layout, 'index.json'),
    JSON.stringify({
      schemaVersion: 2,
      manifests: [{ mediaType: `${type}.manifest.v1+json`, ...description, annotations }],
    }),
  );
  const place = ({ digest }: { digest: string }) => `blobs/${digest.replace(':', '/')}`;
  writeFileSync(
    join(layout, 'manifest.json'),
    JSON.stringify([{ Config: place(config), RepoTags: [tag], Layers: [place(compressed)] }]),
  );
  const path = join(output, `oomscope-${manifest.version}-image-${architecture}.tar`);
  archive(layout, ['blobs', 'index.json', 'manifest.json', 'oci-layout'], path);
  return path;
}

/** The packages of the libraries in the image, with their versions as Debian writes them. */
export async function imageLibraries(architecture: Architecture): Promise<{ name: string; version: string }[]> {
  const files = readFileSync(join(await debianLibraries(architecture), VERSIONS), 'utf8')
    .trim()
    .split('\n')
    .sort();
  return files.map((file) => {
    const [name = '', version = ''] = file.split('_');
    return { name, version: decodeURIComponent(version) };
  });
}

async function copyLibraries(architecture: Architecture, root: string): Promise<void> {
  const tree = await debianLibraries(architecture);
  const { triplet, path } = LOADERS[architecture];
  const directory = [join(tree, 'lib', triplet), join(tree, 'usr/lib', triplet)];
  const source = (name: string) => directory.map((one) => join(one, name)).find((file) => existsSync(file));
  mkdirSync(join(root, 'usr/lib', triplet), { recursive: true });
  for (const name of LIBRARIES) {
    const found = source(name);
    if (found !== undefined) copyFileSync(realpathSync(found), join(root, 'usr/lib', triplet, name));
  }
  const loader = source(path.split('/').at(-1) ?? '');
  if (loader === undefined) throw new Error(`expected the dynamic loader in ${tree}`);
  mkdirSync(join(root, dirname(path)), { recursive: true });
  copyFileSync(realpathSync(loader), join(root, path));
}

async function debianLibraries(architecture: Architecture): Promise<string> {
  const directory = join(cacheDirectory('packages'), `libraries-${SUITE}-${architecture}`);
  return makeOnce(directory, async (work) => {
    say(`fetch the C and C++ libraries for ${architecture} from Debian's suite ${SUITE}`);
    const suite = await Suite.open(SUITE, work, { architecture: debianNames[architecture] });
    const debs = await suite.download(PACKAGES);
    for (const deb of debs) execFileSync('dpkg', ['-x', deb, join(work, 'tree')]);
    writeFileSync(join(work, 'tree', VERSIONS), debs.map((deb) => `${basename(deb)}\n`).join(''));
    return join(work, 'tree');
  });
}
