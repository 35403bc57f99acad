/** What every error of keepsake may carry beside its message. */
export interface ErrorDetails {
  /** The method that failed, such as `'set'`. */
  readonly operation?: string | undefined;
  /** The key it was called with. */
  readonly key?: string | undefined;
  /** Whether the same call may succeed when made again. */
  readonly retryable?: boolean;
  /** Where it happened: a file's path, or the path to a value inside an object. */
  readonly path?: string | undefined;
  /** The error underneath. */
  readonly cause?: unknown;
}

/**
 * The base of keepsake's errors. Recognise an error by its `code`, which never changes; messages may.
 * Mistakes in arguments are an {@link InvalidArgumentError} (a `TypeError`) or an {@link OutOfRangeError} (a `RangeError`), which
 * carry a `code` too.
 */
export class KeepsakeError extends Error {
  /** A stable name for the kind of failure, such as `'KEEPSAKE_INVALID_KEY'`. */
  readonly code: string;
  /** The method that failed, such as `'set'`; filled in by the backend where the driver did not say. */
  operation: string | undefined;
  /** The key it was called with. */
  key: string | undefined;
  /** Whether the same call may succeed when made again. */
  readonly retryable: boolean;
  /** Where it happened: a file's path, or the path to a value inside an object. */
  readonly path: string | undefined;

  constructor(code: string, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.operation = details.operation;
    this.key = details.key;
    this.retryable = details.retryable ?? false;
    this.path = details.path;
  }
}

/** A key that no backend, or no model, takes. `code` is `'KEEPSAKE_INVALID_KEY'`. */
export class InvalidKeyError extends KeepsakeError {
  constructor(message: string, details?: ErrorDetails) {
    super('KEEPSAKE_INVALID_KEY', message, details);
  }
}

/** A namespace's name that is not `[A-Za-z0-9_-][A-Za-z0-9_.-]*`. `code` is `'KEEPSAKE_INVALID_NAMESPACE'`. */
export class InvalidNamespaceError extends KeepsakeError {
  constructor(message: string, details?: ErrorDetails) {
    super('KEEPSAKE_INVALID_NAMESPACE', message, details);
  }
}

/** The engine cannot promise what was asked for. `code` is `'KEEPSAKE_UNSUPPORTED'`. */
export class UnsupportedError extends KeepsakeError {
  constructor(message: string, details?: ErrorDetails) {
    super('KEEPSAKE_UNSUPPORTED', message, details);
  }
}

/** Somebody else changed the entry first. `code` is `'KEEPSAKE_CONFLICT'`; retryable. */
export class ConflictError extends KeepsakeError {
  constructor(message: string, details?: ErrorDetails) {
    super('KEEPSAKE_CONFLICT', message, { retryable: true, ...details });
  }
}

/** A backend or service that is closed was used. `code` is `'KEEPSAKE_CLOSED'`. */
export class ClosedError extends KeepsakeError {
  constructor(message: string, details?: ErrorDetails) {
    super('KEEPSAKE_CLOSED', message, details);
  }
}

/** An operation did not end within its `timeout`; it may still take effect. `code` is `'KEEPSAKE_TIMEOUT'`; retryable. */
export class TimeoutError extends KeepsakeError {
  constructor(message: string, details?: ErrorDetails) {
    super('KEEPSAKE_TIMEOUT', message, { retryable: true, ...details });
  }
}

/** A backend that failed again and again is not asked for a while, see `circuitBreaker`. `code` is `'KEEPSAKE_CIRCUIT_OPEN'`. */
export class CircuitOpenError extends KeepsakeError {
  constructor(message: string, details?: ErrorDetails) {
    super('KEEPSAKE_CIRCUIT_OPEN', message, { retryable: true, ...details });
  }
}

/** The engine failed: a full or read-only disk, a server that is loading. `code` is `'KEEPSAKE_STORAGE'`; the engine's own error is the `cause`. */
export class StorageError extends KeepsakeError {
  constructor(message: string, details?: ErrorDetails) {
    super('KEEPSAKE_STORAGE', message, details);
  }
}

/** What is stored cannot be read as what it should be; it is left as it is. `code` is `'KEEPSAKE_CORRUPT_DATA'`. */
export class CorruptDataError extends KeepsakeError {
  constructor(message: string, details?: ErrorDetails) {
    super('KEEPSAKE_CORRUPT_DATA', message, details);
  }
}

