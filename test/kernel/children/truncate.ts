/** Opens build/oomscope.bpf.o cut off at many lengths, loads nothing, and prints how many were refused. */
import { readFileSync } from 'node:fs';
import { BpfObject } from '../../../src/bpf/libbpf/index.ts';
import { nativeFile } from '../../../src/native/files.ts';
import { say } from './say.ts';

const whole = readFileSync(nativeFile('oomscope.bpf.o'));
const names = new Set<string>();
let tried = 0;
let refused = 0;
// The lengths: every length within the ELF header, then lengths in odd steps, then every length near the end.
const step = Math.ceil(whole.length / 500) | 1;
for (let length = 0; length < whole.length; length += length < 128 || length > whole.length - 128 ? 1 : step) {
  tried++;
  try {
    BpfObject.open(Buffer.from(whole.subarray(0, length))).close();
    say(`${length} of ${whole.length} was accepted`);
  } catch (error) {
    refused++;
    names.add((error as Error).name);
  }
}
say({ tried, refused, names: [...names] });
