// Reads the events of `go test -json`, prints what failed in full and what was skipped, and exits 1 on either:
// with every tool present, a skipped test is a check that was not made.
import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';

const output = new Map();
const failed = [], skipped = [], packages = [];
let passed = 0;
for await (const line of createInterface({ input: createReadStream(process.argv[2]) })) {
  let e;
  try { e = JSON.parse(line); } catch { console.log(line); continue; }
  const name = e.Test ? `${e.Package} ${e.Test}` : e.Package ?? e.ImportPath;
  if (e.Action === 'output' || e.Action === 'build-output') output.set(name, (output.get(name) ?? '') + e.Output);
  if (e.Action === 'fail' || e.Action === 'build-fail') failed.push(name);
  if (e.Action === 'skip' && e.Test) skipped.push(name);
  if (e.Action === 'pass' && e.Test) passed++;
  if (e.Action === 'pass' && !e.Test) packages.push(`ok  ${e.Package}\t${e.Elapsed}s`);
  if (e.Action === 'pass' || e.Action === 'skip') if (e.Test && e.Action === 'pass') output.delete(name);
}
console.log(packages.join('\n'));
for (const name of failed) console.log(`\nFAIL ${name}\n${output.get(name) ?? ''}`);
for (const name of skipped) console.log(`\nSKIP ${name}\n${output.get(name) ?? ''}`);
console.log(`${passed} passed, ${failed.length} failed, ${skipped.length} skipped`);
if (passed === 0) console.log('no test was executed');
process.exit(failed.length || skipped.length || passed === 0 ? 1 : 0);
