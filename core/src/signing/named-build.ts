import Type from 'typebox';

/** What a signer calls the code that it runs: a bundle's SHA-256, 64 hex digits, or `source`. */
export const BuildName = Type.String({ pattern: '^[0-9A-Za-z.+-]{1,64}$' });
