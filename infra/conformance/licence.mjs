// Judges the licence of a demo's output folder with a foreign SD-JWT implementation, before and after its revocation.
//
//   node licence.mjs DIR      reads licence.sd-jwt, status-list.jwt, trust/root-p256.pem, trust/ca-document.pem
import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { verify } from './sdjwt.mjs';

const read = (name) => readFileSync(join(process.argv[2], name), 'utf8').trim();
const text = read('licence.sd-jwt');
const statusList = read('status-list.jwt');
const root = new X509Certificate(read('trust/root-p256.pem'));
const other = new X509Certificate(read('trust/ca-document.pem'));

// forged is the licence with one disclosure whose value ends in another character.
const forged = (() => {
  const parts = text.split('~');
  const [salt, name, value] = JSON.parse(Buffer.from(parts[1], 'base64url'));
  parts[1] = Buffer.from(JSON.stringify([salt, name, value + 'x'])).toString('base64url');
  return parts.join('~');
})();

for (const [what, input, options, valid, revoked] of [
  ['the signature, the chain and every disclosure of the licence verify', text, { root }, true, false],
  ['the published list says that it is revoked', text, { root, statusList }, false, true],
  ['a changed disclosure is refused', forged, { root }, false, false],
  ['under another anchor it is refused', text, { root: other }, false, false],
]) {
  const r = await verify(input, options);
  if (r.valid !== valid || r.revoked !== revoked) {
    console.error(`FAIL @sd-jwt: ${what}: valid ${r.valid}, revoked ${r.revoked}, ${r.reason}`);
    process.exit(1);
  }
  if (valid && (!r.claims.certificateIdentifier || !r.claims.certificateHolderName)) {
    console.error('FAIL @sd-jwt: the licence does not say whose it is');
    process.exit(1);
  }
  console.log(`ok   @sd-jwt: ${what}`);
}
