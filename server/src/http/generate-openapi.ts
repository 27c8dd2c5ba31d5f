import { buildHttp } from './build-http.ts';
import type { Operations } from './operations.ts';

const unused = (): never => {
  throw new Error('the description is generated without calling anything');
};

/** Text of docs/openapi.json: what GET /openapi.json answers. */
export async function generateOpenapi(): Promise<string> {
  const app = await buildHttp({} as Operations, {
    keys: [],
    idempotency: { begin: unused, complete: unused, release: unused },
    now: unused,
    newId: () => '',
  });
  const response = await app.inject('/openapi.json');
  await app.close();
  return `${JSON.stringify(response.json(), null, 2)}\n`;
}
