/** What the letters of the kernel's taint flags mean (Documentation/admin-guide/tainted-kernels.rst). */

const TAINTS: Readonly<Record<string, string>> = {
  G: 'no proprietary module is loaded',
  P: 'a proprietary module was loaded',
  F: 'a module was loaded by force',
  S: 'the kernel runs on a processor or system that is out of its specification',
  R: 'a module was removed by force',
  M: 'a processor reported a machine check',
  B: 'the kernel found a bad page, or pages with unexpected flags',
  U: 'a user-space program asked for this flag',
  D: 'the kernel died before: there was an oops or a BUG',
  A: 'an ACPI table was overridden',
  W: 'the kernel printed a warning before',
  C: 'a staging driver was loaded',
  I: 'the kernel worked around a severe fault of the firmware',
  O: 'a module was loaded that is not part of the kernel',
  E: 'a module without a signature was loaded',
  L: 'a CPU was stuck in the kernel before (soft lockup)',
  K: 'the kernel was patched while it ran',
  X: 'the flag of the distribution',
  T: 'the kernel was built with randomised structures; on RHEL: a technology preview is in use',
  N: 'an in-kernel test was run',
  J: 'user space used a debugging command of fwctl',
  H: 'on RHEL: the hardware is not supported',
};

/** What a letter means. undefined: the letter is unknown. */
export const meaningOfTaint = (letter: string): string | undefined =>
  Object.hasOwn(TAINTS, letter) ? TAINTS[letter] : undefined;
