import { expect } from 'chai';
import { mysql, postgres } from 'keepsake/sql';
import { failure } from '../../support/failure.js';
import { FaultProxy } from '../../support/fault-proxy.js';
import { faults } from '../../support/faults.js';
import { startMysql } from '../../support/servers/mysql.js';
import { startPostgres } from '../../support/servers/postgres.js';
import { type Server, useServer } from '../../support/servers/server.js';
import { newTable } from '../../support/sql.js';

describe('postgres', () => {
  faults({
    start: startPostgres,
    target: ({ url }) => target(url),
    open: ({ host, port }, timeout, { url }) => postgres(through(url, host, port), { timeout }),
    openWithWrongPassword: ({ url }) => postgres(withPassword(url, 'wrong')),
  });
});

describe('mysql', () => {
  faults({
    start: startMysql,
    target: ({ url }) => target(url),
    open: ({ host, port }, timeout, { url }) => mysql(through(url, host, port), { timeout }),
    openWithWrongPassword: ({ url }) => mysql(withPassword(url, 'wrong')),
  });
});

for (const [name, start, connect] of [
  ['postgres', startPostgres, postgres],
  ['mysql', startMysql, mysql],
] as const) {
  describe(`${name}: setMany of what several statements carry`, function () {
    this.timeout(60_000);
    const using = useServer<Server & { readonly url: string }>(start);

    it('stores all or nothing, wherever the connection ends', async () => {
      const { url } = using.server;
      const proxy = await FaultProxy.before(target(url));
      const outcomes = new Set<number>();
      const table = newTable();
      const straight = connect(url, { table });
      for (let cut = 0; cut < 24; cut++) {
        const backend = connect(through(url, proxy.host, proxy.port), { table, timeout: '5s' });
        await backend.get('open');
        proxy.endAfter(cut * 40);
        const entries = Array.from({ length: 2500 }, (_, index) => [`key-${index}`, `value ${cut}`] as const);
        const error = await failure(() => backend.setMany(entries, { atomic: true })).catch(() => undefined);
        if (error !== undefined) expect(error).to.include({ code: 'KEEPSAKE_CONNECTION', operation: 'setMany' });
        const stored = await straight.getMany(entries.map(([key]) => key));
        const count = stored.filter((value) => value && Buffer.from(value).toString() === `value ${cut}`).length;
        expect(count, `after ${cut * 40} bytes of answers`).to.be.oneOf([0, 2500]);
        if (error === undefined) expect(count).to.equal(2500);
        outcomes.add(count);
        await backend.close();
        proxy.endAfter(Number.MAX_SAFE_INTEGER);
      }
      expect([...outcomes].sort()).to.deep.equal([0, 2500]);
      await straight.clear();
      await straight.close();
      await proxy.close();
    });
  });
}

function target(text: string): { host: string; port: number } {
  const { hostname, port } = new URL(text);
  return { host: hostname, port: Number(port) };
}

function through(text: string, host: string, port: number): string {
  const url = new URL(text);
  url.host = `${host}:${port}`;
  return url.href;
}

function withPassword(text: string, password: string): string {
  const url = new URL(text);
  url.password = password;
  return url.href;
}
