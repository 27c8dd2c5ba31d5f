import { expect, test } from 'vitest';
import { mirrorIn } from './archive.ts';

const keyring = '/usr/share/keyrings/debian-archive-keyring.gpg';
const uri = 'http://example.org/debian';
const stanza = (...more: string[]) => ['Types: deb', `URIs: ${uri}`, 'Suites: bookworm', ...more].join('\n');

test.each([
  ['a stanza with its keyring', stanza(`Signed-By: ${keyring}`)],
  ['a stanza without', stanza()],
  ['one that is switched on', stanza('Enabled: yes')],
  ['a line', `deb ${uri} bookworm main`],
  ['a line with its keyring', `deb [arch=amd64 signed-by=${keyring}] ${uri} bookworm main`],
  ['the second of two', `${stanza('Enabled: no')}\n\n${stanza()}`],
])('takes Debian out of %s', (_, text) => {
  expect(mirrorIn(text)).toEqual({ uri, signedBy: keyring });
});

test.each([
  ['a stanza that is switched off', stanza('Enabled: no')],
  ['a stanza signed by another', stanza('Signed-By: /etc/apt/keyrings/other.gpg')],
  ['a stanza with a key written out', stanza('Signed-By:', ' -----BEGIN PGP PUBLIC KEY BLOCK-----')],
  ['a line signed by another', `deb [signed-by=/etc/apt/keyrings/other.gpg] ${uri} bookworm main`],
  ['a line that is commented out', `# deb ${uri} bookworm main`],
  ['another repository', 'deb https://example.org/apt stable main'],
])('takes nothing out of %s', (_, text) => {
  expect(mirrorIn(text)).toBeUndefined();
});
