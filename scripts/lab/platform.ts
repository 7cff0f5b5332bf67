/** The differences between the architectures of guests. */

/** Architectures, as Node names them. */
export type Architecture = 'x64' | 'arm64';

export interface Platform {
  /** Debian's package of the kernel. */
  kernelPackage: string;
  qemu: 'qemu-system-x86_64' | 'qemu-system-aarch64';
  machine: readonly string[];
  /** The kernel's name for the serial line. */
  console: string;
  /** Arguments of the kernel. */
  append: string;
  /** Paths of the loader and its libraries: links to the image's lib/. */
  libraryLinks: Readonly<Record<string, string>>;
}

export const platforms: Readonly<Record<Architecture, Platform>> = {
  x64: {
    kernelPackage: 'linux-image-cloud-amd64',
    qemu: 'qemu-system-x86_64',
    // KVM is not used, because guests may hang even if KVM can be opened. Without cx16, SLUB does not use cmpxchg16b:
    // with it, under QEMU 7.2, a third of the boots of Linux 6.12 ended in a panic in kmalloc with a pointer in
    // EFLAGS. One thread emulates all CPUs. With one thread for each CPU, a CPU may run an outdated translation of
    // code that
    // another CPU has just rewritten: 23 of 260 starts of Node ended in SIGSEGV or a failed check of V8; with one
    // thread, 0 of 40.
    machine: ['-machine', 'pc', '-accel', 'tcg,thread=single', '-cpu', 'max,cx16=off,pku=off'],
    console: 'ttyS0',
    // While other work takes the CPUs, the timer does not tick for a moment, and the kernel's test of it ends in a panic.
    append: 'no_timer_check',
    libraryLinks: { '/lib64': '/runtime/lib', '/lib/x86_64-linux-gnu': '/runtime/lib' },
  },
  arm64: {
    kernelPackage: 'linux-image-cloud-arm64',
    qemu: 'qemu-system-aarch64',
    // QEMU's own hash signs pointers, because the algorithm of the architecture takes half of the guest's time.
    machine: ['-machine', 'virt', '-accel', 'tcg,thread=multi', '-cpu', 'max,pauth-impdef=on'],
    console: 'ttyAMA0',
    append: '',
    libraryLinks: {
      '/lib/ld-linux-aarch64.so.1': '/runtime/lib/ld-linux-aarch64.so.1',
      '/lib/aarch64-linux-gnu': '/runtime/lib',
    },
  },
};
