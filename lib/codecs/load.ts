import { createRequire } from 'node:module';
import { UnsupportedError } from '../errors.js';

const require = createRequire(import.meta.url);

/**
 * Loads a module of a package that is installed only where it is used.
 * @param what what needs it, for the message
 * @throws UnsupportedError that names the package, where it is not installed
 */
export function load<T>(module: string, what: string): T {
  try {
    return require(module) as T;
  } catch (error) {
    throw explain(error, module, what);
  }
}

/** The same by `import`, for a package of which the caller and keepsake must share one copy: `() => import('name')`. */
export async function loadModule<T>(importing: () => Promise<T>, name: string, what: string): Promise<T> {
  try {
    return await importing();
  } catch (error) {
    throw explain(error, name, what);
  }
}

function explain(error: unknown, module: string, what: string): unknown {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  if (code !== 'MODULE_NOT_FOUND' && code !== 'ERR_MODULE_NOT_FOUND') return error;
  const [name] = /^(@[^/]+\/)?[^/]+/.exec(module) ?? [module];
  return new UnsupportedError(`${what} needs the package ${name}, which is not installed: npm install ${name}`, {
    cause: error,
  });
}
