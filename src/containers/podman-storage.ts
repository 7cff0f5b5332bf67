/**
 * Reads the names of Podman's and CRI-O's containers without a request to them. Both have a list in
 * containers/storage, a file that they replace when a container is created or removed. A request to Podman's socket
 * would start its service, which takes 40 MB.
 */
import { readdir, readFile } from 'node:fs/promises';
import type { Container, Pod } from '../model/container.ts';

export interface StoredContainer {
  container: Container;
  pod: Pod | null;
}

/** The storage of root, and of every user with a home below /home. */
export const STORAGE_HOMES = ['/var/lib/containers/storage', '/home/*/.local/share/containers/storage'];

/**
 * The directories with a list, one for each storage driver that was ever used: overlay-containers, vfs-containers, …
 *
 * @param homes as STORAGE_HOMES: a `*` stands for each directory there
 */
export async function storeDirectories(homes: readonly string[] = STORAGE_HOMES): Promise<string[]> {
  const stores = (await Promise.all(homes.map(expand))).flat();
  const drivers = await Promise.all(
    stores.map(async (store) => (await names(store)).filter((name) => name.endsWith('-containers'))),
  );
  return drivers.flatMap((found, i) => found.map((driver) => `${stores[i]}/${driver}`));
}

/** Every container in the lists that can be read. */
export async function storedContainers(homes?: readonly string[]): Promise<StoredContainer[]> {
  const paths = (await storeDirectories(homes)).map((directory) => `${directory}/${LIST}`);
  const texts = await Promise.all(paths.map((path) => readFile(path, 'utf8').catch(() => '[]')));
  return texts.flatMap(parseStored);
}

/** The name of a list. The runtimes replace the file by rename(2) at each change. */
export const LIST = 'containers.json';

async function expand(home: string): Promise<string[]> {
  const [before, after] = home.split('*') as [string, string?];
  return after === undefined ? [home] : (await names(before)).map((name) => `${before}${name}${after}`);
}

const names = (directory: string) => readdir(directory).catch(() => [] as string[]);

interface Entry {
  id?: unknown;
  names?: unknown;
  /** A string that contains JSON. */
  metadata?: unknown;
}

/** Parses containers.json. Malformed entries are left out. */
export function parseStored(json: string): StoredContainer[] {
  const entries = parse(json);
  return (Array.isArray(entries) ? (entries as Entry[]) : []).flatMap((entry) => {
    if (typeof entry?.id !== 'string') return [];
    const about = (parse(text(entry.metadata) ?? '') ?? {}) as Record<string, unknown>;
    const [stored] = Array.isArray(entry.names) ? entry.names : [];
    // CRI-O: "namespace" and "pod-id" are the pod's, "metadata-name" is the container's name in the pod.
    const crio = typeof about['pod-id'] === 'string';
    const container: Container = {
      runtime: crio ? 'cri-o' : 'podman',
      id: entry.id,
      name: (crio ? text(about['metadata-name']) : null) ?? text(about.name) ?? text(stored),
      image: text(about['image-name']),
      compose_project: null,
      compose_service: null,
    };
    const uid = text(about.uid);
    const pod = { uid: uid ?? '', name: text(about['pod-name']), namespace: text(about.namespace) };
    return [{ container, pod: crio && uid !== null ? pod : null }];
  });
}

function parse(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return undefined;
  }
}

const text = (value: unknown) => (typeof value === 'string' && value !== '' ? value : null);
