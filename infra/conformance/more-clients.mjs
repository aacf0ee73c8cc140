// Writes a seed file with two clients for signon.mjs, and the private key of the second beside it: node more-clients.mjs FILE
import { writeFileSync } from 'node:fs';
const file = process.argv[2];
const pair = await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, true, ['sign', 'verify']);
const pub = { ...await crypto.subtle.exportKey('jwk', pair.publicKey), kid: 'k1', alg: 'ES256', use: 'sig' };
delete pub.key_ops; delete pub.ext;
const base = { grant_types: ['client_credentials'], organisation: '11990000YX0000059Y', scope: 'licence.issue registry.read', profile: 'baseline' };
writeFileSync(file, JSON.stringify({ persons: [], organisations: [], mandates: [], licenceTypes: [], clients: [
  { ...base, client_id: 'foreign-post', client_name: '外部系统甲(示例)', client_secret: 'foreign-post-sample-secret-1', token_endpoint_auth_method: 'client_secret_post' },
  { ...base, client_id: 'foreign-key', client_name: '外部系统乙(示例)', token_endpoint_auth_method: 'private_key_jwt', jwks: { keys: [pub] } },
] }));
writeFileSync(`${file}.key`, JSON.stringify({ key: { ...await crypto.subtle.exportKey('jwk', pair.privateKey), kid: 'k1' } }));
