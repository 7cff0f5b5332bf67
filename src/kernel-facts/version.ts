/** The major and minor version of a kernel: [5, 10]. */
export type KernelVersion = readonly [major: number, minor: number];

/** Parses "5.10.0-34-amd64" to [5, 10]; undefined if the text does not start with two numbers. */
export function parseKernelVersion(text: string): KernelVersion | undefined {
  const [, major, minor] = /^(\d+)\.(\d+)/.exec(text) ?? [];
  return major === undefined ? undefined : [Number(major), Number(minor)];
}

/** Whether `version` is `least` or later. */
export function isAtLeast(version: KernelVersion, least: KernelVersion): boolean {
  return version[0] > least[0] || (version[0] === least[0] && version[1] >= least[1]);
}
