import { missingForTracing } from '../linux/capabilities.ts';
import { IteratedTaskTable } from './iterated-task-table.ts';
import { ProcTaskTable } from './proc-task-table.ts';
import type { TaskTable } from './task-table.ts';

/**
 * Opens the BPF task iterator if it can be loaded. Otherwise it opens a reader of /proc, which takes about ten times as
 * long and has inexact counters on some kernels.
 *
 * @param backend for tests: uses this backend or throws
 * @throws OomscopeError when a backend was named and cannot be opened
 */
export function openTaskTable(backend?: 'iterator' | 'proc'): TaskTable {
  if (backend === 'proc') return new ProcTaskTable('/proc', 'it was asked for');
  const missing = missingForTracing();
  if (backend === undefined && missing.length > 0) return new ProcTaskTable('/proc', `no ${missing.join(' and ')}`);
  try {
    return new IteratedTaskTable();
  } catch (error) {
    if (backend === 'iterator') throw error;
    return new ProcTaskTable('/proc', (error as Error).message);
  }
}
