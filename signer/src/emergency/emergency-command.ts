import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { Failure } from '@holdfast/core/failure.ts';
import type { EvmNetworkPolicy } from '@holdfast/core/policy/policy.ts';
import { EmergencyAct, type EmergencyAuthorisation } from '@holdfast/core/signing/emergency.ts';
import { opensslVerifiers } from '@holdfast/transport/openssl-verifiers.ts';
import { loadConfig } from '../config.ts';
import { journalName, unlockSigner } from '../init.ts';
import { readJournal } from '../journal/read-journal.ts';
import { parseValue } from '../parse.ts';
import { readPolicyVersions } from '../policy/policy-store.ts';
import { evmPolicyOf } from '../review/review-context.ts';
import { authorise, deadlineDefaultS } from './authorise.ts';
import { recordEmergency } from './emergency-file.ts';

/** What the person at the signer's host says. */
export interface EmergencyOptions {
  /** CAIP-2. */
  readonly network?: string | undefined;
  /** Ids at the time lock, for a veto. */
  readonly operation?: readonly string[] | undefined;
  /** Seconds from now. */
  readonly deadline?: string | undefined;
  /** Of an earlier authorisation, to try its act again: of both only one can ever be executed. */
  readonly nonce?: string | undefined;
}

export const emergencyUsage =
  'emergency <dataDir> pause|veto|evacuate --network <CAIP-2> [--operation <id>...] [--deadline <seconds>] [--nonce <n>]';

/**
 * Signs what this signer's emergency key may do alone, and records it. Needs no other process, no port and no node, and works
 * beside the running signer. Chain, desk and tokens are those of the policy in force in this signer's own storage.
 * @throws Failure config-invalid, emergency-refused, unknown-network, policy-missing, journal-broken, wrong-passphrase.
 */
export async function emergencyCommand(
  dataDir: string,
  kind: string,
  passphrase: Uint8Array,
  options: EmergencyOptions,
  nowMs: number,
): Promise<EmergencyAuthorisation> {
  const { network: name } = options;
  if (name === undefined) throw new Failure('config-invalid', `usage: ${emergencyUsage}`);
  // What is wrong with the words is said before the passphrase is stretched.
  if (!['pause', 'veto', 'evacuate'].includes(kind) || (kind === 'veto') !== (options.operation ?? []).length > 0)
    throw new Failure('config-invalid', `usage: ${emergencyUsage}; --operation goes with veto`);
  const aheadS = wholeNumber(options.deadline ?? String(deadlineDefaultS), '--deadline');
  const nonce = options.nonce === undefined ? randomNonce() : wholeNumber(options.nonce, '--nonce');
  const network = await networkOf(dataDir, name, nowMs);
  const act = parseValue(EmergencyAct, actOf(kind, network, options), 'config-invalid', kind);
  const { emergency: key } = await unlockSigner(dataDir, passphrase, loadConfig(dataDir));
  const nowS = Math.floor(nowMs / 1_000);
  const authorisation = await authorise({ network, key, act, nonce, deadlineS: nowS + Number(aheadS), nowS });
  recordEmergency(dataDir, { at_ms: nowMs, cause: 'command', authorisation });
  return authorisation;
}

/** In the policy in force: by this machine's clock, or the journal's last record where that is later, as the signer reads it. */
async function networkOf(dataDir: string, name: string, nowMs: number): Promise<EvmNetworkPolicy> {
  const { state, head } = await readJournal(join(dataDir, journalName));
  const policies = readPolicyVersions(dataDir, state, opensslVerifiers);
  return evmPolicyOf(policies.current(Math.max(nowMs, head.atMs)), name);
}

function actOf(kind: string, network: EvmNetworkPolicy, { operation = [] }: EmergencyOptions): unknown {
  if (kind === 'veto') return { kind, operations: operation.map((id) => id.toLowerCase()) };
  if (kind === 'pause') return { kind };
  return { kind, tokens: network.assets.flatMap(({ contract }) => contract ?? []) };
}

function randomNonce(): bigint {
  return BigInt(`0x${randomBytes(32).toString('hex')}`);
}

function wholeNumber(text: string, option: string): bigint {
  if (/^(0|[1-9][0-9]{0,77})$/.test(text) && BigInt(text) < 1n << 256n) return BigInt(text);
  throw new Failure('config-invalid', `${option} takes a whole number, not ${text.slice(0, 80)}`);
}
