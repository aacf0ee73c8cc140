// Signs on with openid-client, a certified relying-party library, as two apps in one browser.
//
//   node signon.mjs ISSUER SEED.json CLIENT_A CLIENT_B PERSON
//
// SEED.json is the seed the server runs with: it names the clients' secrets and redirect addresses and the password.
// Exits 0 only if every step gave what OpenID Connect promises.
import * as client from 'openid-client';
import { readFileSync } from 'node:fs';
import assert from 'node:assert/strict';

const [issuer, seedFile, moreFile, idA, idB, personID] = process.argv.slice(2);
const seed = JSON.parse(readFileSync(seedFile, 'utf8'));
const more = JSON.parse(readFileSync(`${moreFile}.key`, 'utf8'));
seed.clients.push(...JSON.parse(readFileSync(moreFile, 'utf8')).clients);
const find = (id) => seed.clients.find((c) => c.client_id === id) ?? assert.fail(`no client ${id} in ${seedFile}`);
const person = seed.persons.find((p) => p.id === personID);
const step = (text) => console.log(`ok   ${text}`);

// A browser of the simplest kind: cookies, redirects, forms.
const jar = new Map();
async function browse(url, init = {}) {
  for (let hop = 0; hop < 12; hop++) {
    const response = await fetch(url, {
      ...init, redirect: 'manual',
      headers: { ...init.headers, cookie: [...jar].map(([k, v]) => `${k}=${v}`).join('; ') },
    });
    for (const c of response.headers.getSetCookie()) {
      const [pair, ...attributes] = c.split(';');
      const [name, ...value] = pair.split('=');
      if (attributes.some((a) => /^\s*max-age=0$/i.test(a))) jar.delete(name); else jar.set(name, value.join('='));
    }
    const location = response.headers.get('location');
    if (!location) return { url: new URL(url), response, html: await response.text() };
    assert.notEqual(response.status, 307, 'a form must never be sent on');
    url = new URL(location, url).href;
    if (!url.startsWith(issuer) || new URL(url).pathname.startsWith('/demo/')) return { url: new URL(url) };
    init = {};
  }
  assert.fail('too many redirects');
}

