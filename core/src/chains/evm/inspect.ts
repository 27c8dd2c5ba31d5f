import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js';
import { Failure } from '../../failure.ts';
import { baseUnits, type BaseUnits } from '../../money/base-units.ts';
import type { SafeTransaction } from '../../signing/messages.ts';
import { parseEvmAddress } from './address.ts';

/** What a Safe transaction pays: `contract` is the token (EIP-55) or null for the native coin, `to` EIP-55. */
export interface EvmPayment {
  readonly contract: string | null;
  readonly to: string;
  readonly amount: BaseUnits;
}

export interface SafeInspectionRules {
  readonly safe: string;
  /** MultiSendCallOnly, the only contract that the Safe may delegate to. */
  readonly multiSend: string;
  /** The vault's guard: every transaction is then a batch that names its deadline first. Null for a Safe without one. */
  readonly guard: string | null;
  /** Token contracts that the Safe may call. */
  readonly tokens: Iterable<string>;
}

/** What a Safe transaction does, accounted for to the last byte. */
export interface InspectedSafeTransaction {
  readonly payments: EvmPayment[];
  /** Second (Unix time) after which the guard lets it no longer through; null without a guard. */
  readonly notAfterS: bigint | null;
}

interface Rules {
  readonly multiSend: string;
  readonly guard: string | null;
  readonly tokens: ReadonlySet<string>;
  /** The Safe, its guard, MultiSendCallOnly and the tokens: no payment may go to them. */
  readonly own: ReadonlySet<string>;
}

interface Call {
  readonly to: string;
  readonly value: bigint;
  readonly data: Uint8Array;
}

/** transfer(address,uint256), ERC-20. */
const transferSelector = 'a9059cbb';
/** multiSend(bytes), MultiSendCallOnly 1.5.0. */
const multiSendSelector = '8d80ff0a';
const transferBytes = 4 + 32 + 32;
/** notAfter(uint256), VaultGuard. */
const notAfterSelector = 'f11e333d';
const notAfterBytes = 4 + 32;
const legHeadBytes = 1 + 20 + 32 + 32;

/**
 * Decodes a Safe transaction to the payments that it makes, to the last byte; what is not a plain native payment or a
 * canonical ERC-20 transfer of a listed token is refused. Shares no code with build.ts, so that a signer does not check
 * with the code that it is checking.
 * @throws Failure contract-not-allowed when something else than a listed token or MultiSendCallOnly would be called or
 * paid, transaction-malformed for anything that cannot be accounted for.
 */
export function inspectSafeTransaction(tx: SafeTransaction, rules: SafeInspectionRules): InspectedSafeTransaction {
  const lower = normaliseRules(rules);
  const call: Call = {
    to: recipient(tx.to),
    value: decodeDecimal(tx.value),
    data: decodeHex(tx.data),
  };
  if (tx.operation === 0 && lower.guard === null) return { payments: [decodeCall(call, lower)], notAfterS: null };
  if (tx.operation === 0) throw malformed('a call without a deadline');
  if (tx.operation !== 1) throw malformed(`operation ${String(tx.operation)}`);
  if (call.to.toLowerCase() !== lower.multiSend) {
    throw new Failure('contract-not-allowed', `delegatecall to ${call.to}`);
  }
  if (call.value !== 0n) throw malformed('value on the call to MultiSendCallOnly');
  const legs = decodeLegs(unwrapMultiSend(call.data), lower.guard !== null);
  const notAfterS = lower.guard === null ? null : decodeDeadline(legs.shift(), lower.guard);
  return { payments: legs.map((leg) => decodeCall(leg, lower)), notAfterS };
}

function decodeDeadline(leg: Call | undefined, guard: string): bigint {
  if (!leg || leg.to.toLowerCase() !== guard || leg.value !== 0n || selectorOf(leg.data) !== notAfterSelector)
    throw malformed('the first leg is not the deadline');
  return readUint(leg.data, 4);
}

function normaliseRules(rules: SafeInspectionRules): Rules {
  const tokens = new Set([...rules.tokens].map((token) => parseEvmAddress(token).toLowerCase()));
  const multiSend = parseEvmAddress(rules.multiSend).toLowerCase();
  const guard = rules.guard === null ? null : parseEvmAddress(rules.guard).toLowerCase();
  const own = new Set([
    ...tokens,
    multiSend,
    parseEvmAddress(rules.safe).toLowerCase(),
    ...(guard === null ? [] : [guard]),
  ]);
  return { multiSend, guard, tokens, own };
}

function decodeCall(call: Call, rules: Rules): EvmPayment {
  if (call.data.length === 0) {
    if (call.value === 0n) throw malformed(`call of ${call.to} that pays nothing`);
    return { contract: null, to: outsider(call.to, rules), amount: baseUnits(call.value) };
  }
  if (!rules.tokens.has(call.to.toLowerCase())) throw new Failure('contract-not-allowed', `call of ${call.to}`);
  if (call.value !== 0n) throw malformed(`native value on a call of the token ${call.to}`);
  return { contract: call.to, ...decodeTransfer(call.data, rules) };
}