/**
 * What is stored cannot be decrypted: the key is wrong or not given, or the bytes were changed or belong to another entry. They are left
 * as they are. `code` is `'KEEPSAKE_DECRYPT'`.
 */
export class DecryptError extends KeepsakeError {
  constructor(message: string, details?: ErrorDetails) {
    super('KEEPSAKE_DECRYPT', message, details);
  }
}

/** A value that cannot be written as it is; `path` leads to it. `code` is `'KEEPSAKE_ENCODE'`. */
export class EncodeError extends KeepsakeError {
  /** What is wrong, without the place. */
  readonly reason: string;

  /** @param subject what holds the value, for the message, such as `'User "ann"'` */
  constructor(reason: string, details: ErrorDetails = {}, subject?: string) {
    const place = details.path === '' ? 'the value' : details.path;
    const parts = [subject, place, reason].filter((part) => part !== undefined);
    super('KEEPSAKE_ENCODE', parts.join(': '), details);
    this.reason = reason;
  }
}

/** A lock is held by another process and did not come free in time. `code` is `'KEEPSAKE_LOCKED'`; retryable. */
export class LockedError extends KeepsakeError {
  constructor(message: string, details?: ErrorDetails) {
    super('KEEPSAKE_LOCKED', message, { retryable: true, ...details });
  }
}

/** A folder was opened only to read, and its last writer died before it had written all it had saved. `code` is `'KEEPSAKE_RECOVERY_NEEDED'`. */
export class RecoveryNeededError extends KeepsakeError {
  constructor(message: string, details?: ErrorDetails) {
    super('KEEPSAKE_RECOVERY_NEEDED', message, details);
  }
}

/** `increment` met a value that is no integer. `code` is `'KEEPSAKE_NOT_AN_INTEGER'`. */
export class NotAnIntegerError extends KeepsakeError {
  constructor(message: string, details?: ErrorDetails) {
    super('KEEPSAKE_NOT_AN_INTEGER', message, details);
  }
}

/** A model class is declared wrongly. `code` is `'KEEPSAKE_DECLARATION'`. */
export class DeclarationError extends KeepsakeError {
  constructor(message: string, details?: ErrorDetails) {
    super('KEEPSAKE_DECLARATION', message, details);
  }
}

/** A field has a name that the model needs for itself. `code` is `'KEEPSAKE_RESERVED_NAME'`. */
export class ReservedNameError extends KeepsakeError {
  constructor(message: string, details?: ErrorDetails) {
    super('KEEPSAKE_RESERVED_NAME', message, details);
  }
}

/** A name is taken, in a service or a registry. `code` is `'KEEPSAKE_DUPLICATE_NAME'`. */
export class DuplicateNameError extends KeepsakeError {
  constructor(message: string, details?: ErrorDetails) {
    super('KEEPSAKE_DUPLICATE_NAME', message, details);
  }
}

/** A class, or an object of one, that a reload has put another in place of. `code` is `'KEEPSAKE_RETIRED'`. */
export class RetiredError extends KeepsakeError {
  constructor(message: string, details?: ErrorDetails) {
    super('KEEPSAKE_RETIRED', message, details);
  }
}

/** A reload that was refused, and has changed nothing. `code` is `'KEEPSAKE_RELOAD'`. */
export class ReloadError extends KeepsakeError {
  constructor(message: string, details?: ErrorDetails) {
    super('KEEPSAKE_RELOAD', message, details);
  }
}

/** The serialised form of a service that cannot be taken over: damaged, too old, or of another. `code` is `'KEEPSAKE_HAND_OVER'`. */
export class HandOverError extends KeepsakeError {
  constructor(message: string, details?: ErrorDetails) {
    super('KEEPSAKE_HAND_OVER', message, details);
  }
}

/** A generation of a supervised program that did not come to serve. `code` is `'KEEPSAKE_GENERATION'`. */
export class GenerationError extends KeepsakeError {
  /** The end of what it wrote to its standard error: at most 16 KiB. */
  readonly output: string;

  constructor(message: string, details?: ErrorDetails & { readonly output?: string }) {
    super('KEEPSAKE_GENERATION', message, details);
    this.output = details?.output ?? '';
  }
}

/**
 * A connection that could not be made, or that broke; or one that broke a limit, such as the length of a line. `code` is
 * `'KEEPSAKE_CONNECTION'`. Where it broke under way, what was asked for may still have taken effect.
 */
