import type { FastifyDynamicSwaggerOptions } from '@fastify/swagger';
import { errorCodes } from '@holdfast/core/contract/error-codes.ts';
import { scopes } from '@holdfast/core/contract/route.ts';

/** Options of @fastify/swagger: OpenAPI 3.1 from the schemas that the routes are registered with. */
export function openapiOptions(): FastifyDynamicSwaggerOptions {
  return {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Holdfast API',
        version: '1',
        description: [
          'Amounts are decimal strings of base units, times RFC 3339 UTC, networks CAIP-2, assets our codes with their CAIP-19 ids.',
          'Lists take `limit` (1 to 200) and `cursor`. Every POST takes an Idempotency-Key.',
          'Errors are RFC 9457 problem details with a stable `code`:',
          Object.keys(errorCodes)
            .map((code) => `\`${code}\``)
            .join(', '),
        ].join('\n\n'),
        license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
      },
      components: {
        securitySchemes: {
          httpMessageSignature: {
            type: 'http',
            scheme: 'signature',
            description:
              'RFC 9421 with Ed25519 over @method, @target-uri, content-digest (RFC 9530) and idempotency-key; parameters ' +
              `created, keyid, nonce; valid for 60 s. Scopes: ${scopes.join(', ')}.`,
          },
        },
      },
    },
  };
}

type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/**
 * The generated document with every resource once: a schema that names itself, by the constant of its `object`
 * property or by its title, moves to components/schemas and is referred to.
 */
export function tidyOpenapi(document: unknown): { [key: string]: Json } {
  const plain = JSON.parse(JSON.stringify(document)) as { [key: string]: Json };
  const schemas: { [key: string]: Json } = {};
  const tidied = hoist(plain, schemas, undefined) as { [key: string]: { [key: string]: Json } };
  const sorted = Object.fromEntries(Object.entries(schemas).sort(([a], [b]) => (a < b ? -1 : 1)));
  tidied['components'] = { ...tidied['components'], schemas: sorted };
  return tidied;
}

function hoist(value: Json, schemas: { [key: string]: Json }, key: string | undefined): Json {
  if (Array.isArray(value)) return value.map((item) => hoist(item, schemas, undefined));
  if (typeof value !== 'object' || value === null) return value;
  const walked = Object.fromEntries(
    Object.entries(value).map(([name, member]) => [name, hoist(member, schemas, name)]),
  );
  // `properties` maps names to schemas and is itself none.
  const name = key === 'properties' ? undefined : nameOf(value);
  if (name === undefined) return walked;
  const known = schemas[name];
  if (known === undefined) schemas[name] = walked;
  else if (JSON.stringify(known) !== JSON.stringify(walked)) return walked;
  return { $ref: `#/components/schemas/${name}` };
}

function nameOf(schema: { [key: string]: Json }): string | undefined {
  if (schema['type'] !== 'object') return undefined;
  if (typeof schema['title'] === 'string') return schema['title'];
  const properties = schema['properties'] as { [key: string]: { enum?: string[] } } | undefined;
  // The generator writes a constant as an enumeration of one.
  const kind = properties?.['object']?.enum?.[0];
  if (kind === undefined || kind === 'list') return undefined;
  return kind
    .split('_')
    .map((word) => word.charAt(0).toUpperCase() + word.slice(1))
    .join('');
}
