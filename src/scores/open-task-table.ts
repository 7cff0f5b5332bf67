import { missingForTracing } from '../linux/capabilities.ts';
import { IteratedTaskTable } from './iterated-task-table.ts';
import { ProcTaskTable } from './proc-task-table.ts';
import type { TaskTable } from './task-table.ts';

/**
 * Opens the BPF task iterator where it can be loaded, else a reader of /proc, which takes some ten times as long and whose
 * counters are not exact on every kernel.
 *
 * @param backend takes this one or fails, for tests
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
