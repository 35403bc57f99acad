export type { Connection, LinesOptions } from './connection.js';
export { type ConnectionHandler, type Connections, connections } from './connections.js';
export { type Generation, type GenerationOptions, joinSupervisor } from './generation.js';
export type { BackOffOptions, SupervisorOptions } from './options.js';
export {
  type Crash,
  type GenerationReport,
  Supervisor,
  type SupervisorEvents,
} from './supervisor.js';
