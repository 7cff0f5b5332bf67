/** The columns of the task table (mm/oom_kill.c: dump_tasks), by the fields of `ReportTask`. */
import type { ReportTask } from '../../model/oom-report.ts';

export interface Column {
  field: keyof ReportTask;
  /** The name in the heading. */
  title: string;
  /** The kernel's name of the column. "": the kernel does not print it. */
  kernel: string;
  kind: 'text' | 'number' | 'size';
  meaning: string;
}

/** All columns, in the order of the table. */
export const COLUMNS: readonly Column[] = [
  {
    ...{ field: 'comm', title: 'Name', kernel: 'name', kind: 'text' },
    meaning: 'the name of the thread that the kernel printed, at most 15 bytes; a process may change it',
  },
  { field: 'pid', title: 'PID', kernel: 'tgid', kind: 'number', meaning: 'the process id' },
  { field: 'tid', title: 'TID', kernel: 'pid', kind: 'number', meaning: 'the thread that holds the memory map' },
  { field: 'uid', title: 'UID', kernel: 'uid', kind: 'number', meaning: 'the user id' },
  {
    ...{ field: 'rss_bytes', title: 'Resident', kernel: 'rss', kind: 'size' },
    meaning: 'memory of the process in RAM; a page that processes share counts for each of them',
  },
  {
    ...{ field: 'anon_rss_bytes', title: 'Anonymous', kernel: 'rss_anon', kind: 'size' },
    meaning: 'the part of it in anonymous memory: heap and stack',
  },
  {
    ...{ field: 'file_rss_bytes', title: 'File', kernel: 'rss_file', kind: 'size' },
    meaning: 'the part of it in mapped files',
  },
  {
    ...{ field: 'shmem_rss_bytes', title: 'Shared', kernel: 'rss_shmem', kind: 'size' },
    meaning: 'the part of it in shared memory and tmpfs',
  },
  {
    ...{ field: 'swap_bytes', title: 'Swap', kernel: 'swapents', kind: 'size' },
    meaning: 'memory of the process in swap',
  },
  {
    ...{ field: 'page_tables_bytes', title: 'Page tables', kernel: 'pgtables_bytes', kind: 'size' },
    meaning: 'size of its page tables (nr_ptes and nr_pmds before 4.15)',
  },
  {
    ...{ field: 'total_vm_bytes', title: 'Virtual', kernel: 'total_vm', kind: 'size' },
    meaning: 'size of the address space; most of it need not be in memory, and the OOM killer does not count it',
  },
  { field: 'cpu', title: 'CPU', kernel: 'cpu', kind: 'number', meaning: 'the CPU on which the process ran last' },
  {
    ...{ field: 'oom_score_adj', title: 'Adj', kernel: 'oom_score_adj', kind: 'number' },
    meaning: 'added to the badness, in thousandths of the memory that ran out; -1000: never killed',
  },
  {
    ...{ field: 'badness_pages', title: 'Badness', kernel: '', kind: 'number' },
    meaning: 'oom_badness() in pages, computed from the row: the kernel kills the process with the most',
  },
];
