import { constants } from 'node:fs';
import { type Effect, inodeOf } from './disk.js';
import type { Session } from './session.js';

/** Looks at the disk before a call, and says afterwards what it did. */
type Observer = (session: Session, args: readonly unknown[]) => (result: unknown) => Effect[];

/**
 * What the call of a function does to the disk.
 * @throws Error if it cannot be told
 */
export function effectsOf(session: Session, name: string, args: readonly unknown[]): (result: unknown) => Effect[] {
  const observer = OBSERVERS.get(name);
  if (observer === undefined) throw new Error('a function that it has not met');
  return observer(session, args);
}

/** Whether a function is known to change what is on the disk. */
export function isRecorded(name: string): boolean {
  return OBSERVERS.has(name);
}

const OBSERVERS: ReadonlyMap<string, Observer> = new Map<string, Observer>([
  ['open', open],
  ['close', close],
  ['write', write],
  ['writev', write],
  ['fsync', (session, [descriptor]) => sync(session, descriptor, false)],
  ['fdatasync', (session, [descriptor]) => sync(session, descriptor, true)],
  ['rename', rename],
  ['link', link],
  ['unlink', remove],
  ['rmdir', remove],
  ['mkdir', mkdir],
  [
    'ftruncate',
    (session, [descriptor, size]) => resize(session, descriptor as number, session.file(descriptor).id, size),
  ],
  ['truncate', (session, [path, size]) => resize(session, String(path), existing(session, path), size)],
  ['fchmod', (session, [descriptor]) => attributes(session, descriptor as number, session.file(descriptor).id)],
  ['fchown', (session, [descriptor]) => attributes(session, descriptor as number, session.file(descriptor).id)],
  ['futimes', (session, [descriptor]) => attributes(session, descriptor as number, session.file(descriptor).id)],
  ['chmod', (session, [path]) => attributes(session, String(path), existing(session, path))],
  ['chown', (session, [path]) => attributes(session, String(path), existing(session, path))],
  ['utimes', (session, [path]) => attributes(session, String(path), existing(session, path))],
]);

function open(session: Session, [path, flags = 'r']: readonly unknown[]) {
  const { folder, name, id: before } = session.find(path);
  const { creates, truncates, appends } = readFlags(flags);
  return (descriptor: unknown) => {
    const effects: Effect[] = [];
    let id = before;
    if (id === undefined) {
      if (!creates) throw new Error(`${path} was opened, which nobody made`);
      const made = session.introduce(descriptor as number, 'file');
      id = made.id;
      effects.push(made.effect, { kind: 'entry', folder, name, id, before: undefined });
    } else if (truncates && inodeOf(session.disk, id).contents.size > 0) {
      effects.push({ kind: 'size', id, size: 0 }, attributesOf(session, descriptor as number, id));
    }
    session.opened.set(descriptor as number, { id, appends, position: 0 });
    return effects;
  };
}

function close(session: Session, [descriptor]: readonly unknown[]) {
  return (): Effect[] => {
    session.opened.delete(descriptor as number);
    return [];
  };
}

function write(session: Session, args: readonly unknown[]) {
  const opened = session.file(args[0]);
  const { id } = opened;
  const { size } = inodeOf(session.disk, id).contents;
  const { bytes, position: asked } = readWrite(args);
  const position = asked ?? (opened.appends ? size : opened.position);
  return (length: unknown): Effect[] => {
    const end = position + (length as number);
    if (asked === undefined) opened.position = end;
    return [
      { kind: 'data', id, position, bytes: bytes.subarray(0, length as number), grows: end > size },
      attributesOf(session, args[0] as number, id),
    ];
  };
}

function sync(session: Session, descriptor: unknown, dataOnly: boolean) {
  const { id } = session.file(descriptor);
  return (): Effect[] => [{ kind: 'sync', id, dataOnly }];
}

