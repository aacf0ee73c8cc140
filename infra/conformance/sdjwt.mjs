// Verifies a licence (SD-JWT VC) with the @sd-jwt libraries and node's X.509, neither of which is ours.
//
//   node sdjwt.mjs LICENCE --trust ROOT.pem [--jwk KEY.json] [--status-list LIST.jwt]
//
// The issuer's key is that of the first certificate in x5c, whose chain must end at ROOT, or the given JWK. Prints JSON
// {"valid", "revoked", "suspended", "status", "issuer", "claims", "reason"}: valid is signature, disclosures, times, and
// a status of 0 where a list is given; status is null where none is. Exits 0 whenever it could find out.
import { X509Certificate, createHash, webcrypto } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { SDJwtVcInstance } from '@sd-jwt/sd-jwt-vc';

const { subtle } = webcrypto;
const bytes = (b64u) => Buffer.from(b64u, 'base64url');
const header = (jwt) => JSON.parse(bytes(jwt.split('.')[0]));

// leaf returns the first certificate of a JWT's x5c after it has climbed to the root: each signature, each validity, CA
// certificates but for the first, and no root in the header.
function leaf(jwt, root, now) {
  const chain = (header(jwt).x5c ?? []).map((c) => new X509Certificate(Buffer.from(c, 'base64')));
  if (chain.length === 0) throw new Error('no x5c');
  [...chain, root].forEach((c, i, all) => {
    if (now < new Date(c.validFrom) || now > new Date(c.validTo)) throw new Error(`certificate ${i} is not valid now`);
    const issuer = all[i + 1];
    if (!issuer) return;
    if (c.fingerprint256 === root.fingerprint256) throw new Error('the trust anchor is in x5c');
    if (!issuer.ca || !c.checkIssued(issuer) || !c.verify(issuer.publicKey)) throw new Error(`certificate ${i} is not issued by the next`);
  });
  return chain[0];
}

// verifier checks ES256 with a key that was found by trust.
const es256 = (find) => async (data, signature) => {
  const key = await subtle.importKey('jwk', await find(data), { name: 'ECDSA', namedCurve: 'P-256' }, false, ['verify']);
  return subtle.verify({ name: 'ECDSA', hash: 'SHA-256' }, key, bytes(signature), Buffer.from(data));
};

export async function verify(text, { root, jwk, statusList, now = new Date() }) {
  const find = (data) => jwk ?? leaf(data, root, now).publicKey.export({ format: 'jwk' });
  let status = null;
  const sdjwt = new SDJwtVcInstance({
    hasher: (data, alg) => createHash(alg.replace('-', '')).update(Buffer.from(data)).digest(),
    hashAlg: 'sha-256',
    verifier: es256(find),
    statusVerifier: es256((data) => leaf(data, root, now).publicKey.export({ format: 'jwk' })),
    statusListFetcher: async (uri) => {
      const claims = JSON.parse(bytes(statusList.split('.')[1]));
      if (header(statusList).typ !== 'statuslist+jwt') throw new Error('the list has another typ');
      if (claims.sub !== uri) throw new Error('the list is another one');
      if (claims.exp * 1000 <= now) throw new Error('the list has expired');
      return statusList;
    },
    statusValidator: async (value) => { status = value; },
  });
  const out = { valid: false, revoked: false, suspended: false, status: null, issuer: null, claims: null, reason: null };
  try {
    if (header(text).typ !== 'dc+sd-jwt' || header(text).alg !== 'ES256') throw new Error('not an ES256 dc+sd-jwt');
    // Without a list the status stays unknown: the reference is hidden from the library, not from the signature.
    if (!statusList) sdjwt.verifyStatus = async () => {};
    const { payload } = await sdjwt.verify(text, { currentDate: Math.floor(now / 1000) });
    // RFC 9901, section 7.1, step 5, which the library leaves out: no disclosure without a digest that refers to it.
    for (const d of text.split('~').slice(1, -1)) {
      const [, name, value] = JSON.parse(bytes(d));
      if (JSON.stringify(payload[name]) !== JSON.stringify(value)) throw new Error('a disclosure is not referenced');
    }
    Object.assign(out, { status, revoked: status === 1, suspended: status === 2, issuer: payload.iss, claims: payload, valid: !status });
    if (status) out.reason = `status ${status}`;
    if (!jwk) {
      const organisation = /^O=(.*)$/m.exec(leaf(text, root, now).subject)?.[1] ?? '';
      if (!organisation.startsWith(payload.iss.split('/').pop())) throw new Error('iss is not the organisation in the certificate');
    }
  } catch (e) {
    out.valid = false;
    out.reason = e.message;
  }
  return out;
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const [licence, ...rest] = process.argv.slice(2);
  const options = {};
  for (let i = 0; i < rest.length; i += 2) options[rest[i]] = readFileSync(rest[i + 1], 'utf8').trim();
  if (!licence || (!options['--trust'] && !options['--jwk'])) {
    console.error('node sdjwt.mjs LICENCE --trust ROOT.pem [--jwk KEY.json] [--status-list LIST.jwt]');
    process.exit(2);
  }
  console.log(JSON.stringify(await verify(readFileSync(licence, 'utf8').trim(), {
    root: options['--trust'] && new X509Certificate(options['--trust']),
    jwk: options['--jwk'] && JSON.parse(options['--jwk']),
    statusList: options['--status-list'],
  }), null, 1));
}
