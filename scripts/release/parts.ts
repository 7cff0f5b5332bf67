/** What the packages contain besides this project. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { imageLibraries } from '../package/image.ts';
import { libbpfVersions } from '../package/libbpf.ts';
import { nodeVersion } from '../package/node.ts';
import { debianPart, npmParts, type Part } from './sbom.ts';

const EVERYWHERE = 'all packages';
const NATIVE = 'all packages: native files';
/** Licences of the sources of libbpf.so.1, by their debian/copyright. */
const SOURCES = {
  libbpf: 'LGPL-2.1-only OR BSD-2-Clause',
  elfutils: 'LGPL-3.0-or-later OR GPL-2.0-or-later',
  zlib: 'Zlib',
} as const;
/** Licences of the libraries in the image. */
const LIBRARIES: Record<string, string> = {
  libc6: 'LGPL-2.1-or-later',
  'libstdc++6': 'GPL-3.0-or-later WITH GCC-exception-3.1',
  'libgcc-s1': 'GPL-3.0-or-later WITH GCC-exception-3.1',
};

export async function partsOf(root: string): Promise<Part[]> {
  const sources = Object.entries(await libbpfVersions()).map(([name, version]) =>
    debianPart(name, version, SOURCES[name as keyof typeof SOURCES], `${NATIVE} (libbpf.so.1)`),
  );
  const libraries = (await imageLibraries('x64')).map(({ name, version }) =>
    debianPart(name, version, LIBRARIES[name] ?? 'NOASSERTION', 'the container image'),
  );
  return [
    ...npmParts(root, ['rxjs', 'smol-toml'], EVERYWHERE),
    ...npmParts(root, bundled(root, 'dist/vendor/LICENSE.nats.txt'), `${EVERYWHERE} (nats.js)`),
    ...npmParts(root, bundled(root, 'build/LICENSE.ffi.txt'), `${NATIVE} (ffi.cjs)`),
    libffi(root),
    ...sources,
    ...libraries,
    node(),
  ];
}

/** The packages in a bundle. The script that bundles them writes their names and licences, divided by lines of hyphens. */
function bundled(root: string, file: string): string[] {
  const text = readFileSync(join(root, file), 'utf8');
  const names = text.split(/^-{80}\n\n/m).map((section) => section.split('\n')[0] ?? '');
  return names.filter((name) => name !== 'libffi');
}

/** libffi is compiled into the binding of ffi-napi, which contains its sources. */
function libffi(root: string): Part {
  const path = join(root, 'node_modules/ffi-napi/deps/libffi/config/linux/x64/fficonfig.h');
  const version = /PACKAGE_VERSION "([^"]+)"/.exec(readFileSync(path, 'utf8'))?.[1];
  if (version === undefined) throw new Error(`${path}: expected PACKAGE_VERSION`);
  const purl = `pkg:github/libffi/libffi@v${version}`;
  return { type: 'library', name: 'libffi', version, licence: 'MIT', purl, where: `${NATIVE} (ffi_bindings.node)` };
}

function node(): Part {
  const version = nodeVersion();
  const where = 'the .deb, the archive and the container image';
  return { type: 'platform', name: 'node', version, licence: 'MIT', purl: `pkg:generic/node@${version}`, where };
}
