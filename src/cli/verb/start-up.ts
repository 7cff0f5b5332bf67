/** Controls V8 while a live verb starts and after the start, so that memory that only the start needs is freed. */
import { setFlagsFromString } from 'node:v8';
import { parseMeminfo } from '../../linux/meminfo.ts';
import { readSmallFile } from '../../linux/small-file.ts';
import { loadNative } from '../../native/addon.ts';
import { collectGarbage } from '../../native/garbage.ts';

/**
 * Turns V8's optimizing compilers off: TurboFan until `endStartUp()`, Maglev for good. Otherwise they optimize the path
 * functions of Node that resolve modules, and their own code makes 5 and 2.4 MB more of the node binary resident.
 *
 * From then on, V8's space for new objects does not grow: a busy minute would make it 32 MB, which it keeps. Collecting it
 * more often costs less than that memory.
 *
 * And V8's memory reducer does not run: some 8 s after other garbage collections it would wake an idle process 200 times for
 * two more, which give memory back that the next event has to map again.
 */
export function beginStartUp(): void {
  setFlagsFromString('--no-turbofan');
  setFlagsFromString('--no-maglev');
  setFlagsFromString('--semi-space-growth-factor=1');
  setFlagsFromString('--memory-reducer-gc-count=0');
}

/**
 * Runs one full garbage collection, which frees 4 MB. Returns what the C heap has left over to the kernel.
 *
 * @param options.optimize turn TurboFan on again. Where it pays, its own code costs 5 MB
 * @param options.dropCode unmap the code of Node, of which the start needs 25 MB more than the rest of the run. What is
 *   needed again is mapped from the page cache, unless memory is short
 */
export function endStartUp({ optimize = true, dropCode = true } = {}): void {
  if (optimize) setFlagsFromString('--turbofan');
  collectGarbage({ thorough: true });
  loadNative().trimHeap();
  if (dropCode && !isMemoryShort()) loadNative().dropFilePages();
}

/**
 * Turns V8's Sparkplug compiler off, after most code of a kill was compiled by the rehearsals. Otherwise its thread, which
 * competes with JavaScript for a CPU, compiles for up to 0.25 ms just when a kill has made some more functions run often
 * enough. What runs much more often is still compiled by TurboFan.
 */
export function endCompilation(): void {
  setFlagsFromString('--no-sparkplug');
}

/** The kernel may have dropped pages of files that no process maps. */
function isMemoryShort(): boolean {
  const memory = parseMeminfo(readSmallFile('/proc/meminfo'));
  return !memory || memory.availableBytes < SHORT_SHARE * memory.totalBytes;
}

const SHORT_SHARE = 0.1;

/** Interval between looks at the size of the heap (ms), and the growth after which garbage is collected. */
const TIDY_MS = 20_000;
const TIDY_BYTES = 1.5 * 2 ** 20;

/**
 * Collects garbage now and then, if there is some. By itself V8 collects a small heap only after it has doubled, and the C
 * heap never returns what lies between two blocks in use. A collection takes some 15 ms.
 *
 * @returns a function that ends this
 */
export function tidyNowAndThen(): () => void {
  let before = process.memoryUsage().heapUsed;
  const timer = setInterval(() => {
    if (process.memoryUsage().heapUsed < before + TIDY_BYTES) return;
    collectGarbage();
    loadNative().trimHeap();
    loadNative().mapYoungPages();
    before = process.memoryUsage().heapUsed;
  }, TIDY_MS);
  timer.unref();
  return () => clearInterval(timer);
}
