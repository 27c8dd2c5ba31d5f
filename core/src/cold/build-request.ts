import { keccak_256 } from '@noble/hashes/sha3.js';
import { bytesToHex, hexToBytes, utf8ToBytes } from '@noble/hashes/utils.js';
import { createContract } from 'micro-eth-signer/abi.js';
import { Failure } from '../failure.ts';
import { baseUnits } from '../money/base-units.ts';
import { buildWithdrawalBatch } from '../chains/evm/build.ts';
import type { SafeTransaction } from '../signing/messages.ts';
import type { GovernanceDraft, SafeRefillDraft } from './draft.ts';
import { governanceCalls, signatureOf } from './governance-calls.ts';
import type { ColdRequest } from './request.ts';
import { type ColdSetup, type EvmSetup, setupDigest } from './setup.ts';

/** Seconds from now to then are the caller's; this file has no clock. */
export interface RequestTimes {
  readonly createdMs: number;
  readonly expiresMs: number;
}

/** The envelope of a request for this setup. */
export function buildRequest(
  kind: ColdRequest['kind'],
  network: string,
  payload: ColdRequest['payload'],
  setup: ColdSetup,
  { createdMs, expiresMs }: RequestTimes,
): ColdRequest {
  return {
    version: 1,
    kind,
    network,
    setup: setupDigest(setup),
    created_at: new Date(createdMs).toISOString(),
    expires_at: new Date(expiresMs).toISOString(),
    payload,
  };
}

/** The Safe transaction that moves cold coins to the hot Safe. @throws Failure unknown-asset */
export function buildSafeRefill({ asset, amount, nonce }: SafeRefillDraft, setup: EvmSetup): SafeTransaction {
  const common = { to: setup.hot_safe, amount: baseUnits(BigInt(amount)) };
  const token = setup.tokens.find(({ code }) => code === asset);
  if (asset !== setup.coin && !token)
    throw new Failure('unknown-asset', `the setup has no ${asset} on ${setup.network}`, {
      fix: `One of ${[setup.coin, ...setup.tokens.map(({ code }) => code)].join(', ')}.`,
    });
  const leg = token
    ? ({ kind: 'erc20', contract: token.contract, ...common } as const)
    : ({ kind: 'native', ...common } as const);
  // One leg is a direct call; MultiSend is not used.
  return buildWithdrawalBatch({ legs: [leg], nonce: BigInt(nonce), multiSend: setup.cold_safe });
}

/** The Safe transaction of a governance call: made at once, or by an operation of the timelock. @throws Failure contract-not-allowed */
export function buildSafeGovernance(draft: GovernanceDraft, setup: EvmSetup): SafeTransaction {
  const { nonce, timelock } = draft;
  const of = (to: string, data: string): SafeTransaction => ({ to, value: '0', data, operation: 0, nonce });
  const through = setup.contracts.find(({ kind }) => kind === 'timelock')?.address;
  if (timelock && through === undefined)
    throw new Failure('contract-not-allowed', `the setup has no timelock on ${setup.network}`);
  if (timelock?.action === 'cancel') return of(String(through), encodeTimelock('cancel', timelock.operation));
  if (!draft.call) throw new Failure('invalid-request', 'the draft names no call');
  const inner = encodeCall(draft.call, setup);
  if (!timelock) return of(inner.to, inner.data);
  const common = {
    target: inner.to,
    value: 0n,
    data: hexToBytes(inner.data.slice(2)),
    predecessor: new Uint8Array(32),
    salt: hexToBytes(timelock.salt),
  };
  return timelock.action === 'schedule'
    ? of(String(through), encodeTimelock('schedule', { ...common, delay: BigInt(timelock.delay_s) }))
    : of(String(through), encodeTimelock('execute', common));
}

type CallDraft = NonNullable<GovernanceDraft['call']>;

