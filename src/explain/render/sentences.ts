/** Sentences that text, HTML and Markdown output share. Names in them are without control characters. */
import type { LogPlace, OomReport } from '../../model/oom-report.ts';
import { printable } from '../../text/printable.ts';

/**
 * The time of a report or of another message: "2026-11-20 08:00:12Z", or the time stamp as in the log when it has no zone, or seconds after
 * boot.
 */
export function when({ time, time_source, time_text, since_boot_seconds }: LogPlace & { time: string }): string {
  if (time_text !== null) return printable(time_text);
  if (time_source !== 'reading') return `${time.slice(0, 10)} ${time.slice(11, 19)}Z`;
  return since_boot_seconds === null ? 'at an unknown time' : `${since_boot_seconds.toFixed(3)} s after boot`;
}

/** Kernel functions of the allocator and the OOM killer. The first other function in the stack made the request. */
const ALLOCATOR =
  /^(?:panic$|badness$|select_bad_process|_*out_of_memory|pagefault_out_of_memory|unwind_backtrace|dump_|oom_|out_of_memory|show_stack|_*mem_?cg|_*mem_cgroup|try_charge|charge_|obj_cgroup|get_page|_*alloc|_*k[vmz]?alloc|_*kmalloc|kmem_cache|_*slab|new_slab|_*folio_alloc|vma_alloc|_*get_free|get_zeroed)/;

/** Describes the allocating task: its name, its request, and the kernel function. "": the log does not name it. */
export function asked({ trigger, verdict }: Pick<OomReport, 'trigger' | 'verdict'>): string {
  if (!trigger) return '';
  const { comm, pid, tid, gfp, gfp_mask, order, stack } = trigger;
  if (verdict.cause === 'sysrq') return `${printable(comm)}, on behalf of SysRq.`;
  const thread = tid === null ? '' : ` (thread ${tid})`;
  const task = `${printable(comm)}${pid === null ? thread : ` (pid ${pid})`}`;
  const size =
    order === null ? '' : order === 0 ? ' for 1 page' : ` for ${2 ** order} contiguous pages (order ${order})`;
  const flags = gfp ?? gfp_mask;
  const none = flags === null || flags === '' || flags === 'none' || Number(flags) === 0;
  const from = stack.find((name) => !ALLOCATOR.test(name));
  const words = [size, none ? '' : ` with ${printable(flags)}`, from === undefined ? '' : `, in ${printable(from)}()`];
  return `${task}${words.join('')}.`;
}
