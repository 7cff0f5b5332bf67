import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Btf, Kind } from '../../../src/bpf/libbpf/index.ts';
import { hasKernelBtf } from '../../../src/linux/capabilities.ts';
import { nativeFile } from '../../../src/native/files.ts';

describe('the BTF of an object', () => {
  const btf = Btf.ofFile(nativeFile('wire.bpf.o'));
  afterAll(() => btf.free());

  test('finds a struct and its members', () => {
    const type = btf.type(btf.find('synthetic_record', Kind.struct) ?? 0);
    expect(type).toMatchObject({ name: 'synthetic_record', kind: Kind.struct, size: 40, count: 3 });
    expect(btf.members(type).map(({ name, bits }) => [name, bits / 8])).toEqual([
      ['header', 0],
      ['number', 24],
      ['payload', 32],
    ]);
    const [header, number] = btf.members(type);
    expect(btf.resolve(header?.type ?? 0)).toMatchObject({ name: 'record_header', kind: Kind.struct });
    expect(btf.type(number?.type ?? 0)).toMatchObject({ name: '__u64', kind: Kind.typedef });
    expect(btf.resolve(number?.type ?? 0)).toMatchObject({ kind: Kind.int, size: 8 });
    expect(btf.sizeOf(number?.type ?? 0)).toBe(8);
  });

  test('returns undefined for a type that does not exist', () => {
    expect(btf.find('no_such_struct', Kind.struct)).toBeUndefined();
    expect(btf.find('synthetic_record', Kind.enum)).toBeUndefined();
    expect(() => btf.type(1_000_000)).toThrow(RangeError);
    expect(btf.enumStartingWith('NOTHING')).toBeUndefined();
    expect(btf.tracepoint('mark_victim')).toBeUndefined();
  });

  test('refuses a file without BTF', () => {
    expect(() => Btf.ofFile('/etc/hostname')).toThrow('No BTF could be read from /etc/hostname');
    expect(() => Btf.ofFile('/no/such/file')).toThrow('ENOENT');
  });
});

describe.skipIf(!hasKernelBtf())('the BTF of the running kernel', () => {
  let kernel: Btf;
  beforeAll(() => {
    kernel = Btf.ofKernel();
  });
  afterAll(() => kernel.free());

  test('knows the prototypes of tracepoints', () => {
    expect(kernel.tracepoint('mark_victim')?.[0]).toMatch(/^(int|task_struct \*)$/);
    expect(kernel.tracepoint('signal_generate')).toEqual(['int', 'kernel_siginfo *', 'task_struct *', 'int', 'int']);
    expect(kernel.tracepoint('wake_reaper')).toEqual(['int']);
    expect(kernel.tracepoint('no_such_tracepoint')).toBeUndefined();
  });

  test('knows the members and sizes of structs', () => {
    const task = kernel.type(kernel.find('task_struct', Kind.struct) ?? 0);
    const comm = kernel.members(task).find(({ name }) => name === 'comm');
    expect(kernel.array(kernel.resolve(comm?.type ?? 0)).length).toBe(16);
    expect(comm?.bits).toBeGreaterThan(0);
    expect((comm?.bits ?? 0) / 8).toBeLessThan(task.size);
  });

  test('finds an enum without a name by its first value', () => {
    const type = kernel.enumStartingWith('OOM_REAP_NOTHING');
    expect(type).toBeUndefined();
    const gfp = kernel.enumStartingWith('___GFP_DMA_BIT');
    if (!gfp) return; // before 6.10: macros
    expect(gfp.name).toBe('');
    expect(kernel.enumValues(gfp).slice(0, 3)).toEqual([
      { name: '___GFP_DMA_BIT', value: 0 },
      { name: '___GFP_HIGHMEM_BIT', value: 1 },
      { name: '___GFP_DMA32_BIT', value: 2 },
    ]);
  });

  test('finds an enum with a name by its first value, too', () => {
    const constraint = kernel.enumStartingWith('CONSTRAINT_NONE');
    expect(constraint?.name).toBe('oom_constraint');
    expect(constraint && kernel.enumValues(constraint).map(({ value }) => value)).toEqual([0, 1, 2, 3]);
  });
});