function decodeTransfer(data: Uint8Array, rules: Rules): { to: string; amount: BaseUnits } {
  if (selectorOf(data) !== transferSelector)
    throw malformed(`token call 0x${selectorOf(data)} is not transfer(address,uint256)`);
  if (data.length !== transferBytes) throw malformed(`transfer of ${data.length} bytes, not ${transferBytes}`);
  if (!isZero(data.subarray(4, 16))) throw malformed('dirty padding before the recipient');
  const to = outsider(recipient(`0x${bytesToHex(data.subarray(16, 36))}`), rules);
  const amount = readUint(data, 36);
  if (amount === 0n) throw malformed('transfer of nothing');
  return { to, amount: checkedAmount(amount) };
}

/** The packed legs inside multiSend(bytes), ABI encoding: offset 0x20, length, bytes, zero padding to a whole word. */
function unwrapMultiSend(data: Uint8Array): Uint8Array {
  if (data.length < 4 + 64 || selectorOf(data) !== multiSendSelector) throw malformed('not a call of multiSend(bytes)');
  if (readUint(data, 4) !== 32n) throw malformed('offset of the legs is not 0x20');
  const length = readUint(data, 36);
  const available = BigInt(data.length - 68);
  // The upper bound comes first: rounding up an attacker's 2^256-1 must not be compared by remainder.
  if (length > available || available !== ((length + 31n) / 32n) * 32n) {
    throw malformed(`legs of ${length} bytes in ${available}`);
  }
  const end = 68 + Number(length);
  if (!isZero(data.subarray(end))) throw malformed('dirty padding after the legs');
  return data.subarray(68, end);
}

/** Legs of MultiSendCallOnly: operation (1), to (20), value (32), data length (32), data. */
function decodeLegs(packed: Uint8Array, hasDeadline: boolean): Call[] {
  const legs: Call[] = [];
  let at = 0;
  while (at < packed.length) {
    if (packed.length - at < legHeadBytes) throw malformed(`leg ${legs.length} is cut short`);
    if (packed[at] !== 0) throw malformed(`leg ${legs.length} has operation ${packed[at]}`);
    const dataBytes = readUint(packed, at + 53);
    const isDeadline = hasDeadline && at === 0;
    if (isDeadline ? dataBytes !== BigInt(notAfterBytes) : dataBytes !== 0n && dataBytes !== BigInt(transferBytes)) {
      throw malformed(`leg ${legs.length} carries ${dataBytes} bytes of data`);
    }
    const start = at + legHeadBytes;
    const end = start + Number(dataBytes);
    if (end > packed.length) throw malformed(`leg ${legs.length} is cut short`);
    legs.push({
      to: recipient(`0x${bytesToHex(packed.subarray(at + 1, at + 21))}`),
      value: readUint(packed, at + 21),
      data: packed.subarray(start, end),
    });
    at = end;
  }
  // One payment has one form: a single leg is a direct call, and after a deadline there is a payment.
  if (legs.length < 2) throw malformed(`multiSend of ${legs.length} legs`);
  return legs.map((leg) => ({ ...leg, value: leg.value === 0n ? 0n : checkedAmount(leg.value) }));
}

function outsider(to: string, rules: Rules): string {
  if (rules.own.has(to.toLowerCase()))
    throw new Failure('contract-not-allowed', `payment to ${to}, a contract of the vault`);
  return to;
}

/** MultiSendCallOnly replaces the zero address by the Safe itself; it is never a recipient. */
function recipient(text: string): string {
  try {
    return parseEvmAddress(text);
  } catch (cause) {
    throw new Failure('transaction-malformed', `not a recipient: ${String(text).slice(0, 80)}`, { cause });
  }
}

function decodeDecimal(text: string): bigint {
  if (!/^(?:0|[1-9][0-9]{0,77})$/.test(text)) throw malformed(`value ${String(text).slice(0, 80)}`);
  const value = BigInt(text);
  return value === 0n ? value : checkedAmount(value);
}

/** uint256 reaches 1.16e77, inside BaseUnits' 78 digits; a decimal text can still be above it. */
function checkedAmount(value: bigint): BaseUnits {
  if (value >= 1n << 256n) throw malformed('value does not fit uint256');
  return baseUnits(value);
}

function decodeHex(text: string): Uint8Array {
  if (!/^0x(?:[0-9a-f]{2})*$/.test(text)) throw malformed('data is not lower-case hex');
  return hexToBytes(text.slice(2));
}

function selectorOf(data: Uint8Array): string {
  return bytesToHex(data.subarray(0, 4));
}

function readUint(data: Uint8Array, at: number): bigint {
  return BigInt(`0x${bytesToHex(data.subarray(at, at + 32))}`);
}

function isZero(bytes: Uint8Array): boolean {
  return bytes.every((byte) => byte === 0);
}

function malformed(message: string): Failure {
  return new Failure('transaction-malformed', message);
}
