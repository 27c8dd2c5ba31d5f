import { readFileSync } from 'node:fs';
import { routes } from '@holdfast/core/contract/routes.ts';
import { expect, test } from 'vitest';
import { generateOpenapi } from './generate-openapi.ts';

interface Document {
  readonly openapi: string;
  readonly paths: Record<
    string,
    Record<string, { operationId: string; security: unknown; responses: Record<string, unknown> }>
  >;
}

test('the committed description is the generated one; npm run openapi writes it', async () => {
  const committed = readFileSync(new URL('../../../docs/openapi.json', import.meta.url), 'utf8');
  expect(committed).toBe(await generateOpenapi());
});

test('every route is described with its scope and its status', async () => {
  const document = JSON.parse(await generateOpenapi()) as Document;
  expect(document.openapi).toBe('3.1.0');
  for (const [name, route] of Object.entries(routes)) {
    const operation = document.paths[route.path]?.[route.method.toLowerCase()];
    expect(operation).toMatchObject({ operationId: name, security: [{ httpMessageSignature: [route.scope] }] });
    expect(Object.keys(operation!.responses)).toEqual([String(route.status), 'default']);
  }
  const described = Object.values(document.paths).flatMap((methods) => Object.keys(methods));
  expect(described.length).toBe(Object.keys(routes).length + 1); // and the event stream
});

test('every reference leads to a schema', async () => {
  const text = await generateOpenapi();
  const names = [...text.matchAll(/"\$ref": "#\/components\/schemas\/([A-Za-z]+)"/g)].map((match) => match[1]!);
  const { components } = JSON.parse(text) as { components: { schemas: Record<string, unknown> } };
  expect(names.length).toBeGreaterThan(50);
  expect(new Set(names)).toEqual(new Set(Object.keys(components.schemas)));
});
