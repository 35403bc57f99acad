/** What begins and ends an Arrow file. */
const MAGIC = Buffer.from('ARROW1');
/** Magic, the length of the footer, and magic again. */
const LEAST = 8 + 4 + MAGIC.length;
const CONTINUES = 0xffffffff;
/** The fields of a message and of a footer by their places (https://github.com/apache/arrow/tree/main/format). */
const HEADER_TYPE = 1;
const BODY_LENGTH = 3;
const FOOTER_SCHEMA = 1;
/** The type of a header that is a schema, and the version of the metadata, which is 5. */
const SCHEMA = 1;
const VERSION = 4;

/**
 * The messages inside an Arrow file as a stream, each of which is where the one before says. A schema is put before them where only the
 * footer has it, as in files of apache-arrow.
 * @throws TypeError or RangeError for what is no Arrow file, or is cut
 */
export function streamOf(file: Uint8Array): Uint8Array {
  const isFile = MAGIC.equals(file.subarray(0, MAGIC.length)) && MAGIC.equals(file.subarray(-MAGIC.length));
  if (!isFile || file.length < LEAST) throw new TypeError('these bytes are no Arrow file, or are cut');
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const lengthAt = file.length - MAGIC.length - 4;
  const footerAt = lengthAt - view.getUint32(lengthAt, true);
  if (footerAt < 8) throw new TypeError('the footer of the Arrow file is damaged');
  const first = messageAt(view, 8, footerAt);
  const messages = file.subarray(8, endOf(view, footerAt));
  if (first !== undefined && headerType(first) === SCHEMA) return messages;
  return Buffer.concat([schemaMessage(file.subarray(footerAt, lengthAt)), messages]);
}

/** Where the last message ends. */
function endOf(view: DataView, footerAt: number): number {
  let at = 8;
  for (;;) {
    const message = messageAt(view, at, footerAt);
    if (message === undefined) return at;
    at += 8 + message.byteLength;
    const body = bodyLength(message);
    if (body < 0n || body > BigInt(footerAt - at)) throw new TypeError(`the body at byte ${at} is cut`);
    at += Number(body);
  }
}

/** The metadata of the message at a place, or `undefined` at the end. */
function messageAt(view: DataView, at: number, end: number): DataView | undefined {
  if (at + 8 > end) return undefined;
  if (view.getUint32(at, true) !== CONTINUES) throw new TypeError(`no message begins at byte ${at}`);
  const length = view.getUint32(at + 4, true);
  if (length > end - at - 8) throw new TypeError(`the message at byte ${at} is cut`);
  return length === 0 ? undefined : new DataView(view.buffer, view.byteOffset + at + 8, length);
}

function headerType(message: DataView): number {
  const at = fieldOf(message, HEADER_TYPE);
  return at === undefined ? 0 : message.getUint8(at);
}

function bodyLength(message: DataView): bigint {
  const at = fieldOf(message, BODY_LENGTH);
  return at === undefined ? 0n : message.getBigInt64(at, true);
}

/** Where a field of the root table of FlatBuffers is: the root says where the table is, which says where its fields are. */
function fieldOf(buffer: DataView, field: number): number | undefined {
  const table = buffer.getUint32(0, true);
  const fields = table - buffer.getInt32(table, true);
  const slot = 4 + 2 * field;
  if (buffer.getUint16(fields, true) <= slot) return undefined;
  const offset = buffer.getUint16(fields + slot, true);
  return offset === 0 ? undefined : table + offset;
}

/** A message of the schema in a footer: a new root before the footer, which points into it. */
function schemaMessage(footer: Uint8Array): Buffer {
  const view = new DataView(footer.buffer, footer.byteOffset, footer.byteLength);
  const at = fieldOf(view, FOOTER_SCHEMA);
  if (at === undefined) throw new TypeError('the Arrow file has no schema');
  const schema = at + view.getUint32(at, true);
  const root = 32;
  const length = Math.ceil((root + footer.length) / 8) * 8;
  const message = Buffer.alloc(8 + length);
  message.writeUInt32LE(CONTINUES, 0);
  message.writeUInt32LE(length, 4);
  const body = message.subarray(8);
  body.writeUInt32LE(16, 0);
  // The places of fields in the table at 16: 12 bytes of places, 12 of table; version, type, header, and no length.
  for (const [index, place] of [12, 12, 8, 10, 4, 0].entries()) body.writeUInt16LE(place, 4 + 2 * index);
  body.writeInt32LE(12, 16);
  body.writeUInt32LE(root + schema - 20, 20);
  body.writeInt16LE(VERSION, 24);
  body.writeUInt8(SCHEMA, 26);
  body.set(footer, root);
  return message;
}
