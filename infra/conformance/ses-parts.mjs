// Cuts an SES_Signature (GB/T 38540-2020) into what OpenSSL needs to verify it; it verifies nothing itself.
//
//	node ses-parts.mjs SignedValue.dat DIR
//
// DIR gets stamp.{tbs,sig,cer}, seal.{tbs,sig,cer} and datahash (hex).
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
const [file, dir] = process.argv.slice(2);

// element reads one DER element at an offset: its whole bytes, its content, and the elements in it.
function element(bytes, at = 0) {
  let length = bytes[at + 1], head = 2;
  if (length & 0x80) {
    const n = length & 0x7f;
    length = bytes.subarray(at + 2, at + 2 + n).reduce((v, b) => v * 256 + b, 0);
    head += n;
  }
  const end = at + head + length;
  if (end > bytes.length) throw new Error('truncated');
  return {
    tag: bytes[at], whole: bytes.subarray(at, end), content: bytes.subarray(at + head, end),
    get children() { const all = []; for (let p = at + head; p < end;) { const e = element(bytes, p); all.push(e); p += e.whole.length; } return all; },
  };
}

const [tbs, cert, , signature] = element(readFileSync(file)).children;
const [, eseal, , dataHash] = tbs.children;
const [info, makerCert, , makerSignature] = eseal.children;
const bits = (e) => { if (e.tag !== 3 || e.content[0] !== 0) throw new Error('no whole BIT STRING'); return e.content.subarray(1); };
mkdirSync(dir, { recursive: true });
for (const [name, data] of Object.entries({
  'stamp.tbs': tbs.whole, 'stamp.cer': cert.content, 'stamp.sig': bits(signature),
  'seal.tbs': info.whole, 'seal.cer': makerCert.content, 'seal.sig': bits(makerSignature),
  datahash: bits(dataHash).toString('hex'),
})) writeFileSync(`${dir}/${name}`, data);