function encodeCall({ contract, name, values }: CallDraft, setup: EvmSetup): { to: string; data: string } {
  const row = governanceCalls.find((one) => one.contract === contract && one.name === name);
  const to = contract === 'hot-safe' ? setup.hot_safe : setup.contracts.find(({ kind }) => kind === contract)?.address;
  if (!row || to === undefined) {
    throw new Failure('contract-not-allowed', `no call ${name} of a ${contract} on ${setup.network}`, {
      fix: `One of ${governanceCalls.map((one) => `${one.contract} ${signatureOf(one)}`).join(', ')}.`,
    });
  }
  if (values.length !== row.inputs.length)
    throw new Failure('invalid-request', `${signatureOf(row)} takes ${row.inputs.length} values, not ${values.length}`);
  const parsed = row.inputs.map(({ type }, index) => parseValue(type, values[index] ?? ''));
  const data = encode(signatureOf(row), row.inputs, parsed);
  if (contract !== 'hot-safe') return { to, data };
  // The timelock is a module of the hot Safe, and has it call itself.
  const call = [to, 0n, hexToBytes(data.slice(2)), 0n];
  return { to, data: encode('execTransactionFromModule(address,uint256,bytes,uint8)', moduleInputs, call) };
}

function parseValue(type: string, text: string): unknown {
  const wrong = new Failure('invalid-request', `${text.slice(0, 80)} is no ${type}`);
  if (type === 'bool') {
    if (text !== 'true' && text !== 'false') throw wrong;
    return text === 'true';
  }
  if (type.startsWith('uint')) {
    if (!/^(0|[1-9][0-9]{0,77})$/.test(text) || BigInt(text) >= 1n << BigInt(type.slice('uint'.length))) throw wrong;
    return BigInt(text);
  }
  if (!(type === 'address' ? /^0x[0-9a-fA-F]{40}$/ : /^0x[0-9a-f]{64}$/).test(text)) throw wrong;
  return type === 'bytes32' ? hexToBytes(text.slice(2)) : text;
}

interface Input {
  readonly name: string;
  readonly type: string;
}

const bytes32 = (name: string): Input => ({ name, type: 'bytes32' });
const timelockInputs: Readonly<Record<'schedule' | 'execute' | 'cancel', readonly Input[]>> = {
  schedule: [
    { name: 'target', type: 'address' },
    { name: 'value', type: 'uint256' },
    { name: 'data', type: 'bytes' },
    bytes32('predecessor'),
    bytes32('salt'),
    { name: 'delay', type: 'uint256' },
  ],
  execute: [
    { name: 'target', type: 'address' },
    { name: 'value', type: 'uint256' },
    { name: 'data', type: 'bytes' },
    bytes32('predecessor'),
    bytes32('salt'),
  ],
  cancel: [bytes32('id')],
};

function encodeTimelock(name: keyof typeof timelockInputs, values: string | Readonly<Record<string, unknown>>): string {
  const inputs = timelockInputs[name];
  const signature = `${name}(${inputs.map(({ type }) => type).join(',')})`;
  if (typeof values === 'string') return encode(signature, inputs, [hexToBytes(values.slice(2))]);
  return encode(
    signature,
    inputs,
    inputs.map((input) => values[input.name]),
  );
}

const moduleInputs: readonly Input[] = [
  { name: 'to', type: 'address' },
  { name: 'value', type: 'uint256' },
  { name: 'data', type: 'bytes' },
  { name: 'operation', type: 'uint8' },
];

/**
 * Calldata: the selector of the signature, and the arguments by the ABI library; the inspector has a decoder of its own. A struct
 * of plain members is written like its members, under another selector.
 */
function encode(signature: string, inputs: readonly Input[], values: readonly unknown[]): string {
  const selector = bytesToHex(keccak_256(utf8ToBytes(signature)).subarray(0, 4));
  if (inputs.length === 0) return `0x${selector}`;
  const contract = createContract([
    { type: 'function', name: 'call', inputs: [...inputs], outputs: [] },
  ]) as unknown as Readonly<Record<'call', { encodeInput(value: unknown): Uint8Array }>>;
  // The library takes one argument bare, several by their names.
  const given =
    inputs.length === 1 ? values[0] : Object.fromEntries(inputs.map((input, at) => [input.name, values[at]]));
  return `0x${selector}${bytesToHex(contract.call.encodeInput(given).subarray(4))}`;
}
