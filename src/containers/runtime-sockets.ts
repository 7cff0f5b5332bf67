/**
 * Finds the sockets of container runtimes, and says why a socket cannot be used.
 */
import { existsSync, readdirSync } from 'node:fs';
import { OomscopeError } from '../model/error.ts';
import { ContainerRuntimeApi } from './container-runtime.ts';

interface SocketPaths {
  docker: string[];
  podman: string[];
}

/**
 * The paths at which Docker and Podman have their sockets if they run: first root's sockets, then those of this user
 * (for root: of every user). If DOCKER_HOST or CONTAINER_HOST names a unix socket, that socket comes first, as in the
 * runtimes' own commands.
 */
export function possibleSockets(env = process.env, run = '/run'): SocketPaths {
  const named = (variable: string) => /^unix:\/\/(\/.*)$/.exec(env[variable] ?? '')?.[1];
  const homes = process.getuid?.() === 0 ? entries(`${run}/user`).map((uid) => `${run}/user/${uid}`) : [];
  const users = [env.XDG_RUNTIME_DIR, ...homes].filter((path) => path !== undefined && path !== '');
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
export function runtimeSockets(env = process.env, run = '/run'): SocketPaths {
  const { docker, podman } = possibleSockets(env, run);
  const named = [env.DOCKER_HOST, env.CONTAINER_HOST];
  const present = (paths: string[]) => paths.filter((path) => named.includes(`unix://${path}`) || existsSync(path));
  return { docker: present(docker), podman: present(podman) };
}

export interface Runtimes {
  open: ContainerRuntimeApi[];
  /** For each socket that cannot be used, one sentence: which socket it is, why it cannot be used, and what to do. */
  closed: { socket: string; code: string; sentence: string }[];
}

/** @param sockets the sockets to try; default: all sockets that exist */
export async function openRuntimes(sockets?: readonly string[]): Promise<Runtimes> {
  const { docker, podman } = runtimeSockets();
  const runtimes: Runtimes = { open: [], closed: [] };
  await Promise.all(
    (sockets ?? [...docker, ...podman]).map(async (socket) => {
      try {
        runtimes.open.push(await ContainerRuntimeApi.open(socket));
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