export class ConnectionError extends KeepsakeError {
  constructor(message: string, details?: ErrorDetails) {
    super('KEEPSAKE_CONNECTION', message, details);
  }
}

/** The engine knows the user or the password not, or does not let that user do it. `code` is `'KEEPSAKE_ACCESS_DENIED'`. */
export class AccessDeniedError extends KeepsakeError {
  constructor(message: string, details?: ErrorDetails) {
    super('KEEPSAKE_ACCESS_DENIED', message, details);
  }
}

/** An object was built of a class that no service knows. `code` is `'KEEPSAKE_UNREGISTERED_CLASS'`. */
export class UnregisteredClassError extends KeepsakeError {
  constructor(message: string, details?: ErrorDetails) {
    super('KEEPSAKE_UNREGISTERED_CLASS', message, details);
  }
}

/** A key has its object already: in memory, or saved. `code` is `'KEEPSAKE_DUPLICATE_KEY'`. */
export class DuplicateKeyError extends KeepsakeError {
  constructor(message: string, details?: ErrorDetails) {
    super('KEEPSAKE_DUPLICATE_KEY', message, details);
  }
}

/** An object that was deleted was saved again. `code` is `'KEEPSAKE_DELETED'`. */
export class DeletedError extends KeepsakeError {
  constructor(message: string, details?: ErrorDetails) {
    super('KEEPSAKE_DELETED', message, details);
  }
}

/** Saved data could not be brought to the version of its class. `code` is `'KEEPSAKE_MIGRATION'`. */
export class MigrationError extends KeepsakeError {
  constructor(message: string, details?: ErrorDetails) {
    super('KEEPSAKE_MIGRATION', message, details);
  }
}

/** What is wrong with one option of a configuration. */
export interface ConfigurationMistake {
  /** The option's name. */
  readonly option: string;
  /** The rule that it breaks, with the way out. */
  readonly rule: string;
  /** The value, to be shown; absent for secrets, and for what is missing. */
  readonly shown?: string | undefined;
}

/** A configuration has mistakes: `mistakes` holds all of them, and the message too. `code` is `'KEEPSAKE_CONFIGURATION'`. */
export class ConfigurationError extends KeepsakeError {
  /** All mistakes. */
  readonly mistakes: readonly ConfigurationMistake[];

  constructor(message: string, details?: ErrorDetails & { readonly mistakes?: readonly ConfigurationMistake[] }) {
    super('KEEPSAKE_CONFIGURATION', message, details);
    this.mistakes = Object.freeze([...(details?.mistakes ?? [])]);
  }
}

/** An argument of the wrong type or shape. `code` is `'KEEPSAKE_INVALID_ARGUMENT'`. */
export class InvalidArgumentError extends TypeError {
  /** A stable name for the kind of failure. */
  readonly code = 'KEEPSAKE_INVALID_ARGUMENT';
}

/** An argument outside its range. `code` is `'KEEPSAKE_OUT_OF_RANGE'`. */
export class OutOfRangeError extends RangeError {
  /** A stable name for the kind of failure. */
  readonly code = 'KEEPSAKE_OUT_OF_RANGE';
}

/** Whether `error` is one of keepsake's, from any copy of the package; with `code`, whether it is that one. */
export function isKeepsakeError(error: unknown, code?: string): error is Error & { readonly code: string } {
  if (!(error instanceof Error) || !('code' in error) || typeof error.code !== 'string') return false;
  return code === undefined ? error.code.startsWith('KEEPSAKE_') : error.code === code;
}

for (const [name, errors] of Object.entries({
  KeepsakeError,
  InvalidKeyError,
  InvalidNamespaceError,
  UnsupportedError,
  ConflictError,
  ClosedError,
  TimeoutError,
  StorageError,
  CorruptDataError,
  DecryptError,
  EncodeError,
  CircuitOpenError,
  RetiredError,
  ReloadError,
  HandOverError,
  GenerationError,
  ConnectionError,
  AccessDeniedError,
  LockedError,
  RecoveryNeededError,
  NotAnIntegerError,
  DeclarationError,
  ReservedNameError,
  DuplicateNameError,
  UnregisteredClassError,
  DuplicateKeyError,
  DeletedError,
  MigrationError,
  ConfigurationError,
  InvalidArgumentError,
  OutOfRangeError,
})) {
  Object.defineProperty(errors.prototype, 'name', { value: name, configurable: true, writable: true });
}
