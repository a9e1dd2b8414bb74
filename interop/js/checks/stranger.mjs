// Connects to a node as a stranger, and uses what is open to strangers.
import assert from 'node:assert/strict'

import { multiaddr } from '@multiformats/multiaddr'

import { createClient } from '../client.mjs'
import { within } from '../patience.mjs'

const HANDSHAKE = '/meshwork/handshake/1'

/** Identifies the node, pings it, and is refused what is behind its gate. */
export async function visit ({ peerId, address }) {
  const client = await createClient()
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
