import { keccak_256 } from '@noble/hashes/sha3.js';
import { bytesToHex, concatBytes, hexToBytes, utf8ToBytes } from '@noble/hashes/utils.js';
import { Failure } from '../failure.ts';
import { coldAmount, evmCoinDecimals } from './cold-amount.ts';
import { type AbiType, type AbiValue, decodeAbi, isDynamic } from './decode-abi.ts';
import { type CalledKind, type ContractKind, governanceCalls, signatureOf } from './governance-calls.ts';
import type { EvmSetup } from './setup.ts';
import { secondsText } from './span-text.ts';

type Line = readonly [string, string];

/** What names addresses and amounts: a setup, or what a signer's policy says, which knows no decimals of tokens. */
export interface GovernanceView extends Pick<EvmSetup, 'coin' | 'cold_safe' | 'hot_safe' | 'contracts'> {
  readonly tokens: readonly { readonly contract: string; readonly code: string; readonly decimals?: number }[];
}

interface Call {
  /** EIP-55. */
  readonly to: string;
  readonly data: Uint8Array;
}

/** TimelockController, OpenZeppelin 5: what the cold Safe may ask of it. */
const timelockCalls = {
  schedule: ['address', 'uint256', 'bytes', 'bytes32', 'bytes32', 'uint256'],
  scheduleBatch: ['address[]', 'uint256[]', 'bytes[]', 'bytes32', 'bytes32', 'uint256'],
  execute: ['address', 'uint256', 'bytes', 'bytes32', 'bytes32'],
  executeBatch: ['address[]', 'uint256[]', 'bytes[]', 'bytes32', 'bytes32'],
  cancel: ['bytes32'],
} as const satisfies Readonly<Record<string, readonly AbiType[]>>;
type TimelockCall = keyof typeof timelockCalls;

const selectorBytes = 4;
const zeroAddress = `0x${'0'.repeat(40)}`;
/** Nobody reads more in one sitting with the care that each takes. */
const batchMax = 8;
const noPredecessor = `0x${'0'.repeat(64)}`;

/**
 * Decodes a governance call to what it changes: a row of `governanceCalls`, made by the cold Safe itself, or the same within a
 * call of the timelock. What is in no row is refused.
 * @throws Failure contract-not-allowed, transaction-malformed.
 */
export function inspectGovernance(call: Call, setup: GovernanceView): Line[] {
  if (kindOf(call.to, setup) === 'timelock') return readTimelock(call, setup);
  return [
    ['at once', `the cold Safe itself calls ${nameOf(call.to, setup)}`],
    ...readKnown(call, kindOf(call.to, setup), setup),
  ];
}

function readTimelock(call: Call, setup: GovernanceView): Line[] {
  const selector = selectorOf(call.data);
  const name = (Object.keys(timelockCalls) as TimelockCall[]).find(
    (one) => selectorFor(`${one}(${timelockCalls[one].join(',')})`) === selector,
  );
  if (name === undefined) throw unknown(selector, call.to);
  const types: readonly AbiType[] = timelockCalls[name];
  const argumentBytes = call.data.subarray(selectorBytes);
  const values = decodeAbi(types, argumentBytes);
  const at = ['through', `the timelock, ${call.to}`] as const;
  if (name === 'cancel') return [at, ['cancels', `operation ${String(values[0])}`]];
  const inner = innerCalls(values);
  const [, , , predecessor, salt, delay] = values as readonly string[];
  return [
    at,
    ...(name.endsWith('Batch') ? [['batch', `${inner.length} calls, all or none`] as const] : []),
    ['operation', operationId(name, argumentBytes)],
    delay === undefined
      ? ['executes', 'what was scheduled before under this operation']
      : ['schedules', `to be executed no sooner than ${secondsText(delay)} after it is scheduled`],
    ...(predecessor === noPredecessor ? [] : [['after', `operation ${predecessor}`] as const]),
    ['salt', String(salt)],
    ...inner.flatMap((one, index): Line[] => [
      ...(inner.length === 1 ? [] : [[`call ${index + 1} of ${inner.length}`, ''] as const]),
      ['calls', nameOf(one.to, setup)],
      ...inspectCall(one, setup),
    ]),
  ];
}

/** One call that the timelock makes. @throws Failure contract-not-allowed, transaction-malformed. */
export function inspectCall(call: Call, setup: GovernanceView): Line[] {
  return call.to === setup.hot_safe ? readModuleCall(call, setup) : readKnown(call, kindOf(call.to, setup), setup);
}

/** Targets, values and data side by side, one or a list. @throws Failure transaction-malformed */
function innerCalls([targets, values, datas]: readonly AbiValue[]): Call[] {
  const list = (value: AbiValue | undefined): readonly string[] => (Array.isArray(value) ? value : [value]) as string[];
  const [to, paid, data] = [list(targets), list(values), list(datas)];
  if (to.length === 0 || to.length !== paid.length || to.length !== data.length) {
    throw new Failure(
      'transaction-malformed',
      `${to.length} targets, ${paid.length} values and ${data.length} calls in one operation`,
    );
  }
  if (to.length > batchMax)
    throw new Failure('transaction-malformed', `${to.length} calls in one operation; at most ${batchMax} can be read`);
  const paying = paid.findIndex((one) => one !== '0');
  if (paying >= 0) throw new Failure('transaction-malformed', `call ${paying + 1} pays ${paid[paying]} base units`);
  return to.map((one, index) => ({ to: one, data: hexToBytes((data[index] ?? '').slice(2)) }));
}

