/** Arms a process and waits until its input ends: `arming.ts STATE PID DOMAIN EXPIRES_IN_MS ADJ`. */
import { openArming } from '../../../src/guard/arming/arming.ts';
import { startTicksOf } from '../../../src/linux/process-reader.ts';
import { ProcessHandle } from '../../../src/process/process-handle.ts';
import { UndoLedger } from '../../../src/process/undo-ledger.ts';
import { heldIds } from '../bpf-ids.ts';
import { say, told } from './say.ts';

const [statePath = '', pid = '', domain = '', expiresInMs = '', adj = ''] = process.argv.slice(2);
using ledger = UndoLedger.open(statePath);
using arming = openArming({ ledger });
using handle = ProcessHandle.open({
  pid: Number(pid),
  startTicks: startTicksOf(Number(pid)) ?? 0,
});
const condition = { domain: BigInt(domain), fruitlessRounds: 1, signal: 'SIGKILL' } as const;
arming.arm(handle, condition, { expiresInMs: Number(expiresInMs), oomScoreAdj: Number(adj) });
say({ held: heldIds() });
await told();
