import { Batch } from '../bpf/wire/batch.ts';
import { LogLineFlag, LogLineRecord, RecordHeader, RecordKind } from '../bpf/wire/layout.ts';

const { offset } = LogLineRecord;
const FRAMES = 16;
const FRAME = ' invented_function+0x1f/0x2f0';
const PATH = '/oomscope-invented-directory/rehearsal';

/** In the forms that the kernel prints, because each form has code of its own that reads it. */
const LINES = [
  'rehearsal invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=0',
  'CPU: 1 UID: 0 PID: 1 Comm: rehearsal Not tainted 6.12.0 #1',
  'Call Trace:',
  ' <TASK>',
  ...Array.from({ length: FRAMES }, () => FRAME),
  'RIP: 0033:0x55d0c0ffee00',
  'RSP: 002b:00007ffc0ffee000 EFLAGS: 00010206',
  ' </TASK>',
  'memory: usage 32768kB, limit 32768kB, failcnt 42',
  'swap: usage 0kB, limit 9007199254740988kB, failcnt 0',
  `Memory cgroup stats for ${PATH}:`,
  ...['anon 33554432', 'file 0', 'kernel 90112', 'shmem 0', 'slab 4096', 'pgfault 8192', 'pgmajfault 0'],
  'Tasks state (memory values in pages):',
  '[  pid  ]   uid  tgid total_vm      rss rss_anon rss_file rss_shmem pgtables_bytes swapents oom_score_adj name',
  '[      1]     0     1     9000     8192     8000      192         0    90112        0             0 rehearsal',
  `oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=/,mems_allowed=0,oom_memcg=${PATH},task_memcg=${PATH},task=rehearsal,pid=1,uid=0`,
  'Memory cgroup out of memory: Killed process 1 (rehearsal) total-vm:36000kB, anon-rss:32000kB, file-rss:768kB, shmem-rss:0kB, UID:0 pgtables:88kB oom_score_adj:0',
];

/** The records of an invented report, each line with its line feed. */
export function rehearsedReport(): Batch {
  const records = LINES.map((line, i) => {
    const last = i === LINES.length - 1;
    return recordOf(
      line,
      LogLineFlag.LINE_ENDS | (i === 0 ? LogLineFlag.LINE_FIRST : last ? LogLineFlag.LINE_LAST : 0),
    );
  });
  return new Batch(new Uint8Array(Buffer.concat(records)).buffer);
}

function recordOf(line: string, flags: number): Buffer {
  const text = Buffer.from(line);
  const size = offset.text + text.length;
  const bytes = Buffer.alloc((size + 7) & ~7);
  bytes.writeUInt16LE(RecordKind.RECORD_LOG_LINE, RecordHeader.offset.kind);
  bytes.writeUInt16LE(size, RecordHeader.offset.size);
  bytes.writeUInt32LE(1, offset.printer_tid);
  bytes.writeUInt16LE(text.length, offset.length);
  bytes.writeUInt8(flags, offset.flags);
  text.copy(bytes, offset.text);
  return bytes;
}
