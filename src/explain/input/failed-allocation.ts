/**
 * Recognises the kernel's warning about a failed allocation (mm/page_alloc.c: warn_alloc). The warning has a stack and
 * Mem-Info like an OOM report, but kills nothing: neither its process nor its figures belong to a report beside it.
 */
import type { ParsedLine } from '../lines/parsed-line.ts';
import type { LogLine } from './log-line.ts';

/** The warning ends after this many lines without a line of its kinds. */
const MOST_IDLE = 100;

const PARTS = new Set<ParsedLine['is']>(['cpu', 'cpuset', 'hardware', 'machine', 'trace', 'frame', 'memory']);

export class FailedAllocation {
  #caller: string | null = null;
  #idle = Number.POSITIVE_INFINITY;
  #hasCpu = false;
  #hasTitle = false;
  readonly #onLine: () => void;

  /** @param onLine called for each line of a warning: what was read before it as a possible report was none */
  constructor(onLine: () => void) {
    this.#onLine = onLine;
  }

  /** @returns true for the first line of a warning. Must be called for each line. */
  begins(text: string, { caller }: LogLine): boolean {
    this.#idle++;
    if (!text.includes('page allocation') || !/: page allocation (?:failure\b|stalls for \d)/.test(text)) return false;
    this.#start(caller);
    this.#onLine();
    return true;
  }

  /** @returns true for another line of the warning that began last */
  owns(line: ParsedLine, { caller }: LogLine): boolean {
    // The first line may be missing.
    if (line.is === 'frame' && /^warn_alloc(?:_failed)?\b/.test(line.name) && !this.#isOpen(caller)) {
      this.#start(caller);
      this.#hasCpu = true;
    }
    if (!this.#isOpen(caller)) return false;
    const isTitle = line.is === 'memory' && line.info.of === 'title';
    const isOom = line.is === 'frame' && /^(?:dump_header|oom_kill_process|out_of_memory)\b/.test(line.name);
    // A second title or a second process is that of the report beside the warning.
    if (!PARTS.has(line.is) || isOom || (isTitle && this.#hasTitle) || (line.is === 'cpu' && this.#hasCpu)) {
      this.#idle = Number.POSITIVE_INFINITY;
      return false;
    }
    this.#idle = 0;
    this.#hasTitle ||= isTitle;
    this.#hasCpu ||= line.is === 'cpu';
    this.#onLine();
    return true;
  }

  #isOpen(caller: string | null): boolean {
    return this.#idle <= MOST_IDLE && caller === this.#caller;
  }

  #start(caller: string | null): void {
    this.#caller = caller;
    this.#idle = 0;
    this.#hasCpu = false;
    this.#hasTitle = false;
  }
}
