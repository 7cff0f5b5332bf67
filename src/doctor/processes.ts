/** The processes of the machine, with the fields that the checks need. */
import { pidsIn } from '../linux/proc-stat.ts';
import { numberOf, readSmallFile } from '../linux/small-file.ts';
import { decode, splitNul } from '../text/printable.ts';

export interface ProcessSummary {
  pid: number;
  comm: string;
  oomScoreAdj: number;
  rssBytes: number;
  arguments: string[];
}

/** Leaves out kernel threads, which have no memory and cannot be killed, and processes that exit while it reads. */
export function listProcesses(root = ''): ProcessSummary[] {
  const proc = `${root}/proc`;
  return [...pidsIn(proc)].flatMap((pid) => readSummary(`${proc}/${pid}`, pid) ?? []);
}

/** readSmallFile() returns a view of a shared buffer that the next call overwrites, so each result is converted at once. */
function readSummary(directory: string, pid: number): ProcessSummary | undefined {
  const adj = readSmallFile(`${directory}/oom_score_adj`)?.toString('latin1');
  const status = readSmallFile(`${directory}/status`);
  const rssKib = status && numberOf(status, 'VmRSS:');
  const name = readSmallFile(`${directory}/comm`);
  const comm = name && decode(name).text.replace(/\n$/, '');
  const cmdline = readSmallFile(`${directory}/cmdline`);
  if (adj === undefined || rssKib === undefined || comm === undefined || !cmdline) return undefined;
  const words = splitNul(cmdline).map((part) => decode(part).text);
  return { pid, comm, oomScoreAdj: Number(adj), rssBytes: rssKib * 1024, arguments: words };
}
