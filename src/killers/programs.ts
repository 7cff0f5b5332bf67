/**
 * The programs that are known to kill others, by the name of their executable.
 */
import type { KillerKind } from '../model/process-killed.ts';

export interface KnownProgram {
  kind: KillerKind;
  /** The name in events. Default: the name of the program. */
  name?: string;
}

const earlyKiller: KnownProgram = { kind: 'early_killer' };
const runtime: KnownProgram = { kind: 'runtime' };
const manager: KnownProgram = { kind: 'service_manager' };

const programs: Record<string, KnownProgram> = {
  'systemd-oomd': earlyKiller,
  earlyoom: earlyKiller,
  nohang: earlyKiller,
  oomd: earlyKiller,
  bustd: earlyKiller,
  lmkd: earlyKiller,
  kubelet: { kind: 'kubelet' },
  dockerd: runtime,
  containerd: runtime,
  podman: runtime,
  conmon: { kind: 'runtime', name: 'podman' },
  crio: { kind: 'runtime', name: 'cri-o' },
  buildkitd: runtime,
  'lxc-stop': { kind: 'runtime', name: 'lxc' },
  systemd: manager,
  'systemd-logind': manager,
  'systemd-machined': manager,
  supervisord: manager,
  runsv: manager,
  's6-supervise': manager,
  monit: manager,
  'start-stop-daemon': manager,
};

/** Programs that start, end and signal containers on behalf of another program. */
const agents = new Set(['runc', 'crun', 'youki', 'runsc', 'kata-runtime', 'docker-runc']);
/** The process of containerd that stays with a container. */
const SHIM = /^containerd-shim/;
const shells = new Set(['sh', 'bash', 'dash', 'zsh', 'fish', 'ksh', 'mksh', 'ash', 'tcsh', 'csh', 'busybox', 'nu']);
const logins = new Set(['sshd', 'sshd-session', 'login', 'sudo', 'su', 'doas', 'tmux', 'tmux: server', 'screen']);
/** Interpreters: a program written in a script has its own name only in `comm`. */
const INTERPRETER = /^(?:python|perl|ruby|node|bash|sh|dash)[\d.]*$/;
const MOST_COMM = 15;

/**
 * The name of a program: that of its executable, which the process cannot change as it can its `comm`. For a script it
 * is the process's `comm`.
 */
export function programName({ exe, comm }: { exe: string | null; comm: string }): string {
  const [file = ''] = exe?.split('/').slice(-1) ?? [];
  // Node calls its main thread so, which says nothing.
  if (file === '' || (INTERPRETER.test(file) && comm !== 'MainThread')) return comm;
  return file.replace(/ \(deleted\)$/, '');
}

/** @param name as programName() returns it */
export function knownProgram(name: string): (KnownProgram & { name: string }) | undefined {
  const known = Object.hasOwn(programs, name) ? programs[name] : undefined;
  return known && { name, ...known };
}

/** Directories in which only root installs programs. */
const SYSTEM = /^\/(?:usr|bin|sbin|lib|lib64|libexec|opt|nix|snap|gnu|var\/lib\/rancher)\//;

/**
 * Whether the name of a process can be trusted to name its program. Any user can give a program any name, but only
 * root can install a program in /usr. A script is not trusted, because the process of a script can choose its own
 * name.
 */
export function isTrusted({ exe, uid }: { exe: string | null; uid: number }): boolean {
  if (uid === 0) return true;
  return exe !== null && SYSTEM.test(exe) && !isScript(exe);
}

const isScript = (exe: string) => INTERPRETER.test(exe.slice(exe.lastIndexOf('/') + 1));

export const isAgent = (name: string) => agents.has(name);
export const isShim = (name: string) => SHIM.test(name);
export const isShell = (name: string) => shells.has(name.replace(/^-/, ''));
export const isLogin = (name: string) => logins.has(name.slice(0, MOST_COMM));
