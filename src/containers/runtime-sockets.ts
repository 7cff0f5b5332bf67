/**
 * Finds the sockets of container runtimes, and says why a socket cannot be used.
 */
import { existsSync, readdirSync } from 'node:fs';
import { OomscopeError } from '../model/error.ts';
import { ContainerRuntimeApi } from './container-runtime.ts';
import { otherUser, ownerOfFile } from './other-user.ts';

interface SocketPaths {
  docker: string[];
  podman: string[];
}

/** Where sockets are looked for. */
export interface SocketOptions {
  env?: NodeJS.ProcessEnv;
  /** The directory of root's sockets, and of the directories `user/UID`. Default `/run`. */
  run?: string;
  /** Also find the sockets of users other than root and this process's own user. Default false. */
  otherUsers?: boolean | undefined;
}

/**
 * The paths at which Docker and Podman have their sockets if they run: first root's sockets, then those of this user
 * (for root with `otherUsers`: of every user). If DOCKER_HOST or CONTAINER_HOST names a unix socket, that socket comes
 * first, as in the runtimes' own commands.
 */
export function possibleSockets({ env = process.env, run = '/run', otherUsers = false }: SocketOptions = {}) {
  const named = (variable: string) => /^unix:\/\/(\/.*)$/.exec(env[variable] ?? '')?.[1];
  const homes =
    otherUsers && process.geteuid?.() === 0 ? entries(`${run}/user`).map((uid) => `${run}/user/${uid}`) : [];
  const own = env.XDG_RUNTIME_DIR;
  const users = [...(own && (otherUsers || isOwn(own)) ? [own] : []), ...homes];
  const paths = (first: string | undefined, ...others: string[]) => [
    ...new Set([...(first === undefined ? [] : [first]), ...others]),
  ];
  return {
    docker: paths(named('DOCKER_HOST'), `${run}/docker.sock`, ...users.map((home) => `${home}/docker.sock`)),
    podman: paths(
      named('CONTAINER_HOST'),
      `${run}/podman/podman.sock`,
      ...users.map((home) => `${home}/podman/podman.sock`),
    ),
  };
}

/** The possible sockets that exist, and the sockets that DOCKER_HOST and CONTAINER_HOST name. */
export function runtimeSockets(options: SocketOptions = {}): SocketPaths {
  const { docker, podman } = possibleSockets(options);
  const { DOCKER_HOST, CONTAINER_HOST } = options.env ?? process.env;
  const named = [DOCKER_HOST, CONTAINER_HOST];
  const present = (paths: string[]) => paths.filter((path) => named.includes(`unix://${path}`) || existsSync(path));
  return { docker: present(docker), podman: present(podman) };
}

/** Whether root or the user of this process owns a directory. */
function isOwn(directory: string): boolean {
  const uid = ownerOfFile(directory);
  return uid !== undefined && otherUser(uid) === null;
}

export interface Runtimes {
  open: ContainerRuntimeApi[];
  /** For each socket that cannot be used, one sentence: which socket it is, why it cannot be used, and what to do. */
  closed: { socket: string; code: string; sentence: string }[];
}

/** Which runtimes openRuntimes() opens. */
export interface OpenRuntimesOptions extends SocketOptions {
  /** The sockets to try. Default: all sockets that exist. */
  sockets?: readonly string[] | undefined;
  /** Ends every request when it aborts. */
  signal?: AbortSignal;
}

/** Opens each runtime that answers. */
export async function openRuntimes({ sockets, signal, ...where }: OpenRuntimesOptions = {}): Promise<Runtimes> {
  const { docker, podman } = runtimeSockets(where);
  const runtimes: Runtimes = { open: [], closed: [] };
  await Promise.all(
    (sockets ?? [...docker, ...podman]).map(async (socket) => {
      try {
        runtimes.open.push(await ContainerRuntimeApi.open(socket, signal));
      } catch (error) {
        const code = (error as NodeJS.ErrnoException).code ?? 'EPROTO';
        runtimes.closed.push({ socket, code, sentence: sentenceFor(socket, code, (error as Error).message) });
      }
    }),
  );
  return runtimes;
}

/** The error for a caller that found no runtime. @param without a sentence that says what does not work without one */
export function noRuntime({ closed }: Runtimes, without: string): OomscopeError {
  const forbidden = closed.some(({ code }) => code === 'EACCES' || code === 'EPERM');
  const tried = closed.map(({ sentence }) => sentence).join(' ');
  const none =
    'No container runtime was found: there is no socket at /run/docker.sock, at /run/podman/podman.sock or below ' +
    '/run/user. If the socket is elsewhere, use --socket PATH or set DOCKER_HOST=unix://PATH.';
  return new OomscopeError(forbidden ? 'NOT_PERMITTED' : 'RUNTIME_MISSING', `${tried || none} ${without}`);
}

function sentenceFor(socket: string, code: string, message: string): string {
  const podman = socket.includes('podman');
  switch (code) {
    case 'ENOENT':
      return `${socket}: there is no such socket.`;
    case 'EACCES':
    case 'EPERM':
      return podman
        ? `${socket}: permission denied: run oomscope as root, or as the user of this Podman.`
        : `${socket}: permission denied: run oomscope as root, or as a member of the group docker.`;
    case 'ECONNREFUSED':
      return podman
        ? `${socket}: no process listens on it: run \`systemctl start podman.socket\` or \`podman system service\`.`
        : `${socket}: no process listens on it: is dockerd running?`;
    case 'ENOTSOCK':
      return `${socket}: it is no socket.`;
    case 'ETIMEDOUT':
      return `${socket}: the runtime did not answer in time.`;
    default:
      return `${socket}: the answer does not come from a container runtime: ${message}.`;
  }
}

function entries(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}
