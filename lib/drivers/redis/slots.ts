/** How many slots a cluster of Redis has. */
const SLOTS = 16_384;

/**
 * The slot of a key in a cluster: CRC16 (XMODEM) of the key, or of what stands in its first braces if that is not empty; from the
 * specification of Redis Cluster.
 */
export function slotOf(key: string): number {
  const open = key.indexOf('{');
  const close = open < 0 ? -1 : key.indexOf('}', open + 1);
  let sum = 0;
  for (const byte of Buffer.from(close > open + 1 ? key.slice(open + 1, close) : key)) {
    sum = ((sum << 8) & 0xffff) ^ (TABLE[(sum >> 8) ^ byte] as number);
  }
  return sum % SLOTS;
}

const TABLE = Uint16Array.from({ length: 256 }, (_, byte) => {
  let sum = byte << 8;
  for (let bit = 0; bit < 8; bit++) sum = sum & 0x8000 ? (sum << 1) ^ 0x1021 : sum << 1;
  return sum;
});
