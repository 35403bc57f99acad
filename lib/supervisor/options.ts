import { checkOptions } from '../backend/checks.js';
import { type Duration, toMilliseconds } from '../backend/duration.js';
import { InvalidArgumentError, OutOfRangeError } from '../errors.js';
import { show } from '../show.js';

/** How long a supervisor waits before it starts a program again that ended by itself. */
export interface BackOffOptions {
  /** Before the first time; 100 ms by default. Doubled each time. */
  readonly initial?: Duration | undefined;
  /** At most; 30 seconds by default. */
  readonly maximum?: Duration | undefined;
  /** How long a generation must have served for the next wait to be the first one again; 60 seconds by default. */
  readonly resetAfter?: Duration | undefined;
}

/** Options of a `Supervisor`. */
export interface SupervisorOptions {
  /** The program: the path of a module that calls `joinSupervisor`. */
  readonly program: string;
  /** Called before each generation is started, for instance to build the program. When it fails, the present generation goes on. */
  readonly prepare?: (() => unknown) | undefined;
  /** Its arguments; none by default. */
  readonly args?: readonly string[] | undefined;
  /** Node's arguments, such as `['--enable-source-maps']`; those of this process by default. */
  readonly execArgv?: readonly string[] | undefined;
  /** Its environment; that of this process by default. */
  readonly env?: NodeJS.ProcessEnv | undefined;
  /** Its working directory; that of this process by default. */
  readonly cwd?: string | undefined;
  /** `'inherit'`, the default, passes its output on; of `'ignore'`, the end of the standard error is in the errors all the same. */
  readonly output?: 'inherit' | 'ignore' | undefined;
  /** How long a new generation may take to load, and from the take-over until it is ready; 30 seconds by default. */
  readonly readyTimeout?: Duration | undefined;
  /** How long the former generation may take to hand over; 10 seconds by default. */
  readonly handOverTimeout?: Duration | undefined;
  /** How long a generation may take to end before it is killed; 30 seconds by default. */
  readonly stopTimeout?: Duration | undefined;
  /**
   * Files and folders whose changes start the next generation; none by default. Folders with all that is in them, but for those called `node_modules` or with a dot in
   * front. Not what `prepare` writes, which would begin again for ever.
   */
  readonly watch?: readonly string[] | undefined;
  /** How long no file must have changed before the next generation starts; 100 ms by default. */
  readonly watchDelay?: Duration | undefined;
  /** Whether SIGHUP starts the next generation, and SIGTERM and SIGINT stop the supervisor and end its process; `true` by default. */
  readonly signals?: boolean | { readonly restart: boolean; readonly stop: boolean } | undefined;
  /** How a program that ends by itself is started again. */
  readonly backOff?: BackOffOptions | undefined;
  /**
   * What becomes of the connections of a generation that ended by itself: what it had received and not dealt with is lost. `'close'`, the default, lets their
   * clients notice; `'keep'` leaves them to the next generation.
   */
  readonly afterCrash?: 'close' | 'keep' | undefined;
  /** How many connections there may be; more are refused. 10,000 by default. */
  readonly maximumConnections?: number | undefined;
  /** How many bytes may wait for a client that does not read, before its connection is closed; 16 MiB by default. */
  readonly maximumUnsent?: number | undefined;
}

const NAMES = [
  ...[
    'program',
    'prepare',
    'args',
    'execArgv',
    'env',
    'cwd',
    'output',
    'readyTimeout',
    'handOverTimeout',
    'stopTimeout',
    'watch',
  ],
  ...['watchDelay', 'signals', 'backOff', 'afterCrash', 'maximumConnections', 'maximumUnsent'],
];

/** The settings of a supervisor, checked, with times in milliseconds. */
export type Settings = ReturnType<typeof toSettings>;

/**
 * Checks the options of a supervisor.
 * @throws InvalidArgumentError, OutOfRangeError
 */
export function toSettings(options: SupervisorOptions) {
  checkOptions(options, NAMES, 'Supervisor');
  const { program, output = 'inherit', afterCrash = 'close', signals = true, backOff = {} } = options;
  if (typeof program !== 'string' || program === '') {
    throw new InvalidArgumentError(`Supervisor: program must be the path of a module; got ${show(program)}`);
  }
  if (options.prepare !== undefined && typeof options.prepare !== 'function') {
    throw new InvalidArgumentError(`Supervisor: prepare must be a function; got ${show(options.prepare)}`);
  }
  if (output !== 'inherit' && output !== 'ignore') {
    throw new InvalidArgumentError(`Supervisor: output must be 'inherit' or 'ignore'; got ${show(output)}`);
  }
  if (afterCrash !== 'close' && afterCrash !== 'keep') {
    throw new InvalidArgumentError(`Supervisor: afterCrash must be 'close' or 'keep'; got ${show(afterCrash)}`);
  }
  if (typeof signals !== 'boolean') checkOptions(signals, ['restart', 'stop'], 'Supervisor: signals');
  checkOptions(backOff, ['initial', 'maximum', 'resetAfter'], 'Supervisor: backOff');
  return {
    program: {
      program,
      args: texts(options.args ?? [], 'args'),
      execArgv: texts(options.execArgv ?? process.execArgv, 'execArgv'),
      env: options.env ?? process.env,
      cwd: options.cwd,
      output,
    },
    prepare: options.prepare,
    readyTimeout: time(options.readyTimeout ?? 30_000, 'readyTimeout'),
    handOverTimeout: time(options.handOverTimeout ?? 10_000, 'handOverTimeout'),
    stopTimeout: time(options.stopTimeout ?? 30_000, 'stopTimeout'),
    watch: texts(options.watch ?? [], 'watch'),
    watchDelay: time(options.watchDelay ?? 100, 'watchDelay'),
    signals: typeof signals === 'boolean' ? { restart: signals, stop: signals } : signals,
    backOff: {
      initial: time(backOff.initial ?? 100, 'backOff.initial'),
      maximum: time(backOff.maximum ?? 30_000, 'backOff.maximum'),
      resetAfter: time(backOff.resetAfter ?? 60_000, 'backOff.resetAfter'),
    },
    keepAfterCrash: afterCrash === 'keep',
    relay: {
      maximumConnections: count(options.maximumConnections ?? 10_000, 'maximumConnections'),
      maximumUnsent: count(options.maximumUnsent ?? 16 * 1024 * 1024, 'maximumUnsent'),
    },
  };
}

/** What a timer of Node holds. */
const MAXIMUM_DELAY = 2 ** 31 - 1;

function time(duration: Duration, name: string): number {
  return Math.min(toMilliseconds(duration, name), MAXIMUM_DELAY);
}

function count(value: number, name: string): number {
  if (Number.isSafeInteger(value) && value > 0) return value;
  throw new OutOfRangeError(`Supervisor: ${name} must be a positive integer; got ${show(value)}`);
}

function texts(value: readonly string[], name: string): readonly string[] {
  if (Array.isArray(value) && value.every((one) => typeof one === 'string')) return value;
  throw new InvalidArgumentError(`Supervisor: ${name} must be an array of text; got ${show(value)}`);
}
