import fs from 'node:fs';

/** A function of `node:fs`. */
export type Call = (...args: readonly unknown[]) => unknown;

export type Functions = Record<string, Call>;

/** The functions of `node:fs` as they are, whatever stands in their place by now. */
export const real: Readonly<Functions> = functionsOf(fs);

/** The same, with their types. */
export const realFs = real as unknown as Pick<
  typeof fs,
  | 'chmodSync'
  | 'closeSync'
  | 'fchmodSync'
  | 'fstatSync'
  | 'ftruncateSync'
  | 'futimesSync'
  | 'linkSync'
  | 'lstatSync'
  | 'mkdirSync'
  | 'openSync'
  | 'readdirSync'
  | 'readFileSync'
  | 'rmSync'
  | 'writeSync'
>;

/** The functions of `node:fs/promises` as they are. */
export const realPromises: Readonly<Functions> = functionsOf(fs.promises);

/** Only what is a value: asking a getter may print a warning. */
function functionsOf(module: object): Functions {
  const found: Functions = {};
  for (const [name, { value }] of Object.entries(Object.getOwnPropertyDescriptors(module))) {
    if (typeof value === 'function' && /^[a-z]/.test(name)) found[name] = value;
  }
  return found;
}
