/** The entity tag (RFC 9110, section 8.8.3) of a version, whatever text that is. */
export function toTag(version: string): string {
  return `"${encodeTag(version)}"`;
}

/** The version of an entity tag, also of one that a proxy made weak; `undefined` for what is none of ours. */
export function fromTag(tag: string | null): string | undefined {
  const [, opaque] = /^(?:W\/)?"([\x21\x23-\x7e]*)"$/.exec(tag ?? '') ?? [];
  if (opaque === undefined) return undefined;
  try {
    return decodeURIComponent(opaque);
  } catch {
    return undefined;
  }
}

function encodeTag(version: string): string {
  // A lone surrogate has no encoding, and names no version.
  return /^[\w.:-]*$/.test(version) ? version : encodeURIComponent(version.toWellFormed());
}
