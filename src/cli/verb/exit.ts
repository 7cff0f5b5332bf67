/** The exit codes. They are stable and the same in every verb. Where sysexits(3) defines a code, that code is used. */
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

/** The general meaning of each code. A verb may give a code a more precise meaning. */
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
