import fc from 'fast-check';

/** The part of JSON Schema that our messages are described by. */
export interface JsonSchema {
  readonly type?: string;
  readonly const?: string | number | boolean | null;
  readonly anyOf?: readonly JsonSchema[];
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: boolean;
  readonly items?: JsonSchema | readonly JsonSchema[];
  readonly additionalItems?: boolean;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly pattern?: string;
}

/** Lists and texts of samples are short; what a schema demands is kept. */
const few = 3;

/**
 * Values that fit a schema.
 * @param optional whether objects have the fields that they need not have.
 */
export function samplesOf(schema: JsonSchema, optional: 'all' | 'none'): fc.Arbitrary<unknown> {
  if (schema.const !== undefined) return fc.constant(schema.const);
  if (schema.anyOf) return fc.oneof(...schema.anyOf.map((one) => samplesOf(one, optional)));
  switch (schema.type ?? 'unknown') {
    case 'object':
      return objects(schema, optional);
    case 'array':
      return arrays(schema, optional);
    case 'string':
      return texts(schema);
    case 'integer':
      return fc.integer({
        min: schema.minimum ?? 0,
        max: Math.min(schema.maximum ?? Infinity, (schema.minimum ?? 0) + 1e9),
      });
    case 'boolean':
      return fc.boolean();
    case 'null':
      return fc.constant(null);
    default:
      throw new Error(`no samples of ${JSON.stringify(schema)}`);
  }
}

function objects({ properties = {}, required = [] }: JsonSchema, optional: 'all' | 'none'): fc.Arbitrary<unknown> {
  const names = optional === 'all' ? Object.keys(properties) : required;
  return fc.record(Object.fromEntries(names.map((name) => [name, samplesOf(properties[name]!, optional)])));
}

function arrays(schema: JsonSchema, optional: 'all' | 'none'): fc.Arbitrary<unknown> {
  const { items = {}, minItems = 0, maxItems = few } = schema;
  if (Array.isArray(items)) return fc.tuple(...(items as readonly JsonSchema[]).map((one) => samplesOf(one, optional)));
  const item = samplesOf(items as JsonSchema, optional);
  return fc.array(item, { minLength: minItems, maxLength: Math.max(minItems, Math.min(maxItems, few)) });
}

function texts({ pattern, minLength = 0, maxLength = 20 }: JsonSchema): fc.Arbitrary<string> {
  if (pattern === undefined) return fc.string({ minLength, maxLength: Math.max(minLength, Math.min(maxLength, 20)) });
  return fc.stringMatching(new RegExp(pattern), { size: 'xsmall' });
}
