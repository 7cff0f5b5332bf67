/**
 * Reads the names of Podman's and CRI-O's containers without a request to them. Both have a list in
 * containers/storage, a file that they replace when a container is created or removed. A request to Podman's socket
 * would start its service, which takes 40 MB.
 */
import { lstatSync, opendirSync, readdirSync } from 'node:fs';
import { readFileOf } from '../linux/regular-file.ts';
import type { Container, Pod } from '../model/container.ts';
import { parseForeignJson } from '../text/foreign-json.ts';
import { LONGEST_NAME, type OtherUser, otherUser, ownerOfFile } from './other-user.ts';

export interface StoredContainer {
  container: Container;
  pod: Pod | null;
}

/** A directory with a list of containers. */
export interface Store {
  directory: string;
  /** The owner of the directory's home; its files must belong to this user. */
  uid: number;
  /** The user who can write anything into the list. null: root or this process's own user. */
  user: OtherUser;
}

/** Which storage is read. */
export interface StorageOptions {
  /** Paths as STORAGE_HOMES: a `*` stands for each directory there. */
  homes?: readonly string[] | undefined;
  /** Also read the storage of users other than root and this process's own user. Default false. */
  otherUsers?: boolean | undefined;
}

/** The storage of root, and of users with a home below /home. */
export const STORAGE_HOMES = ['/var/lib/containers/storage', '/home/*/.local/share/containers/storage'];

/** The largest list that is read. A container takes about 1 KiB. */
const MOST_BYTES = 16 * 2 ** 20;
const MOST_BYTES_OF_OTHERS = 2 ** 20;
/** How many entries of a storage directory are looked at. There is one for each kind of object and storage driver. */
const MOST_ENTRIES = 100;

/** The directories with a list, one for each storage driver that was ever used: overlay-containers, vfs-containers, … */
export function storeDirectories({ homes = STORAGE_HOMES, otherUsers = false }: StorageOptions = {}): Store[] {
  return homes
    .flatMap(expand)
    .filter(({ user }) => user === null || otherUsers)
    .flatMap(({ directory, ...owner }) =>
      driversIn(directory, owner.uid).map((driver) => ({ ...owner, directory: `${directory}/${driver}` })),
    );
}

/** Every container in the lists that can be read, and the user who can write anything into the list. */
export function storedContainers(options?: StorageOptions): (StoredContainer & { user: OtherUser })[] {
  return storeDirectories(options).flatMap(({ directory, uid, user }) => {
    const { bytes } = readFileOf(uid, `${directory}/${LIST}`, user === null ? MOST_BYTES : MOST_BYTES_OF_OTHERS);
    return bytes ? parseStored(bytes.toString()).map((stored) => ({ ...stored, user })) : [];
  });
}

/** The name of a list. The runtimes replace the file by rename(2) at each change. */
export const LIST = 'containers.json';

/** The storage directories for a path. A home belongs to the owner of the directory for which `*` stands. */
function expand(home: string): Store[] {
  const [before = '', after] = home.split('*');
  const homes = after === undefined ? [home] : names(before).map((name) => `${before}${name}`);
  return homes.flatMap((path) => {
    const uid = ownerOfFile(path);
    return uid === undefined ? [] : [{ directory: `${path}${after ?? ''}`, uid, user: otherUser(uid) }];
  });
}

/** The names of the directories with lists. They must belong to the owner of the home. */
function driversIn(storage: string, uid: number): string[] {
  const found: string[] = [];
  try {
    const directory = opendirSync(storage);
    try {
      for (let seen = 0; seen < MOST_ENTRIES; seen++) {
        const name = directory.readSync()?.name;
        if (name === undefined) break;
        if (!name.endsWith('-containers')) continue;
        const stats = lstatSync(`${storage}/${name}`);
        if (stats.isDirectory() && stats.uid === uid) found.push(name);
      }
    } finally {
      directory.closeSync();
    }
  } catch {
    // There is no storage, this process may not read it, or it changed meanwhile.
  }
  return found;
}

function names(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}

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
    const id = text(entry?.id);
    if (id === null) return [];
    const metadata = typeof entry.metadata === 'string' ? entry.metadata : '';
    const about = (parse(metadata) ?? {}) as Record<string, unknown>;
    const [stored] = Array.isArray(entry.names) ? entry.names : [];
    // CRI-O: "namespace" and "pod-id" are the pod's, "metadata-name" is the container's name in the pod.
    const crio = typeof about['pod-id'] === 'string';
    const container: Container = {
      runtime: crio ? 'cri-o' : 'podman',
      id,
      name: (crio ? text(about['metadata-name']) : null) ?? text(about.name) ?? text(stored),
      image: text(about['image-name']),
      compose_project: null,
      compose_service: null,
    };
    const uid = text(about.uid);
    const pod = { uid: uid ?? '', name: text(about['pod-name']), namespace: text(about.namespace), qos: null };
    return [{ container, pod: crio && uid !== null ? pod : null }];
  });
}

function parse(json: string): unknown {
  try {
    return parseForeignJson(json);
  } catch {
    return undefined;
  }
}

const text = (value: unknown) =>
  typeof value === 'string' && value !== '' && value.length <= LONGEST_NAME ? value : null;
