import { Compile } from 'typebox/compile';
import { Failure } from '../failure.ts';
import { BitcoinNetworkPolicy, EvmNetworkPolicy, Policy, SignedPolicy } from './policy.ts';

const PolicySchema = Compile(Policy);
const SignedPolicySchema = Compile(SignedPolicy);
const families = { evm: Compile(EvmNetworkPolicy), bitcoin: Compile(BitcoinNetworkPolicy) };

/** Reads a policy from parsed JSON. @throws Failure policy-invalid that names the first place that does not fit. */
export function parsePolicy(value: unknown): Policy {
  if (PolicySchema.Check(value)) return value;
  throw misfit(value, PolicySchema.Errors(value), '');
}

/** Reads a policy with its signatures, which are not verified here. @throws Failure policy-invalid, as `parsePolicy`. */
export function parseSignedPolicy(value: unknown): SignedPolicy {
  if (SignedPolicySchema.Check(value)) return value;
  const { policy } = (value ?? {}) as { policy?: unknown };
  throw misfit(policy, SignedPolicySchema.Errors(value), '/policy');
}

interface SchemaError {
  readonly instancePath: string;
  readonly message: string;
}

/** @param base pointer to the policy in what was read. */
function misfit(policy: unknown, errors: readonly SchemaError[], base: string): Failure {
  const first = errors[0];
  const [, index] = /\/networks\/([0-9]+)/.exec(first?.instancePath ?? '') ?? [];
  // Of a network the schema only says that no family fits; its own family says what is wrong.
  const inNetwork = index === undefined ? undefined : networkError(policy, Number(index));
  const pointer = inNetwork ? `${base}/networks/${index}${inNetwork.instancePath}` : (first?.instancePath ?? '');
  const said = (inNetwork ?? first)?.message ?? 'does not fit the schema';
  const message = said === 'schema is false' ? 'is not a known field' : said;
  return new Failure('policy-invalid', `policy file: ${pointer === '' ? 'the whole' : pointer} ${message}`, {
    pointer,
  });
}

function networkError(policy: unknown, index: number): SchemaError | undefined {
  const network = (policy as { networks: { family?: unknown }[] }).networks[index];
  const family = network?.family;
  return family === 'evm' || family === 'bitcoin' ? families[family].Errors(network)[0] : undefined;
}