function rename(session: Session, [from, to]: readonly unknown[]) {
  const source = session.find(from);
  const target = session.find(to);
  return (): Effect[] => {
    const { id } = source;
    // Two names of one file: the system does nothing.
    if (id === undefined || id === target.id) return [];
    return [
      { kind: 'entry', folder: source.folder, name: source.name, id: undefined, before: id },
      { kind: 'entry', folder: target.folder, name: target.name, id, before: target.id },
      attributesOf(session, String(to), id),
    ];
  };
}

function link(session: Session, [from, to]: readonly unknown[]) {
  const id = existing(session, from);
  const { folder, name } = session.find(to);
  return (): Effect[] => [
    { kind: 'entry', folder, name, id, before: undefined },
    attributesOf(session, String(to), id),
  ];
}

function remove(session: Session, [path]: readonly unknown[]) {
  const { folder, name, id } = session.find(path);
  return (): Effect[] => [{ kind: 'entry', folder, name, id: undefined, before: id }];
}

function mkdir(session: Session, [path]: readonly unknown[]) {
  const { folder, name } = session.find(path);
  return (): Effect[] => {
    const { id, effect } = session.introduce(String(path), 'folder');
    return [effect, { kind: 'entry', folder, name, id, before: undefined }];
  };
}

function resize(session: Session, at: string | number, id: number, size: unknown) {
  return (): Effect[] => [{ kind: 'size', id, size: Number(size ?? 0) }, attributesOf(session, at, id)];
}

function attributes(session: Session, at: string | number, id: number) {
  return (): Effect[] => [attributesOf(session, at, id)];
}

function attributesOf(session: Session, at: string | number, id: number): Effect {
  return { kind: 'attributes', id, attributes: session.attributes(at) };
}

/** What has the path; a call about nothing fails, and then has done nothing. */
function existing(session: Session, path: unknown): number {
  return session.find(path).id ?? -1;
}

function readFlags(flags: unknown): { creates: boolean; truncates: boolean; appends: boolean } {
  if (typeof flags === 'number') {
    return {
      creates: (flags & constants.O_CREAT) !== 0,
      truncates: (flags & constants.O_TRUNC) !== 0,
      appends: (flags & constants.O_APPEND) !== 0,
    };
  }
  const text = String(flags);
  return { creates: /[wa]/.test(text), truncates: text.includes('w'), appends: text.includes('a') };
}

/** What a write is about: the arguments of `write` have three forms. */
function readWrite([, data, ...rest]: readonly unknown[]): { bytes: Uint8Array; position: number | undefined } {
  const [first, second, third] = rest;
  if (Array.isArray(data)) return { bytes: Uint8Array.from(Buffer.concat(data)), position: at(first) };
  if (typeof data === 'string') {
    return { bytes: Uint8Array.from(Buffer.from(data, second as BufferEncoding | undefined)), position: at(first) };
  }
  const view = data as NodeJS.ArrayBufferView;
  const all = new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
  if (typeof first === 'object' && first !== null) {
    const { offset = 0, length, position } = first as { offset?: number; length?: number; position?: number };
    return { bytes: all.slice(offset, offset + (length ?? all.length)), position: at(position) };
  }
  const offset = Number(first ?? 0);
  return { bytes: kept(all.subarray(offset, offset + Number(second ?? all.length - offset))), position: at(third) };
}

const ZEROS = new Uint8Array(1024 * 1024);

/** A copy, since the caller may use the bytes again; megabytes of zeros are kept once. */
function kept(bytes: Uint8Array): Uint8Array {
  const zeros = ZEROS.subarray(0, bytes.length);
  return bytes.length > 0 && Buffer.compare(bytes, zeros) === 0 ? zeros : bytes.slice();
}

/** Where to write; `undefined` for where the last write ended. */
function at(position: unknown): number | undefined {
  return typeof position === 'number' || typeof position === 'bigint' ? Number(position) : undefined;
}
