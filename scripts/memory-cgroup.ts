/** Memory cgroups for tests and benches: those of the demo. */
export * from '../src/demo/memory-group.ts';
