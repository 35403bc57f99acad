export { contract } from './contract.js';
export type { ContractOptions, ManualClock } from './options.js';
