export { Btf, type BtfMember, type BtfType, fixedSize, Kind, rowSize } from './btf.ts';
export { BpfMap, UpdateFlag } from './map.ts';
export { BpfObject } from './object.ts';
export * from './probe.ts';
export { BpfLink, BpfProgram } from './program.ts';
