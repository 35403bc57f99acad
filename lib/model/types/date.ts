import { OwnType } from './field-type.js';
import { misfit } from './misfit.js';

/** A `Date`, as text such as `"2026-01-31T12:00:00.000Z"`. */
export class DateType extends OwnType<Date> {
  override encode(value: Date): string {
    if (!(value instanceof Date) || Number.isNaN(value.getTime())) throw misfit(value, 'a valid Date');
    return value.toISOString();
  }

  override decode(form: unknown): Date {
    const date = new Date(typeof form === 'string' ? form : Number.NaN);
    if (Number.isNaN(date.getTime())) throw misfit(form, 'a date such as "2026-01-31T12:00:00.000Z"');
    return date;
  }
}
