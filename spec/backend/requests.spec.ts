import { expect } from 'chai';
import { Requests } from '#lib/backend/requests.js';
import { failure } from '../support/failure.js';

describe('Requests', () => {
  const explain = (error: unknown, where: string) => new Error(`${where}: ${String(error)}`);

  it('gives what a request gives, and explains what it rejects with', async () => {
    const requests = new Requests('the server', 60_000, explain);
    expect(await requests.run(async () => 5)).to.equal(5);
    const error = await failure(() => requests.run(() => Promise.reject('no')));
    expect((error as Error).message).to.equal('the server: no');
    await requests.close();
  });

  it('rejects what takes too long, and tells the request so', async () => {
    const requests = new Requests('the server', 20, explain);
    let told: AbortSignal | undefined;
    const error = await failure(() =>
      requests.run((signal) => {
        told = signal;
        return new Promise(() => undefined);
      }),
    );
    expect(error).to.include({ code: 'KEEPSAKE_TIMEOUT', retryable: true });
    expect(told?.aborted).to.equal(true);
    await requests.close();
  });

  it('waits when it is closed for what is under way, and takes no more', async () => {
    const requests = new Requests('the server', 60_000, explain);
    let answer: (value: string) => void = () => undefined;
    const asked = requests.run(
      () =>
        new Promise<string>((resolve) => {
          answer = resolve;
        }),
    );
    let closed = false;
    const closing = requests.close().then(() => {
      closed = true;
    });
    expect(await failure(() => requests.run(async () => 5))).to.include({ code: 'KEEPSAKE_CLOSED' });
    expect(closed).to.equal(false);
    answer('late');
    expect(await asked).to.equal('late');
    await closing;
    expect(closed).to.equal(true);
  });

  it('leaves no rejection unheard that comes after its time', async () => {
    const requests = new Requests('the server', 10, explain);
    let fail: (error: unknown) => void = () => undefined;
    await failure(() =>
      requests.run(
        () =>
          new Promise((_, reject) => {
            fail = reject;
          }),
      ),
    );
    fail(new Error('late'));
    await requests.close();
  });
});
