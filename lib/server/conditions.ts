import type { IncomingHttpHeaders } from 'node:http';
import type { Condition, Entry } from '../backend/driver.js';
import { Refusal } from './refusal.js';

/** Versions that entity tags name, or `'*'` for whichever there is. */
type Named = '*' | readonly string[];

/** What a request says must hold (RFC 9110, section 13). */
export interface Preconditions {
  /** `If-Match`. */
  readonly match: Named | undefined;
  /** `If-None-Match`. */
  readonly noneMatch: Named | undefined;
}

/** How the version in an entity tag is read; `undefined` for a tag that is none of ours. */
export type ReadTag = (opaque: string) => string | undefined;

/** The preconditions of a request; `undefined` where there are none. */
export function readPreconditions(headers: IncomingHttpHeaders, readTag: ReadTag): Preconditions | undefined {
  const { 'if-match': match, 'if-none-match': noneMatch } = headers;
  if (match === undefined && noneMatch === undefined) return undefined;
  return {
    // Writes compare strongly: a weak tag names more than one value.
    match: match === undefined ? undefined : readTags(match, 'If-Match', readTag, false),
    noneMatch: noneMatch === undefined ? undefined : readTags(noneMatch, 'If-None-Match', readTag, true),
  };
}

function readTags(header: string, name: string, readTag: ReadTag, weak: boolean): Named {
  if (header.trim() === '*') return '*';
  const versions: string[] = [];
  const tag = /[\t ]*(?:,[\t ]*)*(W\/)?"([\x21\x23-\x7e\x80-\xff]*)"[\t ]*(?=,|$)/y;
  while (tag.lastIndex < header.length) {
    const found = tag.exec(header);
    if (found === null) throw new Refusal(400, `${name} must be * or entity tags, each in quotes, with commas between`);
    const version = found[1] === undefined || weak ? readTag(found[2] as string) : undefined;
    if (version !== undefined) versions.push(version);
  }
  return versions;
}

/** The same as one condition of a backend; `undefined` where it takes a look at the entry. */
export function toCondition({ match, noneMatch }: Preconditions): Condition | undefined {
  if (noneMatch === undefined) {
    if (match === '*') return 'present';
    const [version, ...more] = match ?? [];
    return version !== undefined && more.length === 0 ? { version } : undefined;
  }
  return noneMatch === '*' && match === undefined ? 'absent' : undefined;
}

/** Whether `If-Match` holds of an entry. */
export function matches({ match }: Preconditions, entry: Entry<unknown> | undefined): boolean {
  return match === undefined || isNamed(match, entry);
}

/** Whether `If-None-Match` holds of an entry. */
export function differs({ noneMatch }: Preconditions, entry: Entry<unknown> | undefined): boolean {
  return noneMatch === undefined || !isNamed(noneMatch, entry);
}

function isNamed(named: Named, entry: Entry<unknown> | undefined): boolean {
  if (entry === undefined) return false;
  return named === '*' || (entry.version !== undefined && named.includes(entry.version));
}
