import { createRequire } from 'node:module';
import { UnsupportedError } from '../errors.js';

const require = createRequire(import.meta.url);

/**
 * Loads a package that is installed only where it is used.
 * @throws UnsupportedError that names the package, where it is not installed
 */
export function load<T>(name: string, what: string): T {
  try {
    return require(name) as T;
  } catch (error) {
    throw isMissing(error) ? missing(name, what, error) : error;
  }
}

/** The same for a package whose modules the caller may import too, so that both have one copy: `() => import('name')`. */
export async function loadModule<T>(name: string, what: string, module: () => Promise<T>): Promise<T> {
  try {
    return await module();
  } catch (error) {
    throw isMissing(error) ? missing(name, what, error) : error;
  }
}

function isMissing(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return code === 'MODULE_NOT_FOUND' || code === 'ERR_MODULE_NOT_FOUND';
}

function missing(name: string, what: string, cause: unknown): UnsupportedError {
  return new UnsupportedError(`${what} needs the package ${name}, which is not installed: npm install ${name}`, {
    cause,
  });
}
