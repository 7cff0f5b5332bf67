/** Misuses objects of libbpf in several ways. Prints the name of the error for each. */
import { readFileSync } from 'node:fs';
import { BpfObject, Btf } from '../../../src/bpf/libbpf/index.ts';
import { nativeFile } from '../../../src/native/files.ts';
import { say } from './say.ts';

const object = BpfObject.open(readFileSync(nativeFile('flood.bpf.o')));

const cases: Record<string, () => unknown> = {
  closed: () => {
    object.close();
    object.map('ring');
  },
  constantAfterLoad: () => {
    const whole = BpfObject.open(readFileSync(nativeFile('oomscope.bpf.o')));
    for (const program of whole.programs) program.autoload = program.name === 'signal_generate_raw';
    whole.load();
    whole.setConstant('possible_cpus', 1);
  },
  btfFreedTwice: () => {
    const btf = Btf.ofFile(nativeFile('flood.bpf.o'));
    btf.free();
    btf.free();
  },
  btfOfClosed: () => {
    object.close();
    object.btf.type(1);
  },
};

try {
  cases[process.argv[2] ?? '']?.();
  say('none');
} catch (error) {
  say((error as Error).name);
}
