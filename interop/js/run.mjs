// Starts a node, connects to it as a stranger, and uses what is open to strangers.
// usage: node --import ./polyfill.mjs run.mjs PATH_OF_THE_MESHWORK_BINARY
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import { identify } from '@libp2p/identify'
import { ping } from '@libp2p/ping'
import { tcp } from '@libp2p/tcp'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'

const HANDSHAKE = '/meshwork/handshake/1'
const PATIENCE = 20_000

/** Fails instead of waiting for ever. */
function within (promise, what) {
  const late = new Promise((_, reject) => {
    setTimeout(() => reject(new Error(`${what}: nothing within ${PATIENCE} ms`)), PATIENCE).unref()
  })
  return Promise.race([promise, late])
}

/** The peer id and the TCP address of the node's `ready` line. */
async function ready (node) {
  for await (const line of createInterface({ input: node.stdout })) {
    const fields = /^ready peer_id=(\S+) listen=(\S+)/.exec(line)
    if (fields) {
      const [, peerId, listen] = fields
      const address = listen.split(',').find(address => address.includes('/tcp/'))
      return { peerId, address: address.includes('/p2p/') ? address : `${address}/p2p/${peerId}` }
    }
  }
  throw new Error('the node ended before it was ready')
}

async function visit ({ peerId, address }) {
  const client = await createLibp2p({
    addresses: { listen: [] },
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    services: { identify: identify(), ping: ping() }
  })
  try {
    const identified = within(new Promise(resolve => {
      client.addEventListener('peer:identify', event => resolve(event.detail), { once: true })
    }), 'identify')
    const target = multiaddr(address)
    const connection = await within(client.dial(target), 'dial')
    assert.equal(connection.remotePeer.toString(), peerId)
    console.log(`connected to ${peerId}`)

    const { agentVersion, protocols } = await identified
    assert.match(agentVersion, /^meshwork\//)
    assert.ok(protocols.includes(HANDSHAKE), `${HANDSHAKE} is offered: ${protocols}`)
    assert.ok(!protocols.some(name => name.startsWith('/meshwork/seed/')), 'the gate is shut')
    console.log(`identified ${agentVersion}: ${protocols.join(' ')}`)

    for (let round = 1; round <= 3; round++) {
      const rtt = await within(client.services.ping.ping(target), 'ping')
      console.log(`ping ${round}: ${rtt} ms`)
    }

    const refused = await within(client.dialProtocol(target, '/meshwork/seed/1'), 'open a protocol')
      .catch(error => error)
    assert.equal(refused.name, 'UnsupportedProtocolError', 'a stranger reaches nothing inside')
    console.log('a protocol behind the gate: refused, as it should be')
  } finally {
    await client.stop()
  }
}

const binary = process.argv[2]
if (!binary) {
  console.error('usage: node --import ./polyfill.mjs run.mjs PATH_OF_THE_MESHWORK_BINARY')
  process.exit(2)
}
const directory = await mkdtemp(join(tmpdir(), 'meshwork-interop-'))
const node = spawn(binary, [
  'run', '--data-dir', join(directory, 'data'), '--network', 'interop',
  '--listen', '/ip4/127.0.0.1/tcp/0'
], { stdio: ['ignore', 'pipe', 'inherit'] })
const ended = new Promise(resolve => node.once('exit', resolve))
try {
  await visit(await within(ready(node), 'ready'))
  console.log('interop: js-libp2p connects, identifies and pings: ok')
} catch (error) {
  console.error(`interop: ${error.stack}`)
  process.exitCode = 1
} finally {
  node.kill('SIGTERM')
  await within(ended, 'the node\'s end')
  await rm(directory, { recursive: true, force: true })
}
