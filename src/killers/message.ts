import { type Container, shortId } from '../model/container.ts';
import type { KillAuthor, KilledProcess, KillSender, ProcessKilled } from '../model/process-killed.ts';
import { printable } from '../text/printable.ts';
import { programName } from './programs.ts';

/** One sentence: which process died, of which signal, who sent it, and why. */
export function processKilledMessage({ signal, victim, by }: Pick<ProcessKilled, 'signal' | 'victim' | 'by'>): string {
  const place = placeOf(victim);
  const who = `${printable(victim.comm)} (pid ${victim.pid})${place === '' ? '' : ` in ${place}`}`;
  const why = by.reason === null ? '' : `: ${printable(by.reason.words)}`;
  return `${who} ${deed(signal, victim, by)}${why}.`;
}

/** Who killed a process, for the end of a sentence: "by dockerd, through runc (pid 612)". */
export function authorPhrase(by: KillAuthor, victim?: KilledProcess): string {
  const { kind, name, means, process } = by;
  const through = means === 'cgroup_kill' ? ', through cgroup.kill' : means === 'bpf' ? ', through a BPF program' : '';
  const sender = process === null ? '' : senderPhrase(process, victim);
  switch (kind) {
    case 'oom_killer':
      return "by the kernel's OOM killer";
    case 'guard':
      return `by the guard of oomscope${process ? ` (pid ${process.pid})` : ''}${through}`;
    case 'user':
      return `by ${userOf(process)} with ${sender}${through}`;
    case 'self':
      return `by itself${through}`;
    case 'parent_exit':
      return `because its parent ${sender} exited (PR_SET_PDEATHSIG)`;
    case 'namespace_end':
      return `because its pid namespace ended with process 1, ${sender}`;
    case 'tracer':
      return `by the process that traced it, ${sender || printable(name ?? 'which is unknown')}`;
    case 'terminal':
      return 'by its terminal';
    case 'kernel':
      return `by the kernel${name === null ? '' : ` (${name})`}${through}`;
    case null:
      return `by an unknown sender: ${by.unknown}`;
    default:
      return `by ${actor(name, process, sender)}${through}`;
  }
}

function deed(signal: string, victim: KilledProcess, by: KillAuthor): string {
  if (by.kind === 'kernel' && by.means === 'kernel' && signal !== 'SIGKILL')
    return `died of ${signal}, sent by the kernel`;
  const of = signal === 'SIGKILL' && by.kind === 'oom_killer' ? '' : ` with ${signal}`;
  return `was killed${of} ${authorPhrase(by, victim)}`;
}

/** "dockerd, through runc (pid 612)"; "earlyoom (pid 611)" if it sent the signal itself. */
function actor(name: string | null, process: KillSender | null, sender: string): string {
  const shown = printable(name ?? 'another process');
  if (process === null) return shown;
  return programName(process) === name ? sender : `${shown}, through ${sender}`;
}

function senderPhrase(process: KillSender, victim: KilledProcess | undefined): string {
  const isParent = victim !== undefined && victim.ppid === process.pid;
  const isElsewhere = process.container !== null && process.container.id !== victim?.container?.id;
  const where = isElsewhere && process.container ? ` in ${containerName(process.container)}` : '';
  return `${printable(programName(process))} (pid ${process.pid})${where}${isParent ? ', its parent' : ''}`;
}

/** "user 1000 on pts3, as user 0". */
function userOf(process: KillSender | null): string {
  if (process === null) return 'a user';
  const { login_uid, uid, tty } = process;
  const who = login_uid ?? uid;
  return `user ${who}${tty === null ? '' : ` on ${printable(tty)}`}${who === uid ? '' : `, as user ${uid},`}`;
}

function placeOf({ container, pod, unit }: KilledProcess): string {
  const of = pod === null ? '' : ` of pod ${printable(pod.name === null ? pod.uid : `${pod.namespace}/${pod.name}`)}`;
  if (container) return `${containerName(container)}${of}`;
  if (pod) return of.slice(' of '.length);
  return unit === null ? '' : printable(unit);
}

const containerName = ({ name, id }: Container) => `container ${printable(name ?? shortId(id))}`;
