import type { ConfigurationPairs } from './options.js';

const PREFIX = 'KEEPSAKE_CACHE_';

/**
 * The configuration of a cache in environment variables: `KEEPSAKE_CACHE_BACKEND`, `KEEPSAKE_CACHE_TTL` and so on, each option in upper case
 * with `_` between its words, such as `KEEPSAKE_CACHE_REDIS_URL`. Those that are empty count as not there.
 *
 * @param environment `process.env` by default
 * @example
 * await app.register(keepsake, { cache: () => fromEnvironment() });
 */
export function fromEnvironment(
  environment: { readonly [name: string]: string | undefined } = process.env,
): ConfigurationPairs {
  const pairs: [string, unknown][] = [];
  for (const [variable, text] of Object.entries(environment)) {
    if (!variable.startsWith(PREFIX) || text === undefined || text === '') continue;
    const name = variable.slice(PREFIX.length);
    pairs.push([name, read(name, text)]);
  }
  return pairs;
}

/** What is text in the environment alone; other text is for the rules to judge. */
function read(name: string, text: string): unknown {
  if (name === 'TTL' && /^[0-9]+$/.test(text)) return Number(text);
  if (name === 'HONOUR_CACHE_CONTROL' && (text === 'true' || text === 'false')) return text === 'true';
  return text;
}
