/** Exit codes: stable, the same in every verb, and those of sysexits(3) where it has one. */
import { type ErrorCode, errorCodes } from '../../model/error.ts';

export const Exit = {
  ok: 0,
  failed: 1,
  usage: 2,
  badInput: 65,
  noInput: 66,
  unavailable: 69,
  software: 70,
  noPermission: 77,
} as const;

export type ExitName = keyof typeof Exit;

/** What each code says. A verb may say more precisely what it means there. */
export const exitMeanings: Record<ExitName, string> = {
  ok: 'ended as asked',
  failed: 'failed while running',
  usage: 'bad option, argument or configuration',
  badInput: 'an input file is not of the expected format',
  noInput: 'an input file is missing or cannot be read',
  unavailable: 'the kernel, the installation or a container runtime lacks what is needed',
  software: 'an error in oomscope itself',
  noPermission: 'a privilege is missing',
};

export const exitCodeOf = (code: ErrorCode): number => errorCodes[code].exitCode;
