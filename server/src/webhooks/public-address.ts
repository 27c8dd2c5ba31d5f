import { lookup } from 'node:dns';
import { BlockList, isIP, type LookupFunction } from 'node:net';
import { Failure } from '@holdfast/core/failure.ts';

/** Address blocks that are not the public internet: IANA special-purpose registries (RFC 6890) and multicast. */
const notPublic = new BlockList();
for (const [network, prefix] of [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.88.99.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 4],
  ['240.0.0.0', 4],
] as const) {
  notPublic.addSubnet(network, prefix, 'ipv4');
}
/** Global unicast of IPv6 is 2000::/3; all else is refused, with the tunnels inside it that lead to IPv4 addresses. */
const globalUnicast = new BlockList();
globalUnicast.addSubnet('2000::', 3, 'ipv6');
const notPublicV6 = new BlockList();
for (const [network, prefix] of [
  ['2001::', 23],
  ['2001:db8::', 32],
  ['2002::', 16],
  ['3fff::', 20],
] as const) {
  notPublicV6.addSubnet(network, prefix, 'ipv6');
}

/** Whether an IP address is on the public internet. */
export function isPublicAddress(address: string): boolean {
  if (isIP(address) === 4) return !notPublic.check(address, 'ipv4');
  return isIP(address) === 6 && globalUnicast.check(address, 'ipv6') && !notPublicV6.check(address, 'ipv6');
}

/**
 * Checks a webhook's URL as far as can be without asking DNS.
 * @throws Failure invalid-request for what is not http(s), has credentials or names an address that is not public.
 */
export function checkWebhookUrl(text: string, allowPrivate: boolean): URL {
  const refuse = (detail: string): Failure => new Failure('invalid-request', detail, { pointer: '/url' });
  if (!URL.canParse(text)) throw refuse('not an absolute URL');
  const url = new URL(text);
  if (url.protocol !== 'http:' && url.protocol !== 'https:') throw refuse('only http and https URLs are called');
  if (url.username !== '' || url.password !== '') throw refuse('a webhook URL carries no credentials');
  const host = hostOf(url);
  const isLocal = host === 'localhost' || host.endsWith('.localhost') || (isIP(host) !== 0 && !isPublicAddress(host));
  if (isLocal && !allowPrivate) throw refuse(`${host} is not on the public internet`);
  return url;
}

/** The host without the brackets of an IPv6 literal and without the root's dot. */
export function hostOf(url: URL): string {
  return url.hostname.replace(/^\[|\]$/g, '').replace(/\.$/, '');
}

/**
 * A look-up for sockets that fails when a name leads anywhere but to the public internet. The socket connects to what
 * was checked, so a name that changes its address in between gains nothing.
 */
export const publicLookup: LookupFunction = (hostname, options, callback) => {
  lookup(hostname, { all: true, family: options.family ?? 0 }, (error, addresses) => {
    if (error !== null) return callback(error, '');
    const inside = addresses.find(({ address }) => !isPublicAddress(address));
    const first = addresses[0];
    if (inside !== undefined || first === undefined) {
      return callback(new Error(`${hostname} leads to ${inside?.address ?? 'no address'}, which is not public`), '');
    }
    return options.all === true ? callback(null, addresses) : callback(null, first.address, first.family);
  });
};
