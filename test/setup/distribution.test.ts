/** What a checkout's first `npm start` tells its user on distributions that are not Debian: one line to type, or why there is none. */
import { execFileSync, spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { ROOT } from '../cli/cli.ts';

const SCRIPT = join(ROOT, 'scripts/distribution.sh');
/** The packages that scripts/setup.sh needs. */
const NEEDED = ['clang', 'llvm', 'g++', 'make', 'cmake', 'python3', 'libbpf-dev'];
const directory = mkdtempSync(join(tmpdir(), 'oomscope-distribution-'));
afterAll(() => rmSync(directory, { recursive: true }));

/** A folder with a program named sudo: the script tells root to type `sudo` only on a system that has it. */
const withSudo = join(directory, 'with-sudo');
mkdirSync(withSudo);
writeFileSync(join(withSudo, 'sudo'), '#!/bin/sh\n', { mode: 0o755 });

/** What the script prints where /etc/os-release has these lines. */
function line(release: string, packages: readonly string[] = NEEDED, path = `${withSudo}:${process.env.PATH}`): string {
  const file = join(directory, 'os-release');
  writeFileSync(file, release);
  return execFileSync('sh', [SCRIPT, ...packages], {
    env: { ...process.env, PATH: path, OS_RELEASE: file },
    encoding: 'utf8',
  }).trim();
}

/** Makes a folder with only the programs that a minimal system has. */
function programs(bin: string): string {
  mkdirSync(bin);
  for (const name of [
    'sh',
    'dirname',
    'mkdir',
    'flock',
    'find',
    'sed',
    'tail',
    'tr',
    'id',
    'uname',
    'ldd',
    'grep',
    'cat',
    'env',
  ])
    symlinkSync(execFileSync('sh', ['-c', `command -v ${name}`], { encoding: 'utf8' }).trim(), join(bin, name));
  return bin;
}

/** The lines of each distribution's /usr/lib/os-release that name it. */
const RELEASES = {
  fedora:
    'NAME="Fedora Linux"\nVERSION="42 (Cloud Edition)"\nID=fedora\nVERSION_ID=42\nPRETTY_NAME="Fedora Linux 42 (Cloud Edition)"\n',
  arch: 'NAME="Arch Linux"\nPRETTY_NAME="Arch Linux"\nID=arch\nBUILD_ID=rolling\n',
  alpine: 'NAME="Alpine Linux"\nID=alpine\nVERSION_ID=3.22.1\nPRETTY_NAME="Alpine Linux v3.22"\n',
  tumbleweed:
    'NAME="openSUSE Tumbleweed"\nID="opensuse-tumbleweed"\nID_LIKE="opensuse suse"\nVERSION_ID="20250801"\nPRETTY_NAME="openSUSE Tumbleweed"\n',
  rhel: 'NAME="Red Hat Enterprise Linux"\nID="rhel"\nID_LIKE="fedora"\nVERSION_ID="9.6"\nPRETTY_NAME="Red Hat Enterprise Linux 9.6 (Plow)"\n',
  rhel8:
    'NAME="Red Hat Enterprise Linux"\nID="rhel"\nID_LIKE="fedora"\nVERSION_ID="8.10"\nPRETTY_NAME="Red Hat Enterprise Linux 8.10 (Ootpa)"\n',
  rocky:
    'NAME="Rocky Linux"\nID="rocky"\nID_LIKE="rhel centos fedora"\nVERSION_ID="9.6"\nPRETTY_NAME="Rocky Linux 9.6"\n',
  ubuntu:
    'PRETTY_NAME="Ubuntu 24.04.3 LTS"\nNAME="Ubuntu"\nVERSION_ID="24.04"\nID=ubuntu\nID_LIKE=debian\nUBUNTU_CODENAME=noble\n',
  amazon:
    'NAME="Amazon Linux"\nVERSION="2023"\nID="amzn"\nID_LIKE="fedora"\nVERSION_ID="2023"\nPRETTY_NAME="Amazon Linux 2023.8.20250808"\n',
  amazon2:
    'NAME="Amazon Linux"\nVERSION="2"\nID="amzn"\nID_LIKE="centos rhel fedora"\nVERSION_ID="2"\nPRETTY_NAME="Amazon Linux 2"\n',
  nixos: 'ID=nixos\nID_LIKE=""\nNAME=NixOS\nPRETTY_NAME="NixOS 25.05 (Warbler)"\nVERSION_ID="25.05"\n',
  manjaro: 'NAME="Manjaro Linux"\nID=manjaro\nID_LIKE=arch\nPRETTY_NAME="Manjaro Linux"\n',
};
const DNF = 'dnf install -y clang llvm gcc-c++ make cmake python3 libbpf-devel';

describe('the line for the packages of the build', () => {
  test.for([
    ['fedora', `type this and try again: sudo ${DNF}`],
    ['amazon', `type this and try again: sudo ${DNF}`],
    ['arch', 'type this and try again: sudo pacman -S --needed clang llvm gcc make cmake python libbpf'],
    ['manjaro', 'type this and try again: sudo pacman -S --needed clang llvm gcc make cmake python libbpf'],
    [
      'tumbleweed',
      'type this and try again: sudo zypper install -y clang llvm gcc-c++ make cmake python3 libbpf-devel',
    ],
    [
      'ubuntu',
      'type this and try again: sudo apt-get update && sudo apt-get install -y --no-install-recommends clang llvm g++ make cmake python3 libbpf-dev',
    ],
    ['rocky', `type this and try again: sudo dnf config-manager --set-enabled crb && sudo ${DNF}`],
  ] as const)('on %s', ([name, expected]) => {
    expect(line(RELEASES[name])).toBe(expected);
  });

  test('on Red Hat Enterprise Linux enables the repository with libbpf-devel, and only for this package', () => {
    expect(line(RELEASES.rhel)).toMatch(
      /^type this and try again: sudo subscription-manager repos --enable codeready-builder-for-rhel-9-\w+-rpms && sudo dnf install -y clang /,
    );
    expect(line(RELEASES.rhel, ['cmake'])).toBe('type this and try again: sudo dnf install -y cmake');
  });

  test('names Node as the distribution does', () => {
    expect(line(RELEASES.tumbleweed, ['nodejs', 'npm'])).toMatch(/ nodejs-default npm-default$/);
    expect(line(RELEASES.arch, ['nodejs', 'npm'])).toMatch(/ nodejs npm$/);
  });

  test.skipIf(process.geteuid?.() !== 0)('has no "sudo" for root on a system without it', () => {
    const bin = programs(join(directory, 'without-sudo'));
    expect(line(RELEASES.fedora, NEEDED, bin)).toBe(`type this and try again: ${DNF}`);
    expect(line(RELEASES.rocky, NEEDED, bin)).not.toContain('sudo');
    expect(line(RELEASES.ubuntu, ['npm'], bin)).toBe(
      'type this and try again: apt-get update && apt-get install -y --no-install-recommends npm',
    );
  });

  test('says what does not work, and gives no line, where the build cannot work', () => {
    expect(line(RELEASES.alpine)).toMatch(/^Alpine Linux v3\.22 has musl as its C library, .* container image/);
    expect(line(RELEASES.nixos)).toMatch(/^NixOS 25\.05 \(Warbler\) has no \/usr\/include .* container image/);
    expect(line(RELEASES.amazon2)).toMatch(/^Amazon Linux 2 has glibc 2\.26, .* use Amazon Linux 2023\.$/);
    expect(line(RELEASES.rhel8)).toMatch(/ has glibc 2\.28, .* use version 9 or later\.$/);
  });

  test('lists the packages by the names of Debian on a distribution that it does not know', () => {
    const list = `install these and try again: ${NEEDED.join(' ')} (names of Debian's packages).`;
    expect(line('ID=unheardof\n')).toBe(list);
    expect(line('')).toBe(list);
  });
});

test('setup prints this line, and ends with 69, on a machine without apt-get and without the packages', () => {
  // The scripts in a directory of their own, with only the programs that a minimal system has.
  const root = join(directory, 'checkout');
  const bin = programs(join(directory, 'bin'));
  mkdirSync(join(root, 'scripts'), { recursive: true });
  for (const name of ['setup.sh', 'packages.sh', 'distribution.sh'])
    copyFileSync(join(ROOT, 'scripts', name), join(root, 'scripts', name));
  const file = join(directory, 'os-release');
  writeFileSync(file, RELEASES.fedora);
  const { status, stderr } = spawnSync(join(bin, 'sh'), [join(root, 'scripts/setup.sh')], {
    env: { PATH: `${bin}:${withSudo}`, OS_RELEASE: file },
    encoding: 'utf8',
  });
  expect(stderr).toContain('setup: type this and try again: sudo dnf install -y clang llvm gcc-c++ make cmake python3');
  expect(stderr).toMatch(/ nodejs npm\n$/);
  expect(status).toBe(69);
});
