import { randomBytes, scrypt, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';

const derive = promisify<string, Buffer, number, Buffer>(scrypt);

/** What is kept of a password: its salt and hash. */
export async function hashPassword(password: string): Promise<string> {
  const salt = randomBytes(16);
  return `${salt.toString('base64')}.${(await derive(password, salt, 32)).toString('base64')}`;
}

/** Whether a password is the one that was kept; it takes as long where there is none. */
export async function isPassword(password: string, kept = `${'A'.repeat(22)}==.`): Promise<boolean> {
  const [salt = '', hash = ''] = kept.split('.');
  const given = await derive(password, Buffer.from(salt, 'base64'), 32);
  const expected = Buffer.from(hash, 'base64');
  return expected.length === given.length && timingSafeEqual(given, expected);
}
