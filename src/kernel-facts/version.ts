/** Major and minor number of a kernel: [5, 10]. */
export type KernelVersion = readonly [major: number, minor: number];

/** [5, 10] of "5.10.0-34-amd64"; undefined when the text does not start with two numbers. */
export function parseKernelVersion(text: string): KernelVersion | undefined {
  const [, major, minor] = /^(\d+)\.(\d+)/.exec(text) ?? [];
  return major === undefined ? undefined : [Number(major), Number(minor)];
}

/** Is `version` at least `least`? */
export function isAtLeast(version: KernelVersion, least: KernelVersion): boolean {
  return version[0] > least[0] || (version[0] === least[0] && version[1] >= least[1]);
}
