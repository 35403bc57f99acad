import fastifyCookie from '@fastify/cookie';
import fastifySession from '@fastify/session';
import { getRequestListener } from '@hono/node-server';
import { useSession, useSessionStorage } from '@hono/session';
import express from 'express';
import expressSession from 'express-session';
import fastify from 'fastify';
import { Hono } from 'hono';
import { type Session, sessionMiddleware } from 'hono-sessions';
import type { BackendSource } from 'keepsake/express';
import { ExpressSessionStore } from 'keepsake/express';
import { FastifySessionStore } from 'keepsake/fastify';
import { HonoSessionStorage, HonoSessionStore } from 'keepsake/hono';
import { type Signal, type Site, serve } from './web.js';

const SECRET = 'a secret that is long enough for all of them';
const LIFETIME = 3_600_000;

/** The gates of the pages: what `/held` waits for, and who hears that it waits. */
export interface Gates {
  readonly open: Signal;
  arrived(): void;
}

/** What a session is asked for, whatever the framework. */
interface Data {
  get(name: string): unknown;
  set(name: string, value: unknown): Promise<void> | void;
  destroy(): Promise<void> | void;
}

/**
 * The pages of every application: `/login/:name` and `/set/:value` change the session, `/me` and `/held` read it, the latter once the gate is
 * open, `/logout` destroys it.
 */
async function page(path: string, session: Data, gates: Gates): Promise<[number, string]> {
  const [, what, value = ''] = path.split('/');
  if (what === 'login') await session.set('name', value);
  if (what === 'set') await session.set('value', value);
  if (what === 'logout') {
    await session.destroy();
    return [200, 'bye'];
  }
  const name = session.get('name');
  const found: [number, string] = name == null ? [401, 'who?'] : [200, `${name} ${session.get('value') ?? '-'}`];
  if (what === 'held') {
    gates.arrived();
    await gates.open.given;
  }
  return found;
}

/** An application with sessions in a backend. */
export interface SessionApp {
  readonly name: string;
  /** Whether reading a session makes it live longer. */
  readonly renews: boolean;
  /** Whether a read that fails is told, or makes a new session. */
  readonly tellsFailures: boolean;
  start(backend: BackendSource<unknown>, gates: Gates): Promise<Site>;
}

declare module 'express-session' {
  interface SessionData {
    [name: string]: unknown;
  }
}

const withExpress: SessionApp = {
  name: 'express-session',
  renews: true,
  tellsFailures: true,
  start: (backend, gates) => {
    const app = express();
    const store = new ExpressSessionStore({ backend });
    const cookie = { maxAge: LIFETIME };
    app.use(expressSession({ store, secret: SECRET, resave: false, saveUninitialized: false, rolling: true, cookie }));
    app.use(async (request, response) => {
      const { session } = request;
      const [status, text] = await page(
        request.path,
        {
          get: (name) => session[name],
          set: (name, value) => {
            session[name] = value;
          },
          destroy: () =>
            new Promise<void>((resolve, reject) => {
              session.destroy((error) => (error ? reject(error) : resolve()));
            }),
        },
        gates,
      );
      response.status(status).send(text);
    });
    app.use((error: Error, _request: express.Request, response: express.Response, _next: express.NextFunction) => {
      response.status(500).send(String((error as { code?: string }).code));
    });
    return serve(app);
  },
};

const withFastify = (rolling: boolean): SessionApp => ({
  name: `@fastify/session, ${rolling ? 'rolling' : 'not rolling'}`,
  renews: rolling,
  tellsFailures: true,
  start: async (backend, gates) => {
    const app = fastify();
    app.register(fastifyCookie);
    app.register(fastifySession, {
      store: new FastifySessionStore({ backend }),
      secret: SECRET,
      rolling,
      saveUninitialized: false,
      cookie: { secure: false, maxAge: LIFETIME },
    });
    app.get('/*', async (request, reply) => {
      const session = request.session as unknown as Record<string, unknown> & { destroy(): Promise<void> };
      const [status, text] = await page(
        request.url,
        {
          get: (name) => session[name],
          set: (name, value) => {
            session[name] = value;
          },
          destroy: () => session.destroy(),
        },
        gates,
      );
      return reply.code(status).send(text);
    });
    app.setErrorHandler((error, _request, reply) => {
      reply.code(500).send(String((error as { code?: string }).code));
    });
    const url = await app.listen({ host: '127.0.0.1', port: 0 });
    return { url, close: () => app.close() };
  },
});

const withHonoSessions = (renews: boolean): SessionApp => ({
  name: `hono-sessions, ${renews ? 'extending' : 'not extending'}`,
  renews,
  tellsFailures: false,
  start: (backend, gates) => {
    const app = new Hono<{ Variables: { session: Session; session_key_rotation: boolean } }>();
    app.use(
      sessionMiddleware({
        store: new HonoSessionStore({ backend }),
        encryptionKey: SECRET,
        expireAfterSeconds: LIFETIME / 1000,
        autoExtendExpiration: renews,
      }),
    );
    app.onError((error, context) => context.text(String((error as { code?: string }).code), 500));
    app.get('/*', async (context) => {
      const session = context.get('session');
      const data = {
        get: (name: string) => session.get(name),
        set: (name: string, value: unknown) => session.set(name, value),
        destroy: () => session.deleteSession(),
      };
      const [status, text] = await page(context.req.path, data, gates);
      return context.text(text, status as 200);
    });
    return serve(getRequestListener(app.fetch));
  },
});

const withHonoSession: SessionApp = {
  name: '@hono/session',
  renews: true,
  tellsFailures: true,
  start: (backend, gates) => {
    const app = new Hono();
    const storage = new HonoSessionStorage({ backend, rolling: true });
    app.use(useSessionStorage(storage), useSession({ secret: SECRET }) as never);
    app.onError((error, context) => context.text(String((error as { code?: string }).code), 500));
    app.get('/*', async (context) => {
      const session = context.get('session' as never) as {
        get(): Promise<Record<string, unknown> | null>;
        update(change: (data: Record<string, unknown> | null) => Record<string, unknown>): Promise<void>;
        delete(): void;
      };
      let found = await session.get();
      const data = {
        get: (name: string) => found?.[name],
        set: async (name: string, value: unknown) => {
          await session.update((before) => ({ ...before, [name]: value }));
          found = { ...found, [name]: value };
        },
        destroy: () => session.delete(),
      };
      const [status, text] = await page(context.req.path, data, gates);
      return context.text(text, status as 200);
    });
    return serve(getRequestListener(app.fetch));
  },
};

/** Every framework's own application. */
export const sessionApps: readonly SessionApp[] = [
  withExpress,
  withFastify(true),
  withFastify(false),
  withHonoSessions(true),
  withHonoSessions(false),
  withHonoSession,
];
