/**
 * Reads the names of containers and pods from files on the node, without any API. containerd has the configuration of
 * each task in its state directory, and the kubelet puts pod, namespace and container into the names of the
 * container's logs.
 */
import { readdir, readFile, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import type { Container, Pod } from '../model/container.ts';
import type { StoredContainer } from './podman-storage.ts';

/** State directories of containerd, and of the containerd in k3s. */
const TASKS = ['run/containerd', 'run/k3s/containerd'].map((state) => `${state}/io.containerd.runtime.v2.task`);
const LOGS = 'var/log/containers';
const POD_LOGS = 'var/log/pods';
/** Docker's namespace in containerd. It is skipped, because Docker's own API has the names. */
const DOCKER = 'moby';

export interface NodeContainer extends StoredContainer {
  /**
   * The path of the container's cgroup, if the path does not contain the container's id. null: the path contains the
   * id, or systemd made the cgroup.
   */
  cgroup: string | null;
}

/** Directories that change when a container starts or ends. @param root root of the file system */
export async function nodeDirectories(root: string): Promise<string[]> {
  const tasks = TASKS.map((path) => join(root, path));
  const namespaces = await Promise.all(tasks.map(async (path) => (await names(path)).map((name) => join(path, name))));
  return [...tasks, ...namespaces.flat(), join(root, LOGS), join(root, POD_LOGS)];
}

/** Reads every container that the files on the node name. @param root root of the file system */
export async function nodeContainers(root: string): Promise<NodeContainer[]> {
  const [logged, ...tasks] = await Promise.all([
    loggedContainers(join(root, LOGS)),
    ...TASKS.map((path) => tasksIn(join(root, path))),
  ]);
  return [...tasks.flat(), ...logged];
}

async function tasksIn(directory: string): Promise<NodeContainer[]> {
  const found = (await names(directory))
    .filter((namespace) => namespace !== DOCKER)
    .map(async (namespace) => {
      const ids = await names(join(directory, namespace));
      return Promise.all(ids.map((id) => readTask(join(directory, namespace, id, 'config.json'), id)));
    });
  return (await Promise.all(found)).flat().filter((task) => task !== undefined);
}

async function readTask(path: string, id: string): Promise<NodeContainer | undefined> {
  const text = await readFile(path, 'utf8').catch(() => undefined);
  return text === undefined ? undefined : parseTask(text, id);
}

const HEX64 = /^[0-9a-f]{64}$/;

/** Parses a task's config.json. Values of an unexpected type are left out. */
export function parseTask(json: string, id: string): NodeContainer | undefined {
  const config = record(parse(json));
  const notes = record(config.annotations);
  const note = (key: string) => text(notes[key]);
  // A sandbox holds the namespaces of a pod and runs no program of its own.
  const isSandbox = note('io.kubernetes.cri.container-type') === 'sandbox';
  const uid = note('io.kubernetes.cri.sandbox-uid');
  const container: Container = {
    ...{ runtime: 'containerd', id, compose_project: null, compose_service: null },
    name: isSandbox
      ? 'POD'
      : (note('io.kubernetes.cri.container-name') ?? note('nerdctl/name') ?? (HEX64.test(id) ? null : id)),
    image: note('io.kubernetes.cri.image-name'),
  };
  const pod: Pod | null =
    uid === null
      ? null
      : {
          uid,
          name: note('io.kubernetes.cri.sandbox-name'),
          namespace: note('io.kubernetes.cri.sandbox-namespace'),
          qos: null,
        };
  const cgroup = text(record(config.linux).cgroupsPath);
  const isNamed = container.name !== null || pod !== null;
  const ownPath = cgroup?.startsWith('/') && !HEX64.test(id) ? cgroup : null;
  return isNamed ? { container, pod, cgroup: ownPath } : undefined;
}

/** "POD_NAMESPACE_CONTAINER-ID.log", a link to "/var/log/pods/NAMESPACE_POD_UID/CONTAINER/0.log". */
const LOG = /^([a-z0-9.-]+)_([a-z0-9-]+)_([a-z0-9-]+)-([0-9a-f]{64})\.log$/;
const TARGET = /\/[a-z0-9-]+_[a-z0-9.-]+_([0-9a-f-]{32,36})\//;

async function loggedContainers(directory: string): Promise<NodeContainer[]> {
  const found = (await names(directory)).map(async (file) => {
    const [, pod, namespace, name, id] = LOG.exec(file) ?? [];
    if (pod === undefined || namespace === undefined || name === undefined || id === undefined) return undefined;
    const uid = TARGET.exec(await readlink(join(directory, file)).catch(() => ''))?.[1];
    const container: Container = {
      ...{ runtime: null, id, name, image: null, compose_project: null, compose_service: null },
    };
    return { container, pod: uid === undefined ? null : { uid, name: pod, namespace, qos: null }, cgroup: null };
  });
  return (await Promise.all(found)).filter((one) => one !== undefined);
}

/** "NAMESPACE_POD_UID", the directory of a pod's logs. */
const POD = /^([a-z0-9-]+)_([a-z0-9.-]+)_([0-9a-f-]{32,36})$/;

/** The pods whose logs are on the node. @param root root of the file system */
export async function nodePods(root: string): Promise<Pod[]> {
  return (await names(join(root, POD_LOGS))).flatMap((directory) => {
    const [, namespace, name, uid] = POD.exec(directory) ?? [];
    return namespace === undefined || name === undefined || uid === undefined
      ? []
      : [{ uid, name, namespace, qos: null }];
  });
}

const names = (directory: string) => readdir(directory).catch(() => [] as string[]);

function parse(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return undefined;
  }
}

const record = (value: unknown) =>
  (typeof value === 'object' && value !== null && !Array.isArray(value) ? value : {}) as Record<string, unknown>;
const text = (value: unknown) => (typeof value === 'string' && value !== '' ? value : null);
