import { mkdir, writeFile } from 'node:fs/promises';
import { generateOpenapi } from './generate-openapi.ts';

/** `npm run openapi`: writes the committed description of the API. A test fails when it is out of date. */
const file = new URL('../../../docs/openapi.json', import.meta.url);
await mkdir(new URL('./', file), { recursive: true });
await writeFile(file, await generateOpenapi());
