import { createHash } from 'node:crypto';

/** The SHA-256 of a text in hexadecimal: what stands for a key that no backend takes. Texts that are not well-formed have theirs too. */
export function digestOf(text: string): string {
  return createHash('sha256').update(text, 'utf16le').digest('hex');
}
