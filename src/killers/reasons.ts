/** Finds the author's own reason for a kill among the lines of the journal. Pure. */
import type { KilledProcess, KillerKind } from '../model/process-killed.ts';
import type { JournalLine } from './journal.ts';

/** Authors whose reason may be in the journal, each with the programs that write there. */
export function journalsOf(kind: KillerKind | null, name: string | null, victim: KilledProcess): string[] {
  if (kind === 'early_killer' && name !== null) return [name];
  if (kind === 'service_manager' && name === 'systemd') return ['systemd'];
  // The kubelet does not signal: it lets the runtime do it.
  return kind === 'kubelet' || (kind === 'runtime' && victim.pod !== null) ? ['kubelet'] : [];
}

/** The last line that explains the kill; null: none. */
export function reasonIn(lines: readonly JournalLine[], victim: KilledProcess): string | null {
  return lines.findLast((line) => explains(line, victim))?.words ?? null;
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
      return (
        /[Kk]illing|probe|[Ee]vict|[Pp]reempt/.test(words) &&
        [victim.pod?.uid, victim.container?.id].some((id) => id !== undefined && words.includes(id))
      );
    default:
      return /SIGTERM|SIGKILL|kill/i.test(words) && new RegExp(`\\b${victim.pid}\\b`).test(words);
  }
}
