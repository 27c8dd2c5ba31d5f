import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { signHalt } from '@holdfast/client/sign-record.ts';
import { Failure } from '@holdfast/core/failure.ts';
import { assetPolicies } from '@holdfast/core/policy/network-of.ts';
import type { Policy } from '@holdfast/core/policy/policy.ts';
import { type HaltScope, type HaltStatement, SignedHalt } from '@holdfast/core/signing/halt.ts';
import { statementDigestHex } from '@holdfast/core/signing/statement.ts';
import { type FileCommand, given, type OptionValues } from './command.ts';
import { readKey } from './config.ts';
import { scopeText } from './halts.ts';
import { readPolicyFile } from './policy-file.ts';
import { publicKeyHex } from './public-key-hex.ts';
import { fitJson } from './read-json-file.ts';

const usage = 'FILE --policy FILE --key KEY --key-id ID [--network CAIP-2 [--asset CAIP-19]] [--pause] [--reason TEXT]';

/**
 * `holdfast halt-token FILE`: makes a token offline, to keep where it can be reached on the worst day. Makes none that the
 * signers would refuse by this policy, or that would stop nothing.
 */
export const haltToken: FileCommand = {
  summary: 'sign a halt in advance, offline',
  usage: [usage],
  options: {
    policy: { type: 'string' },
    key: { type: 'string' },
    'key-id': { type: 'string' },
    network: { type: 'string' },
    asset: { type: 'string' },
    reason: { type: 'string' },
    pause: { type: 'boolean' },
  },
  async run([file, ...more], values) {
    const { key, 'key-id': keyId, policy: policyFile, reason } = given(values, 'key', 'key-id', 'policy', 'reason');
    if (file === undefined || more.length > 0 || key === undefined || keyId === undefined || policyFile === undefined)
      throw new Failure('invalid-request', `usage: holdfast halt-token ${usage}`);
    const { policy } = readPolicyFile(policyFile);
    const privateKey = readKey(key);
    if (policy.halt_keys.find((one) => one.key_id === keyId)?.public_key !== publicKeyHex(privateKey)) {
      throw new Failure('halt-invalid', `this key is not halt key ${keyId} of version ${policy.version}`, {
        fix: 'Name the id that the policy lists this key by, under halt_keys.',
      });
    }
    const statement: HaltStatement = {
      version: 1,
      kind: 'halt',
      scope: scopeOf(policy, values),
      reason: reason ?? `token of ${keyId}`,
      nonce: randomBytes(16).toString('hex'),
      ...(values['pause'] === true && { pause: true }),
    };
    if (statement.pause && statement.scope.asset !== null)
      throw new Failure('invalid-request', 'a halt of one asset pauses no vault; leave --asset or --pause out');
    const token = fitJson(signHalt(statement, { keyId, privateKey }), SignedHalt, 'the token');
    writeNew(file, token);
    return {
      json: { file, digest: statementDigestHex('halt', statement), policy: policy.version, statement },
      text: `${file} halts ${scopeText(statement.scope)}, once${statement.pause ? ', and pauses the vaults until cold governance unpauses them' : ''}, by version ${policy.version} of the policy. Whoever has it can do so: holdfast halt ${file}`,
    };
  },
};

/** As the policy spells it. @throws Failure unknown-network, unknown-asset: a halt of what is not there stops nothing. */
function scopeOf(policy: Policy, values: OptionValues): HaltScope {
  const { network, asset } = given(values, 'network', 'asset');
  if (asset !== undefined && network === undefined)
    throw new Failure('invalid-request', 'name the network of the asset with --network');
  if (network === undefined) return { network: null, asset: null };
  const known = policy.networks.find((one) => isSame(one.network, network));
  if (!known) {
    throw new Failure('unknown-network', `version ${policy.version} of the policy has no network ${network}`, {
      fix: `One of ${policy.networks.map((one) => one.network).join(', ')}.`,
    });
  }
  if (asset === undefined) return { network: known.network, asset: null };
  const assets = assetPolicies(known).map((one) => one.asset);
  const found = assets.find((one) => isSame(one, asset));
  if (found !== undefined) return { network: known.network, asset: found };
  throw new Failure('unknown-asset', `version ${policy.version} of the policy has no asset ${asset} on ${network}`, {
    fix: `One of ${assets.join(', ')}.`,
  });
}

/** Letter case is an address's checksum and no part of its name. */
function isSame(one: string, other: string): boolean {
  return one.toLowerCase() === other.toLowerCase();
}

function writeNew(file: string, token: SignedHalt): void {
  try {
    writeFileSync(file, `${JSON.stringify(token, null, 2)}\n`, { flag: 'wx', mode: 0o600 });
  } catch (cause) {
    throw new Failure('invalid-request', `${file} cannot be written anew; a token is written once`, {
      fix: 'Name another file.',
      cause,
    });
  }
}
