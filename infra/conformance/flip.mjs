// Copies a PDF with one bit flipped in its first stream: node flip.mjs FROM TO
import { readFileSync, writeFileSync } from 'node:fs';
const [from, to] = process.argv.slice(2);
const bytes = readFileSync(from);
const at = bytes.indexOf('stream\n');
if (at < 0) throw new Error('no stream');
bytes[at + 15] ^= 1;
writeFileSync(to, bytes);
