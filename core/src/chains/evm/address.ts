import { addr } from 'micro-eth-signer';
import { Failure } from '../../failure.ts';

const hexAddress = /^0x[0-9a-fA-F]{40}$/;
/** Base58Check and Bech32/Bech32m shapes of Bitcoin mainnet, testnet and regtest; the checksum does not matter here. */
const bitcoinAddress =
  /^(?:[13mn2][1-9A-HJ-NP-Za-km-z]{25,38}|(?:bc|tb|bcrt)1[02-9ac-hj-np-z]{8,87}|(?:BC|TB|BCRT)1[02-9AC-HJ-NP-Z]{8,87})$/;
const zeroAddress = `0x${'0'.repeat(40)}`;

/**
 * Checks an EVM address and returns its EIP-55 form. All-lower-case and all-upper-case digits carry no checksum and are
 * accepted; mixed case must carry the right one.
 * @throws Failure network-mismatch for a Bitcoin address, invalid-address for everything else, the zero address included
 * (a payment to it is burned, and MultiSendCallOnly reads it as "this Safe").
 */
export function parseEvmAddress(text: string, pointer?: string): string {
  const at = pointer === undefined ? {} : { pointer };
  if (typeof text !== 'string' || !hexAddress.test(text)) {
    const shown = JSON.stringify(text)?.slice(0, 100);
    if (typeof text === 'string' && bitcoinAddress.test(text)) {
      throw new Failure('network-mismatch', `a Bitcoin address on an EVM network: ${shown}`, at);
    }
    throw new Failure('invalid-address', `not 0x and 40 hex digits: ${shown}`, at);
  }
  if (text.toLowerCase() === zeroAddress)
    throw new Failure('invalid-address', 'the zero address belongs to nobody', at);
  const checksummed = addr.addChecksum(text);
  const digits = text.slice(2);
  const uniform = digits === digits.toLowerCase() || digits === digits.toUpperCase();
  if (!uniform && text !== checksummed) {
    throw new Failure('invalid-address', `wrong EIP-55 checksum: ${text}`, at);
  }
  return checksummed;
}
