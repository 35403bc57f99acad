import { createHash } from 'node:crypto';

/** A Lua script, by its text and by the hash under which servers remember it. */
export interface Script {
  readonly text: string;
  readonly hash: string;
}

/*
 * Redis takes a key as expired once its time is past `PEXPIREAT`, keepsake from its deadline on: so what Redis keeps is one millisecond
 * less than the deadline. The scripts speak of Redis' times; `toNative` and `toDeadline` translate. A time of '' stands for never.
 */

/** What Redis is told for a deadline. */
export function toNative(deadline: number): number {
  // Redis takes no time before 1; it is long past as well.
  return Math.max(1, deadline - 1);
}

/** The deadline of what Redis tells: -1 for never. */
export function toDeadline(native: number): number | undefined {
  return native < 0 ? undefined : native + 1;
}

/** Stores, with a time or without. */
const PUT = `
local function put(key, value, time)
  if time == '' then redis.call('SET', key, value) else redis.call('SET', key, value, 'PXAT', time) end
end`;

/** Keys → for each its value and time, or false. */
export const READ = script(`
local entries = {}
for index, key in ipairs(KEYS) do
  local value = redis.call('GET', key)
  entries[index] = value and { value, redis.call('PEXPIRETIME', key) }
end
return entries`);

/** Key, version, value, time → 1 where the value of that version was there, and has been replaced. */
export const REPLACE = script(`${PUT}
local value = redis.call('GET', KEYS[1])
if not value or redis.sha1hex(value) ~= ARGV[1] then return 0 end
put(KEYS[1], ARGV[2], ARGV[3])
return 1`);

/** Key, version → 1 where the value of that version was there, and is gone. */
export const REMOVE = script(`
local value = redis.call('GET', KEYS[1])
if not value or redis.sha1hex(value) ~= ARGV[1] then return 0 end
return redis.call('UNLINK', KEYS[1])`);

/** Key → 1 where it was there, and lives for ever now. */
export const PERSIST = script(`
redis.call('PERSIST', KEYS[1])
return redis.call('EXISTS', KEYS[1])`);

/** Key, time → value and time, which is the given one if there was one; or false. */
export const RENEW = script(`
local value = redis.call('GET', KEYS[1])
if not value then return false end
if redis.call('PEXPIRETIME', KEYS[1]) >= 0 then redis.call('PEXPIREAT', KEYS[1], ARGV[1]) end
return { value, redis.call('PEXPIRETIME', KEYS[1]) }`);

/**
 * Key, step, time → the counter's new text and time; false where what is there is no integer, and the counter's text where the sum
 * would be no safe integer. Numbers of Lua are doubles: what is compared here is exact, or far beyond.
 */
export const INCREMENT = script(`${PUT}
local safe = 9007199254740991
local stored = redis.call('GET', KEYS[1])
if not stored then
  put(KEYS[1], ARGV[1], ARGV[2])
  return { ARGV[1], redis.call('PEXPIRETIME', KEYS[1]) }
end
if #stored > 17 or not (stored == '0' or string.match(stored, '^%-?[1-9]%d*$')) then return false end
local current = tonumber(stored)
if math.abs(current) > safe then return false end
if math.abs(current + tonumber(ARGV[1])) > safe then return stored end
return { string.format('%.0f', redis.call('INCRBY', KEYS[1], ARGV[1])), redis.call('PEXPIRETIME', KEYS[1]) }`);

function script(text: string): Script {
  const trimmed = text.trim();
  return { text: trimmed, hash: createHash('sha1').update(trimmed).digest('hex') };
}
