/** A clock that only moves when told to. */
export class TestClock {
  #time = Date.UTC(2030, 0, 1);

  readonly now = (): number => this.#time;

  advance(milliseconds: number): void {
    this.#time += milliseconds;
  }
}
