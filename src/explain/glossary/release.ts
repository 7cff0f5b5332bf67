/** Guesses the distribution and the architecture from the release of the kernel, as people read `uname -r`. */

const DISTRIBUTIONS: readonly (readonly [RegExp, string])[] = [
  [/el\d*uek/, 'Oracle Linux (UEK)'],
  [/\.el(\d+)/, 'Red Hat Enterprise Linux $1, or a rebuild of it'],
  [/\.fc(\d+)/, 'Fedora $1'],
  [/\.amzn(\d+)/, 'Amazon Linux $1'],
  [/\+deb(\d+)|\bdeb(\d+)u\d/, 'Debian'],
  [/-pve\b/, 'Proxmox VE'],
  [/-(?:generic|lowlatency|aws|azure|gcp|oracle|kvm|raspi)\b/, 'Ubuntu'],
  [/-(?:default|preempt)\b/, 'SUSE'],
  [/-(?:cloud-)?(?:amd64|arm64|686(?:-pae)?)\b/, 'Debian'],
  [/-arch\d|-ARCH\b|-(?:lts|zen)\b/, 'Arch Linux'],
  [/-gentoo\b/, 'Gentoo'],
  [/microsoft.*WSL|-WSL/i, 'Windows Subsystem for Linux'],
  [/-talos\b/, 'Talos'],
  [/-flatcar\b|-coreos\b/, 'Flatcar'],
  [/-v[78]l?\+|-rpi/, 'Raspberry Pi OS'],
];

/** undefined: the release tells no distribution. */
export function distributionOf(release: string): string | undefined {
  for (const [pattern, name] of DISTRIBUTIONS) {
    const match = pattern.exec(release);
    if (match) return name.replace('$1', match[1] ?? '').trim();
  }
  return undefined;
}

/** undefined: the release tells no architecture. */
export function architectureOf(release: string): string | undefined {
  return /x86_64|amd64|aarch64|arm64|i[3-6]86|ppc64le|ppc64|s390x|riscv64|sparc64|armv\d\w*/.exec(release)?.[0];
}
