/**
 * All processes as the OOM killer would weigh them, in one pass: by a BPF task iterator where that may be loaded, else from
 * /proc, which takes some ten times as long and rounds: see `exact`.
 */
import { missingForTracing } from '../linux/capabilities.ts';
import { IteratedTaskTable } from './iterated-task-table.ts';
import { ProcTaskTable } from './proc-task-table.ts';
import type { TaskTable } from './task-table.ts';

/** @param backend force one, for tests. @throws OomscopeError when it was forced and cannot be had */
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
