import { expect } from 'chai';
import * as keepsake from 'keepsake';
import { InvalidArgumentError, isKeepsakeError, KeepsakeError, OutOfRangeError, StorageError } from 'keepsake';

const classes = Object.entries(keepsake).filter(([name]) => name.endsWith('Error') && name !== 'KeepsakeError') as [
  string,
  new (message: string, details?: object) => Error & { code: string; retryable?: boolean },
][];
const builtIn = ['InvalidArgumentError', 'OutOfRangeError'];

describe('errors', () => {
  it('have one code each, and their class for a name', () => {
    const codes = new Set<string>();
    for (const [name, Class] of classes.filter(([name]) => !name.startsWith('is'))) {
      const error = new Class('why');
      expect(error.name).to.equal(name);
      expect(error.message).to.equal('why');
      expect(error.code, name).to.match(/^KEEPSAKE_[A-Z_]+$/);
      expect(codes.has(error.code), `${error.code} is taken`).to.equal(false);
      codes.add(error.code);
      expect(String(error)).to.equal(`${name}: why`);
      expect(error.stack).to.include(name);
      expect(Object.keys(error), 'the name is on the prototype').to.not.include('name');
      if (!builtIn.includes(name)) expect(error).to.be.instanceOf(KeepsakeError);
    }
    expect(codes.size).to.be.greaterThan(18);
  });

  it('are a TypeError or a RangeError for mistakes in arguments', () => {
    expect(new InvalidArgumentError('why')).to.be.instanceOf(TypeError);
    expect(new OutOfRangeError('why')).to.be.instanceOf(RangeError);
  });

  it('carry operation, key, path and cause', () => {
    const cause = new Error('below');
    const error = new StorageError('why', { operation: 'set', key: 'k', path: '/p', cause });
    expect({ ...error }).to.include({ operation: 'set', key: 'k', path: '/p', retryable: false });
    expect(error.cause).to.equal(cause);
    expect('cause' in new StorageError('why')).to.equal(false);
  });

  it('say whether another try may help', () => {
    const retryable = classes.filter(([, Class]) => new Class('why').retryable === true).map(([name]) => name);
    expect(retryable.sort()).to.deep.equal(['CircuitOpenError', 'ConflictError', 'LockedError', 'TimeoutError']);
    expect(new StorageError('why', { retryable: true }).retryable).to.equal(true);
  });

  it('are recognised by code, from another copy of the package too', () => {
    expect(isKeepsakeError(new StorageError('why'))).to.equal(true);
    expect(isKeepsakeError(new StorageError('why'), 'KEEPSAKE_STORAGE')).to.equal(true);
    expect(isKeepsakeError(new StorageError('why'), 'KEEPSAKE_CLOSED')).to.equal(false);
    expect(isKeepsakeError(new OutOfRangeError('why'))).to.equal(true);
    expect(isKeepsakeError(Object.assign(new Error('why'), { code: 'KEEPSAKE_CLOSED' }), 'KEEPSAKE_CLOSED')).to.equal(
      true,
    );
    for (const other of [
      new Error('why'),
      Object.assign(new Error('why'), { code: 'ENOENT' }),
      { code: 'KEEPSAKE_CLOSED' },
      null,
      undefined,
      'text',
    ]) {
      expect(isKeepsakeError(other)).to.equal(false);
    }
  });
});
