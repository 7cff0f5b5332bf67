/** Reads the options of page-options.ts. It loads more than the help of a verb needs. */
import { type WebConfig, webProblem } from '../../config/web.ts';
import { readToken } from '../../http/token.ts';
import { usage } from './options.ts';

interface Given {
  listen?: string | undefined;
  'token-file'?: string | undefined;
  host: string[];
}

/**
 * Where the page is served, and who may open it.
 *
 * @param address where the page is served by default
 * @throws OomscopeError USAGE: not at this address; the error of readToken()
 */
export function pageAccess(given: Given, address: string): WebConfig {
  const { listen = address, 'token-file': token_file, host: hosts } = given;
  const problem = webProblem({ listen, token_file });
  if (problem !== undefined) throw usage(`--listen: ${problem.replace('token_file', '--token-file')}`);
  if (token_file !== undefined) readToken(token_file, '--token-file');
  return { listen, token_file, hosts };
}
