/**
 * The names of objects. A key stands in its object's name as it is, but for two characters: S3 takes no NUL, which is written as U+0001
 * twice, and U+0001 as U+0001 with U+0002. So names keep the order of the keys, and those of keys with a prefix in common have one too.
 */
export function toName(key: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are the ones that are written otherwise
  return /[\0\x01]/.test(key) ? key.replaceAll('\x01', '\x01\x02').replaceAll('\0', '\x01\x01') : key;
}

/** The key of an object's name, or `undefined` for a name that `toName` gives for none. */
export function toKey(name: string): string | undefined {
  if (!name.includes('\x01') && !name.includes('\0')) return name;
  // biome-ignore lint/suspicious/noControlCharactersInRegex: as above
  const key = name.replace(/\x01([\x01\x02])/g, (_, second) => (second === '\x01' ? '\0' : '\x01'));
  return toName(key) === name ? key : undefined;
}

/** Whether XML 1.0 can carry a name: lists of names to be deleted are XML. */
export function fitsXml(name: string): boolean {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what XML 1.0 leaves out, and what its parsers change
  return !/[\0-\x1f\x7f-\x9f\u2028\ufffe\uffff]/.test(name);
}
