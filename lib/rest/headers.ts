/*
 * The words of the REST interface that server and client share. Names of headers are in small letters, as Node gives them.
 */

/** The version of the interface, on every answer: what lacks it is no answer of a keepsake server. */
export const INTERFACE = 'keepsake';
/** The version that this is. */
export const INTERFACE_VERSION = '1';
/** On the answer to a read or delete: whether the entry was there, `true` or `false`. */
export const FOUND = 'keepsake-found';
/** How long the entry lives from now on, in milliseconds; in requests `never` too. */
export const TTL = 'keepsake-ttl';
/** The deadline itself, in milliseconds since 1970. */
export const EXPIRES_AT = 'keepsake-expires-at';
/** A `Keepsake-TTL` without end. */
export const NEVER = 'never';
/** What is not a key lies under this segment. */
export const OPERATIONS_SEGMENT = '-';

/** The most keys or entries of one request. */
export const MOST_KEYS = 10_000;
