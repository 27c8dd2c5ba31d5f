import { encodeSegwit } from '../chains/bitcoin/address.ts';
import { coldWallet } from './cold-wallet.ts';
import type { ColdSetup } from './setup.ts';

/** Points of secp256k1: k times its generator for k from 1 to 6. Anybody's keys. */
const points = [
  '0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798',
  '02c6047f9441ed7d6d3045406e95c07cd85c778e4b8cef3ca7abac09b95c709ee5',
  '02f9308a019258c31049344f85f89d5229b531c845836f99b08601f113bce036f9',
  '02e493dbf1c10d80f3581e4904930b1404cc6c13900ee0758474fa94abe8c4cd13',
  '022f8bde4d1a07209355b4a7250a5c5128e88b84bddc619ab7cba8d569b240efe4',
] as const;
const groupKey = '03fff97bd5755eeea420453a14355235d382f6472f8568a18b2f057a1460297556';

/** A setup with Bitcoin alone. */
export function sampleSetup(): ColdSetup {
  const custodians = points.map((bitcoin, at) => ({
    name: `custodian-${at + 1}`,
    bitcoin,
    evm: `0x${String(at + 1).repeat(40)}`,
  }));
  const setup: ColdSetup = {
    version: 1,
    custodians,
    bitcoin: {
      network: 'bip122:0f9188f13cb7b2c71f2a335e3a4fc328',
      cold_address: encodeSegwit({ prefix: 'bcrt', version: 0, program: new Uint8Array(32) }),
      hot: { group_key: groupKey, chain_code: '09'.repeat(32) },
      fee_max_sats: '100000',
      fee_rate_max_sat_vb: 50,
    },
    evm: [],
  };
  return setup.bitcoin ? { ...setup, bitcoin: { ...setup.bitcoin, cold_address: coldWallet(setup).address } } : setup;
}
