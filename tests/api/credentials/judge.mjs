// Other people's verifiers judge badges, without a network: every address is answered from what is given.
//
// Input on stdin: {"pages": {address: document}, "badges": [credential, ...]}. Output on stdout, for each badge:
//   proof      @digitalbazaar/vc on the credential, its status left aside
//   found      @digitalbazaar/vc-bitstring-status-list: the list was found and its proof holds
//   withdrawn  what it read there, an answer for each status
//   whole      `verified` of @digitalbazaar/vc with that status check
//   steps      what @digitalcredentials/verifier-core found: signature, expiration, revocation, schema
import {text} from 'node:stream/consumers';
import {DataIntegrityProof} from '@digitalbazaar/data-integrity';
import {cryptosuite} from '@digitalbazaar/eddsa-rdfc-2022-cryptosuite';
import {verifyCredential} from '@digitalbazaar/vc';
import {checkStatus} from '@digitalbazaar/vc-bitstring-status-list';

const {pages, badges} = JSON.parse(await text(process.stdin));

function answered(address) {
  if(!(address in pages)) {
    throw new Error(`nothing is known at ${address}`);
  }
  return structuredClone(pages[address]);
}

globalThis.fetch = async request => {
  const address = typeof request === 'string' ? request : (request.url ?? request.href);
  const known = address in pages;
  return new Response(JSON.stringify(known ? pages[address] : {}), {
    status: known ? 200 : 404, headers: {'content-type': 'application/json'}
  });
};

// did:web, for @digitalbazaar: the document, or the key of it that an address with a fragment names
async function documentLoader(address) {
  if(!address.startsWith('did:web:')) {
    return {contextUrl: null, documentUrl: address, document: answered(address)};
  }
  const [did, fragment] = address.split('#');
  const [host, ...path] = did.slice('did:web:'.length).split(':').map(decodeURIComponent);
  const document = answered(
    `https://${[host, ...(path.length ? path : ['.well-known']), 'did.json'].join('/')}`);
  const method = document.verificationMethod.find(one => one.id === address);
  return {
    contextUrl: null, documentUrl: address,
    document: fragment ? {'@context': 'https://w3id.org/security/multikey/v1', ...method} : document
  };
}

const suite = new DataIntegrityProof({cryptosuite});
const {verifyCredential: verifyWhole} = await import('@digitalcredentials/verifier-core');

async function steps(credential) {
  const found = await verifyWhole({credential: structuredClone(credential), knownDIDRegistries: []});
  const log = Object.fromEntries((found.log ?? []).map(step => [step.id, step.valid]));
  const schema = (found.additionalInformation ?? []).flatMap(
    one => Array.isArray(one.results) ? one.results.map(each => each.result.valid) : []);
  return {...log, schema, errors: (found.errors ?? []).map(error => error.name)};
}

const verdicts = [];
for(const badge of badges) {
  const told = {credential: badge, suite, documentLoader};
  const none = async () => ({verified: true});
  const {verified: proof} = await verifyCredential({...told, checkStatus: none});
  const looked = await checkStatus(told);
  const whole = await verifyCredential({...told, checkStatus});
  verdicts.push({
    proof,
    found: looked.verified,
    withdrawn: (looked.results ?? []).map(result => result.status),
    whole: whole.verified,
    steps: await steps(badge)
  });
}
console.log(JSON.stringify(verdicts));
