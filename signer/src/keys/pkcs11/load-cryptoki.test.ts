import { expect, test, vi } from 'vitest';
import { loadCryptoki } from './load-cryptoki.ts';

vi.mock('pkcs11js', () => {
  throw new Error("Cannot find module './build/Release/pkcs11.node'");
});

test('says what to do where the native part is not built', async () => {
  await expect(loadCryptoki('/lib/hsm.so')).rejects.toMatchObject({
    code: 'hsm-unavailable',
    message: expect.stringMatching(/not built/),
    fix: expect.stringMatching(/npm rebuild pkcs11js --ignore-scripts=false/),
  });
});
