/** Every field of a report with its value and its meaning, in groups: for the page, and for `explain --fields`. */
import type { OomReport } from '../../model/oom-report.ts';
import { printable } from '../../text/printable.ts';
import { isCount, meaningOfStat } from '../glossary/cgroup.ts';
import { COLUMNS } from '../glossary/tasks.ts';
import { exactly, type Field, type FieldGroup, plainField, size } from './field.ts';
import { memoryFields } from './memory-fields.ts';
import { requestFields } from './request-fields.ts';

/** All groups that the report has. */
export function fieldsOf(report: OomReport): FieldGroup[] {
  const groups = [
    ...requestFields(report),
    { title: 'Victim', fields: victim(report) },
    { title: 'Limit', fields: limit(report) },
    ...stats(report),
    ...memoryFields(report),
    { title: 'Columns of the task table', fields: columns(report) },
  ];
  return groups.filter(({ fields }) => fields.length > 0);
}

function victim({ victim: one }: OomReport): Field[] {
  if (!one) return [];
  const { memory } = one;
  return [
    ...plainField('name', one.comm, 'the name of the thread that the kernel marked'),
    ...plainField('pid', one.pid, one.pid === one.tid ? 'the process id' : 'the process id, from the task table'),
    ...(one.pid === one.tid
      ? []
      : plainField('tid', one.tid, 'the thread that the kernel marked; its log calls it pid')),
    ...plainField('UID', one.uid, 'the user id'),
    ...size('total-vm', memory.total_vm_bytes, 'size of the address space; most of it need not be in memory'),
    ...size('anon-rss', memory.anon_rss_bytes, 'anonymous memory in RAM: heap and stack'),
    ...size('file-rss', memory.file_rss_bytes, 'mapped files in RAM'),
    ...size('shmem-rss', memory.shmem_rss_bytes, 'shared memory and tmpfs in RAM that the process has mapped'),
    ...size('pgtables', memory.page_tables_bytes, 'size of its page tables'),
    ...size('swapents', memory.swap_bytes, 'its memory in swap, from the task table'),
    ...plainField(
      'oom_score_adj',
      one.oom_score_adj,
      'added to the badness, in thousandths of the memory that ran out',
    ),
    ...plainField('score', one.score, 'badness in thousandths of the memory that ran out (kernels before 5.1)'),
    ...plainField('task_memcg', one.cgroup, 'the memory cgroup of the victim'),
    ...size('anon-rss after reaping', one.reaped?.anon_rss_bytes, 'what oom_reaper could not free at once'),
    ...size('file-rss after reaping', one.reaped?.file_rss_bytes, 'mapped files are left to the exit of the process'),
    ...size('shmem-rss after reaping', one.reaped?.shmem_rss_bytes, 'shared memory is left to its other users'),
  ];
}

function limit({ limit: one }: OomReport): Field[] {
  if (!one) return [];
  const bound = (name: string, usage: number | null, most: number | null, meaning: string) =>
    usage === null
      ? []
      : [{ name, value: `${exactly(usage)} of ${most === null ? 'no limit' : exactly(most)}`, meaning }];
  return [
    ...plainField('oom_memcg', one.path, 'the cgroup whose limit was hit'),
    ...bound('memory', one.usage_bytes, one.limit_bytes, 'memory of the cgroup, with page cache and kernel memory'),
    ...bound(
      'memory+swap',
      one.memory_and_swap_bytes,
      one.memory_and_swap_limit_bytes,
      'memory and swap together (cgroup v1)',
    ),
    ...bound('swap', one.swap_bytes, one.swap_limit_bytes, 'swap of the cgroup (cgroup v2)'),
    ...bound('kmem', one.kernel_bytes, one.kernel_limit_bytes, 'kernel memory of the cgroup (cgroup v1)'),
    ...plainField('failcnt', one.fail_count, 'how often the usage hit the limit since the cgroup exists'),
  ];
}

function stats({ limit: one }: OomReport): FieldGroup[] {
  return (one?.stats ?? []).map(({ path, values }) => ({
    title: `Statistics of ${path === null ? 'the cgroup' : printable(path)}`,
    fields: Object.entries(values).map(([name, value]) => ({
      name: printable(name),
      value: isCount(name) ? String(value) : exactly(value),
      meaning: meaningOfStat(name) ?? '',
    })),
  }));
}

function columns({ tasks }: OomReport): Field[] {
  return COLUMNS.filter(({ field }) => tasks.some((task) => task[field] != null)).map(({ title, kernel, meaning }) => ({
    name: title,
    value: kernel,
    meaning,
  }));
}
