/**
 * The processes of the machine, as far as the doctor looks at them.
 */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { decode, splitNul } from '../wire/text.ts';
import type { Read } from './finding.ts';

export interface ProcessSummary {
  pid: number;
  uid: number;
  comm: string;
  oomScoreAdj: number;
  rssBytes: number;
  arguments: string[];
}

/** Without kernel threads, which have no memory and cannot be killed; and without those that are gone by now. */
export function listProcesses(read: Read, root = ''): ProcessSummary[] {
  const directory = `${root}/proc`;
  return readdirSync(directory).flatMap((name) => {
    if (!/^\d+$/.test(name)) return [];
    const adj = read(`/proc/${name}/oom_score_adj`);
    const status = read(`/proc/${name}/status`);
    const rss = /^VmRSS:\s+(\d+) kB$/m.exec(status ?? '');
    if (adj === undefined || !rss) return [];
    try {
      const cmdline = readFileSync(`${directory}/${name}/cmdline`);
      const comm = decode(readFileSync(`${directory}/${name}/comm`)).text.replace(/\n$/, '');
      return [
        {
          pid: Number(name),
          uid: statSync(`${directory}/${name}`).uid,
          comm,
          oomScoreAdj: Number(adj),
          rssBytes: Number(rss[1]) * 1024,
          arguments: splitNul(cmdline).map((part) => decode(part).text),
        },
      ];
    } catch {
      return [];
    }
  });
}
