export interface BannedText {
  readonly name: string;
  /** Matched line by line. */
  readonly pattern: RegExp;
  readonly in: RegExp;
  readonly except?: RegExp;
  readonly instead: string;
}

const code = /\.(ts|tsx)$/;
const everything = /(^|\/)[^/]+$/;
/** Texts of others, kept byte for byte. */
export const verbatim = /^(LICENSE$|test\/vectors\/data\/)/;
const tests = /\.test\.tsx?$/;

/**
 * Text that the repository does without, and what to write in its place. The files of this check name it all and are
 * left out by `checkTidy`.
 */
export const bannedTexts: readonly BannedText[] = [
  {
    name: 'console in a library',
    pattern: /\bconsole\.(log|info|debug|warn|error)\(/,
    in: /^(core|server|signer|transport|client|contracts)\/src\/.*\.ts$/,
    instead: 'the logger, or return the text; only cli, devnet, bench and tools print',
  },
  { name: 'any', pattern: /(\bas any\b|: any\b(?! \w)|<any>|\bany\[\])/, in: code, instead: 'unknown and a check' },
  {
    name: 'silenced compiler',
    pattern: /@ts-(ignore|nocheck)/,
    in: code,
    instead: 'types that fit; @ts-expect-error with its reason in a test',
  },
  {
    name: 'silenced lint',
    pattern: /(oxlint|eslint)-disable(?!.* -- )/,
    in: code,
    instead: 'disable-next-line with the rule and, after " -- ", the reason',
  },
  {
    name: 'focused or skipped test',
    pattern: /\b(test|it|describe|suite)(\.\w+)*\.(only|skip|skipIf|todo)\b/,
    in: code,
    instead: 'a test that runs; what cannot run must fail',
  },
  {
    name: 'path out of a URL',
    pattern: /import\.meta\.url\)\.pathname/,
    in: code,
    instead: 'fileURLToPath: a folder may have a space in its name',
  },
  {
    name: 'note to self',
    pattern: /\b(TODO|FIXME|XXX|HACK)\b/,
    in: everything,
    except: /^LICENSE$|^package-lock\.json$/,
    instead: 'do it, or open an issue',
  },
  {
    name: 'clock out of thin air',
    pattern: /\b(Date\.now\(|new Date\(\)|performance\.now\()/,
    in: /^(server|signer|transport)\/src\/.*\.ts$/,
    except: /((^|\/)(main|run|init|wiring|clock|log|logger|new-id)\.ts|\.test\.ts)$/,
    instead: 'the injected clock',
  },
  {
    name: 'weak randomness',
    pattern: /\bMath\.random\(/,
    // The client library spreads its retries by it.
    in: /^(core|server|signer|transport)\/.*\.ts$/,
    except: tests,
    instead: 'the injected randomness',
  },
  {
    name: 'number as money',
    pattern: /(\bparseFloat\(|\.toFixed\()/,
    in: /^(core|server|signer|transport|client)\/.*\.ts$/,
    // bitcoind itself writes amounts as JSON numbers; its adapter turns them into satoshis.
    except: /(^server\/src\/networks\/bitcoin\/.*|\.test)\.ts$/,
    instead: 'parseUnits and formatUnits of core/src/money/base-units.ts',
  },
  {
    name: 'undocumented environment',
    pattern: /process\.env(?!(\.|\[')(DATABASE_URL|HOLDFAST_PASSPHRASE_FILE)\b)/,
    in: /^(core|server|signer|transport|client)\/src\/.*\.ts$/,
    except: /(\/main|\.test)\.ts$/,
    instead: 'config.json; the environment holds DATABASE_URL and HOLDFAST_PASSPHRASE_FILE only',
  },
  {
    name: 'default export',
    pattern: /^export default\b/,
    in: code,
    except: /\.config\.ts$/,
    instead: 'a named export that the file is called after',
  },
  {
    name: 'package registry or mirror',
    pattern:
      /\b(registry\.npmjs\.org|registry\.yarnpkg\.com|(deb|ftp|security|snapshot)\.debian\.org|archive\.ubuntu\.com)\b/,
    in: everything,
    instead: 'nothing: the machine’s own npm and apt know where to ask',
  },
  {
    name: 'path of one machine',
    pattern: /(^|[\s'"`(=:])\/(home|root|Users|work|workspaces?)\/[\w.-]/,
    in: everything,
    except: /^package-lock\.json$/,
    instead: 'a path relative to the repository',
  },
  {
    name: 'dash of a typesetter',
    pattern: /[\u2013\u2014]/,
    in: everything,
    except: /^LICENSE$|^package-lock\.json$/,
    instead: 'a colon, a comma or a full stop',
  },
  {
    name: 'space at the end',
    pattern: /[ \t]+$/,
    in: everything,
    except: verbatim,
    instead: 'nothing',
  },
  { name: 'carriage return', pattern: /\r/, in: everything, instead: 'a line feed alone' },
];
