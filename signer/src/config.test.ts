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
    owner_address: `0x${`${identifier}a`.repeat(20)}`,
    statement_key: `${identifier}b`.repeat(32),
  })),
  networks: [
    {
      network: 'bip122:0f9188f13cb7b2c71f2a335e3a4fc328',
      rpc_urls: ['http://user:password@127.0.0.1:18443/'],
    },
  ],
};

/** As it comes from a file. */
const check = (value: unknown) =>
  checkConfig(parseValue(SignerConfig, JSON.parse(JSON.stringify(value)), 'config-invalid', 'config.json'));

const withPeers = (fields: object) => sample.peers.map((peer) => ({ ...peer, ...fields }));
const withOneOwner = sample.peers.map((peer, at) => ({
  ...peer,
  owner_address: `0x${(at === 0 ? 'ab' : 'AB').repeat(20)}`,
}));

const pkcs11 = { module: '/usr/lib/hsm.so', token: 'Vault 1', pin_file: '/etc/holdfast/pin', key_label: 'signer-1' };
const withHsm = (change: object) => ({ ...sample, pkcs11: { ...pkcs11, ...change } });

test.each([sample, withHsm({})])('accepts a complete config', (config) => {
  expect(check(config)).toEqual(config);
});

test.each<[string, object]>([
  ['an unknown field', { ...sample, debug: true }],
  [
    'an unknown field of a network',
    { ...sample, networks: sample.networks.map((network) => ({ ...network, relayer: 'x' })) },
  ],
  ['a limit, which belongs into the policy', { ...sample, intent_days_max: 31 }],
  ['a peer over http', { ...sample, peers: sample.peers.map((peer) => ({ ...peer, url: 'http://127.0.0.1' })) }],
  ['the server’s fingerprint for a peer', { ...sample, server: { fingerprint: '22'.repeat(32) } }],
  ['one identifier twice', { ...sample, identifier: 2 }],
  ['one name twice', { ...sample, signer: 'signer-2' }],
  ['one fingerprint twice', { ...sample, peers: withPeers({ fingerprint: '22'.repeat(32) }) }],
  ['one statement key twice', { ...sample, peers: withPeers({ statement_key: 'cc'.repeat(32) }) }],
  ['one owner address twice, spelled differently', { ...sample, peers: withOneOwner }],
  ['a peer without a statement key', { ...sample, peers: withPeers({ statement_key: undefined }) }],
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
  ['one network twice', { ...sample, networks: [...sample.networks, ...sample.networks] }],
  [
    'a quorum of which two share no signer',
    {
      ...sample,
      peers: [
        ...sample.peers,
        {
          signer: 'signer-4',
          identifier: 4,
          url: 'https://127.0.0.1:7004',
          fingerprint: '44'.repeat(32),
          owner_address: `0x${'4a'.repeat(20)}`,
          statement_key: '4b'.repeat(32),
        },
      ],
    },
  ],
  ['a quorum larger than the group', { ...sample, quorum: 4 }],
  ['a PIN in the config', withHsm({ pin: '1234' })],
  ['a module that the loader would look for', withHsm({ module: 'hsm.so' })],
  ['an HSM without a PIN file', withHsm({ pin_file: undefined })],
  ['a token without a name', withHsm({ token: '' })],
  ['a key label of blanks', withHsm({ key_label: ' ' })],
])('refuses %s', (_name, value) => {
  expect(() => check(value)).toThrow(expect.objectContaining({ code: 'config-invalid' }));
});
