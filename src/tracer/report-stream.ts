/**
 * Reads the kernel's own report of each OOM with a BPF program while the kernel prints it. So neither the log's size
 * nor the permission to read the log matters.
 */
import { attachObject } from '../bpf/load/attach.ts';
import { AttachedRing } from '../bpf/load/ring.ts';
import type { Batch } from '../bpf/wire/batch.ts';
import { LogLineRecord, RecordKind } from '../bpf/wire/layout.ts';
import { type KernelReport, ReportAssembler } from './report-assembler.ts';

/** Size of the ring. On a machine with 5,000 processes a report has some 600 KB, printed within a few milliseconds. */
const RING_BYTES = 1024 * 1024;

export interface ReportStreamOptions {
  /** tp_btf needs the tracepoint in the kernel's BTF; raw_tp does not. */
  backend: 'tp_btf' | 'raw_tp';
  onReport: (report: KernelReport) => void;
  onError: (error: unknown) => void;
}

/** Gives each printed line in a batch to the assembler. */
export function takeLines(batch: Batch, assembler: ReportAssembler): void {
  batch.walk((kind, at) => {
    if (kind === RecordKind.RECORD_LOG_LINE) assembler.take(new LogLineRecord(batch.view, at));
  });
}

export class ReportStream {
  readonly #ring: AttachedRing;
  readonly #assembler: ReportAssembler;

  /** @throws OomscopeError OBJECT_MISSING, LIBBPF, NOT_PERMITTED */
  constructor({ backend, onReport, onError }: ReportStreamOptions) {
    this.#assembler = new ReportAssembler(onReport);
    const attached = attachObject({
      file: 'report.bpf.o',
      programs: new Set([backend === 'tp_btf' ? 'console' : 'console_raw']),
      constants: {},
      ringBytes: RING_BYTES,
    });
    this.#ring = new AttachedRing(attached, {
      onBatch: (batch) => takeLines(batch, this.#assembler),
      onError,
    });
  }

  /** `RingReader.counters()`. */
  counters(): number[] {
    return this.#ring.reader.counters();
  }

  close(): void {
    this.#ring.close();
    this.#assembler.close();
  }
}