/** execTransactionFromModule(to, value, data, operation) of the hot Safe: only for a call of the Safe by itself. */
const moduleCall = { name: 'execTransactionFromModule', types: ['address', 'uint256', 'bytes', 'uint8'] } as const;

/** What the timelock has the hot Safe do to itself, as its module. @throws Failure contract-not-allowed, transaction-malformed */
function readModuleCall(call: Call, setup: GovernanceView): Line[] {
  const selector = selectorOf(call.data);
  if (selector !== selectorFor(`${moduleCall.name}(${moduleCall.types.join(',')})`)) throw unknown(selector, call.to);
  const [to = '', value, data = '', operation] = decodeAbi(
    moduleCall.types,
    call.data.subarray(selectorBytes),
  ) as string[];
  if (to !== setup.hot_safe || value !== '0' || operation !== '0') {
    throw new Failure(
      'contract-not-allowed',
      `the hot Safe would call ${to} with ${value} base units, operation ${operation}: only plain calls of itself are known`,
    );
  }
  return [
    ['as', 'its module, past its owners and its guard'],
    ...readKnown({ to, data: hexToBytes(data.slice(2)) }, 'hot-safe', setup),
  ];
}

function readKnown(call: Call, kind: CalledKind | undefined, setup: GovernanceView): Line[] {
  if (kind === undefined) throw new Failure('contract-not-allowed', `a call of ${call.to}, which is not in the setup`);
  const selector = selectorOf(call.data);
  const row = governanceCalls.find((one) => one.contract === kind && selectorFor(signatureOf(one)) === selector);
  if (!row) throw unknown(selector, call.to);
  const decoded = decodeAbi(
    row.inputs.map(({ type }) => type),
    call.data.subarray(selectorBytes),
  ).map(String);
  const named = row.inputs.map(({ name }, index) => [name, decoded[index] ?? ''] as const);
  return [
    ['function', signatureOf(row)],
    ...named.map(([name, value]): Line => [`  ${name}`, value]),
    [
      'effect',
      row.text(
        Object.fromEntries(named),
        (address) => nameOf(address, setup),
        (token, baseUnits) => amountOf(token, baseUnits, setup),
      ),
    ],
  ];
}

/**
 * The timelock's name of an operation: keccak256 of the arguments without the delay, in their canonical encoding
 * (hashOperation, hashOperationBatch). Offsets are of the arguments that are hashed, hence 32 less without the delay.
 */
function operationId(name: TimelockCall, data: Uint8Array): string {
  return `0x${bytesToHex(keccak_256(name.startsWith('schedule') ? withoutDelay(timelockCalls[name], data) : data))}`;
}

function withoutDelay(types: readonly AbiType[], data: Uint8Array): Uint8Array {
  const word = 32;
  const head = data.slice(0, (types.length - 1) * word);
  types.forEach((type, index) => {
    if (!isDynamic(type)) return;
    const at = index * word;
    const offset = BigInt(`0x${bytesToHex(head.subarray(at, at + word))}`) - BigInt(word);
    head.set(hexToBytes(offset.toString(16).padStart(64, '0')), at);
  });
  return concatBytes(head, data.subarray(types.length * word));
}

/** @param token the zero address is the native coin. */
function amountOf(token: string, baseUnits: bigint, { coin, tokens }: GovernanceView): string {
  if (token === zeroAddress) return coldAmount(baseUnits, coin, evmCoinDecimals);
  const known = tokens.find(({ contract }) => contract === token);
  return known?.decimals === undefined
    ? `${baseUnits} base units (DECIMALS UNKNOWN)`
    : coldAmount(baseUnits, known.code, known.decimals);
}

function kindOf(address: string, { contracts }: GovernanceView): ContractKind | undefined {
  return contracts.find((one) => one.address === address)?.kind;
}

/** Every address of the texts that the setup does not know, once. */
export function strangersOf(lines: readonly Line[], setup: GovernanceView): string[] {
  const known = knownNames(setup);
  const shown = lines.flatMap(([, text]) => text.match(/0x[0-9a-fA-F]{40}(?![0-9a-fA-F])/g) ?? []);
  return [...new Set(shown)].filter((address) => !Object.hasOwn(known, address));
}

/** The address in full, and what the setup calls it. */
function nameOf(address: string, setup: GovernanceView): string {
  return `${address} (${knownNames(setup)[address] ?? 'AN ADDRESS THAT THE SETUP DOES NOT KNOW'})`;
}

function knownNames(setup: GovernanceView): Readonly<Record<string, string>> {
  return {
    [zeroAddress]: 'the zero address',
    [setup.hot_safe]: 'the hot Safe',
    [setup.cold_safe]: 'the cold Safe',
    ...Object.fromEntries(setup.tokens.map(({ contract, code }) => [contract, `the token ${code}`])),
    ...Object.fromEntries(setup.contracts.map(({ address: known, kind }) => [known, `the ${kind}`])),
  };
}

function selectorOf(data: Uint8Array): string {
  return bytesToHex(data.subarray(0, selectorBytes));
}

function selectorFor(signature: string): string {
  return selectorOf(keccak_256(utf8ToBytes(signature)));
}

function unknown(selector: string, to: string): Failure {
  return new Failure(
    'contract-not-allowed',
    `the function 0x${selector} of ${to} is in no row of what custodians may call`,
  );
}
