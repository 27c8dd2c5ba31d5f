import { secp256k1 } from '@noble/curves/secp256k1.js';
import { hexToBytes } from '@noble/hashes/utils.js';
import { parseEvmAddress } from '../chains/evm/address.ts';
import { Failure } from '../failure.ts';
import { coldWallet } from './cold-wallet.ts';
import { parseCanonical } from './parse-canonical.ts';
import {
  type BitcoinSetup,
  type ColdCard,
  ColdSetup,
  type ColdSetupDraft,
  custodianCount,
  type EvmSetup,
} from './setup.ts';

/** The setup of a draft and the custodians' cards, in whatever order they come. @throws Failure cold-setup-invalid, unknown-network */
export function makeSetup({ bitcoin, evm }: ColdSetupDraft, cards: readonly ColdCard[]): ColdSetup {
  if (cards.length !== custodianCount) throw invalid(`${cards.length} cards; ${custodianCount} custodians are wanted`);
  const custodians = cards
    .map(({ name, bitcoin: key, evm: owner }) => ({ name, bitcoin: key, evm: owner }))
    .toSorted((one, other) => (one.name < other.name ? -1 : 1));
  const setup: ColdSetup = { version: 1, custodians, bitcoin: bitcoin && { ...bitcoin, cold_address: '' }, evm };
  const made = bitcoin ? { ...setup, bitcoin: { ...bitcoin, cold_address: coldWallet(setup).address } } : setup;
  checkSetup(made);
  return made;
}

/** Reads the text of a setup. @throws Failure cold-setup-invalid, unknown-network */
export function parseSetup(text: string): ColdSetup {
  const setup = parseCanonical(text, ColdSetup, 'the setup', 'cold-setup-invalid');
  checkSetup(setup);
  return setup;
}

/**
 * Refuses a setup that its schema lets pass and that would lead coins astray: a key or an address that is none, or that
 * stands in two places, custodians out of their order, a cold address that does not follow from the keys.
 * @throws Failure cold-setup-invalid, unknown-network.
 */
function checkSetup(setup: ColdSetup): void {
  const { custodians, bitcoin, evm } = setup;
  const names = custodians.map(({ name }) => name);
  // One order, so that the same custodians make one digest.
  if (names.join() !== names.toSorted().join()) throw invalid('the custodians are not sorted by their names');
  refuseTwice('custodian', names);
  for (const { bitcoin: key } of custodians) refuseNoPoint(key);
  // By x alone: the leaf of a hot address knows no sign.
  refuseTwice(
    'Bitcoin key',
    custodians.map((one) => one.bitcoin.slice(2)),
  );
  for (const { evm: address } of custodians) refuseNoAddress(address);
  refuseTwice(
    'owner',
    custodians.map((one) => one.evm.toLowerCase()),
  );
  if (bitcoin) {
    checkHot(bitcoin.hot);
    const { address } = coldWallet(setup);
    if (address !== bitcoin.cold_address)
      throw invalid(`the custodians' keys make the cold address ${address}, not ${bitcoin.cold_address}`);
  }
  if (bitcoin === null && evm.length === 0) throw invalid('the setup has no network');
  refuseTwice(
    'network',
    evm.map(({ network }) => network),
  );
  for (const one of evm) checkEvm(one);
}

function checkHot(hot: BitcoinSetup['hot']): void {
  if (!('kind' in hot)) return refuseNoPoint(hot.group_key);
  hot.keys.forEach(refuseNoPoint);
  refuseTwice('hot key', hot.keys);
  // As the policy's lint has it.
  if (hot.threshold > hot.keys.length || 2 * hot.threshold <= hot.keys.length)
    throw invalid(`a hot wallet of ${hot.threshold} of ${hot.keys.length} keys`);
}

function checkEvm({ coin, cold_safe, hot_safe, tokens, contracts }: EvmSetup): void {
  const addresses = [
    cold_safe,
    hot_safe,
    ...tokens.map(({ contract }) => contract),
    ...contracts.map(({ address }) => address),
  ];
  addresses.forEach(refuseNoAddress);
  refuseTwice(
    'address',
    addresses.map((address) => address.toLowerCase()),
  );
  refuseTwice('code', [coin, ...tokens.map(({ code }) => code)]);
}

/** With its checksum: whoever copied it by hand is told. @throws Failure cold-setup-invalid */
function refuseNoAddress(text: string): void {
  let checksummed: string;
  try {
    checksummed = parseEvmAddress(text);
  } catch (cause) {
    throw new Failure('cold-setup-invalid', `no address: ${text}`, { cause });
  }
  if (checksummed !== text) throw invalid(`${text} is written without its checksum: ${checksummed}`);
}

function refuseNoPoint(key: string): void {
  try {
    secp256k1.Point.fromBytes(hexToBytes(key));
  } catch (cause) {
    throw new Failure('cold-setup-invalid', `no public key: ${key}`, { cause });
  }
}

function refuseTwice(what: string, texts: readonly string[]): void {
  const again = texts.find((text, at) => texts.indexOf(text) !== at);
  if (again !== undefined) throw invalid(`${what} ${again} stands there twice`);
}

function invalid(message: string): Failure {
  return new Failure('cold-setup-invalid', message);
}
