import { createHash, timingSafeEqual } from 'node:crypto';
import { checkOptions } from '../backend/checks.js';
import { InvalidArgumentError } from '../errors.js';
import { show } from '../show.js';
import type { Authorize } from './options.js';

/** Tokens by what they allow. */
export interface BearerTokens {
  /** Tokens that may read and write. */
  readonly write?: string | readonly string[] | undefined;
  /** Tokens that may only read. */
  readonly read?: string | readonly string[] | undefined;
}

interface Known {
  readonly digest: Buffer;
  readonly writes: boolean;
}

/**
 * Lets requests pass that carry one of these tokens, as `Authorization: Bearer <token>` (RFC 6750). Tokens are compared in a time that
 * tells nothing of them. Make one with `openssl rand -base64url 32`, and hand it over by TLS alone.
 *
 * @param tokens one or several that may do everything, or `{ write, read }`
 * @throws InvalidArgumentError where there is none, and for what no header can carry
 *
 * @example
 * createServer(backend, { authorize: bearer(process.env.STORE_TOKEN ?? '') });
 */
export function bearer(tokens: string | readonly string[] | BearerTokens): Authorize {
  const known = toKnown(tokens);
  return ({ headers: { authorization } }, access) => {
    const [, token] = /^Bearer +([A-Za-z0-9._~+/-]+=*) *$/i.exec(authorization ?? '') ?? [];
    if (token === undefined) return false;
    const digest = digestOf(token);
    let allowed = false;
    for (const one of known) {
      // All are compared, so that the time tells neither which one it is nor how much of it is right.
      const same = timingSafeEqual(one.digest, digest);
      allowed = (same && (one.writes || access === 'read')) || allowed;
    }
    return allowed;
  };
}

function toKnown(tokens: string | readonly string[] | BearerTokens): Known[] {
  const named = typeof tokens === 'object' && tokens !== null && !Array.isArray(tokens);
  if (named) checkOptions(tokens, ['write', 'read'], 'bearer');
  const { write = [], read = [] } = (named ? tokens : { write: tokens }) as BearerTokens;
  const known = [
    ...[write].flat().map((token) => ({ digest: digestOf(check(token)), writes: true })),
    ...[read].flat().map((token) => ({ digest: digestOf(check(token)), writes: false })),
  ];
  if (known.length === 0) throw new InvalidArgumentError('bearer: give at least one token');
  return known;
}

function check(token: unknown): string {
  if (typeof token === 'string' && /^[A-Za-z0-9._~+/-]+=*$/.test(token)) return token;
  // Without the token, which is a secret.
  const what = typeof token === 'string' ? (token === '' ? 'an empty text' : 'a text with others') : show(token);
  throw new InvalidArgumentError(
    `bearer: a token is made of letters, digits and - . _ ~ + / (= at its end); got ${what}`,
  );
}

function digestOf(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}
