/** Reports every program that is executed, from a BPF program: nothing is polled, and no short-lived process is missed. */
import { type Attached, attachObject } from '../bpf/load/attach.ts';
import { AttachedRing } from '../bpf/load/ring.ts';
import { obstacle } from '../bpf/load/tracer-loader.ts';
import type { Batch } from '../bpf/wire/batch.ts';
import { lostRecords } from '../bpf/wire/counters.ts';
import { ProcessExecRecord, RecordKind } from '../bpf/wire/layout.ts';
import { toTicks } from '../bpf/wire/ticks.ts';
import type { ProcessRecord } from '../linux/process-record.ts';
import { OomscopeError } from '../model/error.ts';
import { decode, untilNul } from '../text/printable.ts';

/** Room for 4,000 records: as many as a machine that compiles something executes in a second. */
const RING_BYTES = 256 * 1024;

/** A process that has just executed a program, as it was at that moment. */
export interface Exec extends Pick<ProcessRecord, 'pid' | 'startTicks' | 'ppid' | 'uid' | 'comm' | 'oomScoreAdj'> {
  /** CLOCK_MONOTONIC. */
  monoNs: bigint;
}

export interface ExecStreamOptions {
  onExec: (exec: Exec) => void;
  /** The ring was full: so many more were not reported. */
  onLost: (count: number) => void;
  onError: (error: unknown) => void;
}

export class ExecStream implements Disposable {
  readonly #ring: AttachedRing;
  readonly #options: ExecStreamOptions;
  #lost = 0;

  /** Starts at once. @throws OomscopeError NOT_PERMITTED, KERNEL_TOO_OLD, LIBBPF_MISSING, ADDON_MISSING, OBJECT_MISSING, LIBBPF */
  constructor(options: ExecStreamOptions) {
    const inTheWay = obstacle();
    if (inTheWay) throw inTheWay;
    this.#options = options;
    this.#ring = new AttachedRing(attach(), { onBatch: (batch) => this.#take(batch), onError: options.onError });
  }

  close(): void {
    this.#ring.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #take(batch: Batch): void {
    batch.walk((kind, at) => {
      if (kind === RecordKind.RECORD_PROCESS_EXEC) this.#options.onExec(execOf(new ProcessExecRecord(batch.view, at)));
    });
    const lost = lostRecords(this.#ring.reader.counters())[RecordKind.RECORD_PROCESS_EXEC] ?? 0;
    if (lost > this.#lost) this.#options.onLost(lost - this.#lost);
    this.#lost = lost;
  }
}

/** tp_btf needs the tracepoint in the kernel's BTF; raw_tp does not. */
function attach(): Attached {
  const by = (program: string) =>
    attachObject({ file: 'exec.bpf.o', programs: new Set([program]), constants: {}, ringBytes: RING_BYTES });
  try {
    return by('process_exec');
  } catch (error) {
    if (!(error instanceof OomscopeError) || error.code !== 'LIBBPF') throw error;
    return by('process_exec_raw');
  }
}

function execOf(record: ProcessExecRecord): Exec {
  return {
    pid: record.pid,
    startTicks: toTicks(record.start_ns),
    ppid: record.ppid,
    uid: record.uid,
    comm: decode(untilNul(record.comm)).text,
    oomScoreAdj: record.oom_score_adj,
    monoNs: record.header.ktime_ns,
  };
}
