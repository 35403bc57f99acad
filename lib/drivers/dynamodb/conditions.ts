import type { Condition } from '../../backend/driver.js';
import type { Item } from './items.js';

/** A condition, with the names and values that it is about. DynamoDB refuses names and values that stand in none. */
export interface Expression {
  readonly text: string;
  readonly names: Readonly<Record<string, string>>;
  readonly values: Item;
}

const nameOfKey = { '#key': 'key' };
const nameOfDeadline = { '#expiresAt': 'expiresAt' };

/** That there is an item which has not expired. */
export function live(now: number): Expression {
  return {
    text: 'attribute_exists(#key) AND (attribute_not_exists(#expiresAt) OR #expiresAt > :now)',
    names: { ...nameOfKey, ...nameOfDeadline },
    values: { ':now': { N: String(now) } },
  };
}

/** That there is an item which has expired. */
export function expired(now: number): Expression {
  return { text: '#expiresAt <= :now', names: nameOfDeadline, values: { ':now': { N: String(now) } } };
}

/** What must hold for a write or a delete. */
export function conditionOf(condition: Condition, now: number): Expression {
  if (condition === 'absent') {
    const { text, names, values } = expired(now);
    return { text: `attribute_not_exists(#key) OR ${text}`, names: { ...names, ...nameOfKey }, values };
  }
  if (condition === 'present') return live(now);
  const version = {
    text: '#version = :version',
    names: { '#version': 'version' },
    values: { ':version': { S: condition.version } },
  };
  return both(live(now), version);
}

/** That the key starts with a prefix. */
export function startsWith(prefix: string): Expression {
  return { text: 'begins_with(#key, :prefix)', names: nameOfKey, values: { ':prefix': { S: prefix } } };
}

/** That both hold. */
export function both(one: Expression, other: Expression): Expression {
  return {
    text: `(${one.text}) AND ${other.text}`,
    names: { ...one.names, ...other.names },
    values: { ...one.values, ...other.values },
  };
}
