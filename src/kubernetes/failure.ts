import { OomscopeError } from '../model/error.ts';
import { ApiError } from './client.ts';
import { missingRule } from './rights.ts';

/** Runs a request, and turns a refusal of the server into an error for people. @param what "list the pods" */
export async function asked<T>(what: string, request: Promise<T>): Promise<T> {
  try {
    return await request;
  } catch (error) {
    throw error instanceof ApiError ? failure(what, error) : error;
  }
}

/** What a user can do about a refusal, as a sentence to append: " The role lacks the rule …." Empty: unknown. */
function lacking({ status, message }: ApiError): string {
  const rule = status === 403 ? missingRule(message) : undefined;
  return rule === undefined ? '' : ` The role lacks the rule ${rule}.`;
}

/** Why one of several was not answered, as sentences. */
export const refusalOf = (error: ApiError): string => `${error.message.replace(/\.?$/, '.')}${lacking(error)}`;

function failure(what: string, error: ApiError): OomscopeError {
  const { status, message } = error;
  switch (status) {
    case 0:
      return new OomscopeError('KUBERNETES', `Cannot ${what}: the API server does not answer: ${message}.`);
    case 401:
      return new OomscopeError(
        'NOT_PERMITTED',
        `Cannot ${what}: the server refused the credentials (${message}). The token may have expired: log in again.`,
      );
    case 403:
      return new OomscopeError('NOT_PERMITTED', `Cannot ${what}: ${message}.${lacking(error)}`);
    default:
      return new OomscopeError('KUBERNETES', `Cannot ${what}: ${message}.`);
  }
}
