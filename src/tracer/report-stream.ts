/**
 * The kernel's own report of each OOM, read as the kernel prints it: without the log, its rate limits or its readers' rights.
 */
import { type Attached, attachObject } from '../bpf/load/attach.ts';
import { openRing } from '../bpf/load/ring.ts';
import { LogLineRecord, RecordKind } from '../bpf/wire/layout.ts';
import type { RingReader } from '../native/addon.ts';
import { type KernelReport, ReportAssembler } from './report-assembler.ts';

/** A report on a machine with 5,000 processes is some 600 KB, and is printed in a few milliseconds. */
const RING_BYTES = 1024 * 1024;

export interface ReportStreamOptions {
  /** tp_btf wants the tracepoint in the kernel's BTF; raw_tp does not. */
  backend: 'tp_btf' | 'raw_tp';
  onReport: (report: KernelReport) => void;
  onError: (error: unknown) => void;
}

export class ReportStream {
  readonly #attached: Attached;
  readonly #reader: RingReader;
  readonly #lines: ReportAssembler;

  /** @throws OomscopeError OBJECT_MISSING, LIBBPF, NOT_PERMITTED */
  constructor({ backend, onReport, onError }: ReportStreamOptions) {
    this.#lines = new ReportAssembler(onReport);
    this.#attached = attachObject({
      file: 'report.bpf.o',
      programs: new Set([backend === 'tp_btf' ? 'console' : 'console_raw']),
      constants: {},
      ringBytes: RING_BYTES,
    });
    this.#reader = openRing(this.#attached, {
      onBatch: (batch) =>
        batch.walk((kind, at) => {
          if (kind === RecordKind.RECORD_LOG_LINE) this.#lines.take(new LogLineRecord(batch.view, at));
        }),
      onError,
    });
  }

  /** `RingReader.counters()`. */
  counters(): number[] {
    return this.#reader.counters();
  }

  close(): void {
    this.#attached.detach();
    this.#reader.close();
    this.#attached.close();
    this.#lines.close();
  }
}
