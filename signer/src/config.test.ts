import { expect, test } from 'vitest';
import { checkConfig, SignerConfig } from './config.ts';
import { parseValue } from './parse.ts';

const sample: SignerConfig = {
  signer: 'signer-1',
  identifier: 1,
  listen: { host: '127.0.0.1', port: 7_001 },
  server: { fingerprint: 'aa'.repeat(32) },
  peers: [2, 3].map((identifier) => ({
    signer: `signer-${identifier}`,
    identifier,
    url: `https://127.0.0.1:700${identifier}`,
    fingerprint: `${identifier}${identifier}`.repeat(32),
  })),
  integrator_keys: [{ key_id: 'exchange', public_key: 'bb'.repeat(32) }],
  networks: [
    {
      network: 'bip122:0f9188f13cb7b2c71f2a335e3a4fc328',
      family: 'bitcoin',
      rpc_urls: ['http://user:password@127.0.0.1:18443/'],
      cold_keys: ['1', '2', '3', '4', '5'].map((digit) => digit.repeat(64)),
      asset: 'bip122:0f9188f13cb7b2c71f2a335e3a4fc328/slip44:0',
      per_transaction_max: '1',
      per_day_max: '1',
      fee_rate_max_sat_vb: 1,
      fee_max_sats: '1',
      min_confirmations: 1,
    },
  ],
};

const check = (value: unknown) => checkConfig(parseValue(SignerConfig, value, 'config-invalid', 'config.json'));

test('accepts a complete config', () => {
  expect(check(sample)).toEqual(sample);
});

test.each<[string, object]>([
  ['an unknown field', { ...sample, debug: true }],
  [
    'an unknown field of a network',
    { ...sample, networks: sample.networks.map((network) => ({ ...network, relayer: 'x' })) },
  ],
  [
    'a number as an amount',
    { ...sample, networks: sample.networks.map((network) => ({ ...network, per_day_max: 1 })) },
  ],
  ['a peer over http', { ...sample, peers: sample.peers.map((peer) => ({ ...peer, url: 'http://127.0.0.1' })) }],
  ['the server’s fingerprint for a peer', { ...sample, server: { fingerprint: '22'.repeat(32) } }],
  ['one identifier twice', { ...sample, identifier: 2 }],
  [
    'one endpoint twice, with other credentials',
    {
      ...sample,
      networks: sample.networks.map((network) => ({
        ...network,
        rpc_urls: ['http://user:password@127.0.0.1:18443/', 'http://127.0.0.1:18443'],
      })),
    },
  ],
  [
    'one endpoint as enough to take a transaction for dead',
    { ...sample, networks: sample.networks.map((network) => ({ ...network, burial_endpoints_min: 1 })) },
  ],
  ['one network twice', { ...sample, networks: [...sample.networks, ...sample.networks] }],
  [
    'a quorum of which two share no signer',
    {
      ...sample,
      peers: [...sample.peers, { ...sample.peers[0], signer: 'signer-4', identifier: 4, fingerprint: '44'.repeat(32) }],
    },
  ],
  ['a quorum larger than the group', { ...sample, quorum: 4 }],
])('refuses %s', (_name, value) => {
  expect(() => check(value)).toThrow(expect.objectContaining({ code: 'config-invalid' }));
});
