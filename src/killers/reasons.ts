/** Finds the author's own reason for a kill among the lines of the journal. Pure. */
import type { KilledProcess, KillerKind } from '../model/process-killed.ts';
import type { JournalLine } from './journal.ts';

/** Authors whose reason may be in the journal, each with the programs that write there. */
export function journalsOf(kind: KillerKind | null, name: string | null, victim: KilledProcess): string[] {
  if (kind === 'early_killer' && name !== null) return [name];
  if (kind === 'service_manager' && name === 'systemd') return ['systemd'];
  // The kubelet does not signal: it lets the runtime do it. At the end of each pod its sandbox is killed, without a line about that.
  const isOfPod = victim.pod !== null && victim.container?.name !== 'POD';
  return kind === 'kubelet' || (kind === 'runtime' && isOfPod) ? ['kubelet'] : [];
}

/**
 * How far back the reasons of an author are (ms). The kubelet writes its reason before it stops a container, and the kill comes only
 * after the grace period of the pod, 30 s by default. The others write when they kill.
 */
export const reasonSpanMs = (comms: readonly string[]): number => (comms.includes('kubelet') ? 600_000 : 30_000);

/** The last line that explains the kill, or, of the kubelet, the last one that has the cause; null: none. */
export function reasonIn(lines: readonly JournalLine[], victim: KilledProcess): string | null {
  const about = lines.filter((line) => explains(line, victim));
  const line = about.findLast(({ comm, words }) => comm === 'kubelet' && CAUSE.test(words)) ?? about.at(-1);
  return line?.words.replace(KLOG_HEADER, '') ?? null;
}

/** "I1128 21:40:05.035214    3709 kuberuntime_container.go:636] " */
const KLOG_HEADER = /^[IWEF]\d{4} [\d:.]+ +\d+ [\w.]+:\d+\] /;
/** Why the kubelet ends a container: pkg/kubelet, computePodActions(), the managers of evictions and of preemption. */
const CAUSE = /failed (?:liveness|startup) probe|definition changed|ranked for eviction|preempt/;
/** It ends a container. That a probe failed is no such line: a failed readiness probe ends nothing. */
const STOP = /[Kk]illing (?:unwanted )?container/;

/**
 * Whether a line of the kubelet says that it ends the container or the pod. Lines name a pod by its uid or, in structured logs, as
 * "NAMESPACE/NAME". Of the pods that are ranked for eviction, the kubelet evicts the first.
 */
function isStop(words: string, { pod, container }: KilledProcess): boolean {
  const [, ranked] = /ranked for eviction(?:: |" pods="?\[)"?([^,\]\s"]+)/.exec(words) ?? [];
  const uids = [pod?.uid, container?.id].filter((id) => id !== undefined);
  if (ranked !== undefined)
    return (pod?.name != null && ranked === `${pod.namespace}/${pod.name}`) || uids.some((id) => ranked.includes(id));
  // A line about another container of the pod, which may be minutes old, is no reason for this one.
  const about: string[] = words.match(/\b[0-9a-f]{64}\b/g) ?? [];
  if (about.length > 0 && container && !about.includes(container.id)) return false;
  return (CAUSE.test(words) || STOP.test(words)) && uids.some((id) => words.includes(id));
}

function explains({ comm, unit, words }: JournalLine, victim: KilledProcess): boolean {
  switch (comm) {
    case 'systemd-oomd': {
      const [, path = ''] = /^Killed (\S+) due to /.exec(words) ?? [];
      const absolute = path.startsWith('/') ? path : `/${path}`;
      return path !== '' && (victim.cgroup === absolute || victim.cgroup?.startsWith(`${absolute}/`) === true);
    }
    case 'systemd':
      return (
        unit !== null && unit === victim.unit && /timed out|Killing|[Ww]atchdog|OOM|oom-kill|^Stopping/.test(words)
      );
    case 'kubelet':
      return isStop(words, victim);
    default:
      return /SIGTERM|SIGKILL|kill/i.test(words) && new RegExp(`\\b${victim.pid}\\b`).test(words);
  }
}