// form finds the page's form and posts it with what a person typed and the button a person pressed.
async function submit(page, typed, button) {
  const action = /<form[^>]*action="([^"]*)"/i.exec(page.html)?.[1] ?? '';
  const fields = new URLSearchParams();
  for (const [tag] of page.html.matchAll(/<input[^>]*>/gi)) {
    const attribute = (n) => new RegExp(`\\s${n}="([^"]*)"`, 'i').exec(tag)?.[1]?.replaceAll('&amp;', '&').replaceAll('&#34;', '"').replaceAll('&#39;', "'");
    if (attribute('type') === 'hidden') fields.set(attribute('name'), attribute('value') ?? '');
  }
  for (const [k, v] of Object.entries(typed)) {
    assert.match(page.html, new RegExp(`id="${k}"`), `the page has no field ${k}`);
    fields.set(k, v);
  }
  const tag = new RegExp(`<button[^>]*id="${button}"[^>]*>`, 'i').exec(page.html)?.[0] ?? assert.fail(`no button ${button}`);
  const name = /\sname="([^"]*)"/.exec(tag)?.[1], value = /\svalue="([^"]*)"/.exec(tag)?.[1];
  if (name) fields.set(name, value ?? '');
  return browse(new URL(action.replaceAll('&amp;', '&'), page.url).href, {
    method: 'POST', body: fields.toString(),
    headers: { 'content-type': 'application/x-www-form-urlencoded', origin: new URL(issuer).origin },
  });
}

async function signOn(id, { mayAskPassword, prompt }) {
  const c = find(id);
  const secret = c.token_endpoint_auth_method === 'none' ? client.None() : client.ClientSecretBasic(c.client_secret);
  const config = await client.discovery(new URL(issuer), id, c.client_secret, secret, { execute: [client.allowInsecureRequests] });
  assert.equal(config.serverMetadata().issuer, issuer);
  const verifier = client.randomPKCECodeVerifier(), state = client.randomState(), nonce = client.randomNonce();
  const redirect_uri = c.redirect_uris[0];
  const url = client.buildAuthorizationUrl(config, {
    redirect_uri, scope: c.scope ?? 'openid profile', state, nonce, ...(prompt ? { prompt } : {}),
    code_challenge: await client.calculatePKCECodeChallenge(verifier), code_challenge_method: 'S256',
  });
  let page = await browse(url.href), asked = false;
  for (let i = 0; page.html && i < 4; i++) {
    if (page.html.includes('id="password"')) {
      assert.ok(mayAskPassword, `${id} asked for the password again`);
      asked = true;
      page = await submit(page, { username: person.id, password: person.password }, 'submit');
    } else {
      page = await submit(page, {}, 'allow');
    }
  }
  assert.ok(page.url.href.startsWith(redirect_uri), `ended at ${page.url}`);
  assert.equal(page.url.searchParams.get('iss'), issuer, 'the response names its issuer (RFC 9207)');
  const tokens = await client.authorizationCodeGrant(config, page.url, { pkceCodeVerifier: verifier, expectedState: state, expectedNonce: nonce, idTokenExpected: true });
  const claims = tokens.claims();
  const info = await client.fetchUserInfo(config, tokens.access_token, claims.sub);
  const replay = () => client.authorizationCodeGrant(config, page.url, { pkceCodeVerifier: verifier, expectedState: state, expectedNonce: nonce });
  return { config, tokens, claims, info, asked, replay };
}

const a = await signOn(idA, { mayAskPassword: true });
assert.ok(a.asked);
await assert.rejects(a.replay(), { error: 'invalid_grant' });
await assert.rejects(client.fetchUserInfo(a.config, a.tokens.access_token, a.claims.sub), 'a replayed code revokes what it gave');
step(`${idA}: discovery, PKCE, password, consent, code, ID Token, UserInfo; the code works once, and its replay revokes the grant`);
const b = await signOn(idB, { mayAskPassword: false });
step(`${idB}: the second app gets its code without a second log-in`);
assert.notEqual(a.claims.sub, b.claims.sub, 'two sectors must not share a subject');
assert.equal(a.claims.auth_time ?? 0, b.claims.auth_time ?? 0);
step('the two apps see different subjects for one person');

const again = await signOn(idB, { mayAskPassword: false, prompt: 'none' });
assert.equal(again.claims.sub, b.claims.sub);
step(`${idB}: prompt=none gives a code at once, and the subject stays the same`);
if (again.tokens.refresh_token) {
  const refreshed = await client.refreshTokenGrant(again.config, again.tokens.refresh_token);
  assert.ok(refreshed.access_token && refreshed.access_token !== again.tokens.access_token);
  step(`${idB}: refresh`);
}
const machines = [
  ['market-office', (c) => client.ClientSecretBasic(c.client_secret)],
  ['foreign-post', (c) => client.ClientSecretPost(c.client_secret)],
  ['foreign-key', async () => client.PrivateKeyJwt({ key: await crypto.subtle.importKey('jwk', more.key, { name: 'ECDSA', namedCurve: 'P-256' }, false, ['sign']), kid: more.key.kid })],
];
for (const [id, authentication] of machines) {
  const c = find(id);
  const config = await client.discovery(new URL(issuer), id, undefined, await authentication(c), { execute: [client.allowInsecureRequests] });
  assert.ok((await client.clientCredentialsGrant(config)).access_token);
  step(`${id}: client_credentials with ${c.token_endpoint_auth_method ?? 'client_secret_basic'}`);
}
const wrong = await client.discovery(new URL(issuer), 'foreign-post', undefined, client.ClientSecretBasic('not the secret'), { execute: [client.allowInsecureRequests] });
await assert.rejects(client.clientCredentialsGrant(wrong), { status: 401 });
step('a wrong secret is refused with a challenge');
const out = await browse(client.buildEndSessionUrl(a.config, { id_token_hint: a.tokens.id_token }).href);
if (out.html?.includes('<form')) await submit(out, {}, /id="(submit|allow)"/.exec(out.html)[1]);
await assert.rejects(signOn(idB, { mayAskPassword: false, prompt: 'none' }), 'after log-out prompt=none must not give a code');
step('after log-out no app gets a code without a log-in');
