// Exchanges orders with nodes as one of 0x-Mesh would, without a handshake: both sides of it.
import assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

import { multiaddr } from '@multiformats/multiaddr'
import { hexToBytes } from '@noble/hashes/utils.js'

import { createClient } from '../client.mjs'
import { linesOf, Meshwork } from '../meshwork.mjs'
import { orderHash } from '../order.mjs'
import {
  bookOf, fetchOrders, fetchOrdersV4, filterFor, firstRequest, PER_PAGE, PROTOCOL, PROTOCOL_V4,
  serveOrders, serveOrdersV4, V0, V1
} from '../ordersync.mjs'
import { within } from '../patience.mjs'
import { makeOrders, makeOrdersV4, sign } from '../signer.mjs'
import { lineOf } from '../turns.mjs'

const inCrates = path => fileURLToPath(new URL(`../../../crates/${path}`, import.meta.url))
const SAMPLE = inCrates('orders/data/sample-v3.jsonl')
const GOLDEN = inCrates('ordersync/tests/golden/v1.txt')
/** Whose order the golden transcript has: the first account of every Ganache. */
const GANACHE_KEY = hexToBytes('f2f48ee19680706196e2e339e5da3491186e0c4c5030670656b0e0164837257d')
const GOLDEN_V4 = inCrates('ordersync/tests/golden/v4.txt')
/** Orders made beside the sample, so that there is more than one page. */
const MADE = 400
/** Orders of version 4: more than one page as well. */
const MADE_V4 = 600

/** What there is to exchange: the orders of the sample, as they are written, and some of ours. */
export async function readStock () {
  const lines = linesOf(await readFile(SAMPLE, 'utf8'))
  const sample = lines.map(line => JSON.parse(line))
  assert.deepEqual(sample.map(order => JSON.stringify(order)), lines, 'the lines are canonical')
  const orders = [...sample, ...makeOrders(MADE, sample[0])]
  const filter = filterFor(1, sample[0].exchangeAddress)
  return { orders, lines: linesOfOrders(orders), filter, ordersV4: makeOrdersV4(MADE_V4) }
}

/** What is said here is what 0x-Mesh says, and both sides understand each other. */
export async function checkItself ({ orders, lines, filter }) {
  const golden = linesOf(await readFile(GOLDEN, 'utf8'))
  const [request, response] = ['> ', '< '].map(mark =>
    golden.find(line => line.startsWith(mark)).slice(mark.length))
  const { metadata: [{ orderfilter }] } = JSON.parse(request).metadata
  assert.equal(lineOf(firstRequest([V1, V0], orderfilter)), `${request}\n`)
  const { orders: [order], metadata } = JSON.parse(response)
  assert.equal(orderHash(order), metadata.nextMinOrderHash)
  assert.deepEqual(sign(order, GANACHE_KEY), order)

  const goldenV4 = linesOf(await readFile(GOLDEN_V4, 'utf8'))
  const page = JSON.parse(goldenV4.find(line => line.startsWith('< ')).slice(2))
  const [, next] = goldenV4.filter(line => line.startsWith('> '))
  assert.equal(orderHash(page.orders[0]), JSON.parse(next.slice(2)).minOrderHash)

  for (const names of [[V1, V0], [V0]]) {
    await withProvider({ orders, names, perPage: 64 }, async ({ address }) => {
      const fetched = await fetchFrom(address, filter, names)
      assert.deepEqual(linesOfOrders(fetched.orders), lines)
      assert.equal(fetched.turns, Math.ceil(orders.length / 64) + 1, 'the last page is empty')
    })
  }
  console.log(`orders: ${orders.length} between two sides in JavaScript`)
}

/** A node gives its orders to strangers, however old they are, and of the version they ask for. */
export async function checkProvider (node, directory, { orders, lines, filter, ordersV4 }) {
  const made = join(directory, 'made.jsonl')
  await writeFile(made, [...orders.slice(-MADE), ...ordersV4].map(lineOf).join(''))
  for (const [file, count] of [[SAMPLE, orders.length - MADE], [made, MADE + MADE_V4]]) {
    const imported = (await node.orders('import', file)).at(-1)
    assert.deepEqual([imported.new, imported.bad], [count, 0])
  }

  const { chainID, exchangeAddress } = filter
  const [{ makerAddress }] = orders
  const ofMaker = orders.filter(order => order.makerAddress === makerAddress)
  const schema = { properties: { makerAddress: { enum: [makerAddress] } } }
  const elsewhere = filterFor(1337, '0x48bacb9266a570d521063ef5dd96e61686dbe788')
  for (const [who, asked, names, subprotocol, expected] of [
    ['of today', filter, [V1, V0], V1, lines],
    ['that prefers pages by number', filter, [V0, V1], V0, lines],
    ['that has nothing else', filter, [V0], V0, lines],
    ['up to 9.4.0', null, [V0], V0, lines],
    ['without a filter', null, [V1, V0], V1, lines],
    ['that wants one maker', filterFor(chainID, exchangeAddress, schema), [V1, V0], V1,
      linesOfOrders(ofMaker)],
    ['of another chain', elsewhere, [V1, V0], V1, []]
  ]) {
    const fetched = await fetchFrom(node.address, asked, names)
    assert.equal(fetched.subprotocol, subprotocol)
    assert.deepEqual(linesOfOrders(fetched.orders), expected)
    console.log(`orders: ${expected.length} to a requester ${who}, turns: ${fetched.turns}`)
  }
  const fetched = await withSession(node.address, PROTOCOL_V4, fetchOrdersV4)
  assert.deepEqual(linesOfOrders(fetched.orders), linesOfOrders(ordersV4))
  console.log(`orders: ${MADE_V4} to a requester of version 4, turns: ${fetched.turns}`)
}

/** A node fetches what foreign providers have, but for two orders that it must not take. */
export async function checkRequester (binary, directory, { orders, lines }) {
  // One that nobody signed, and one of which only a contract could tell.
  const broken = { ...orders[0], salt: '1' }
  const unverifiable = { ...orders[0], salt: '2', signature: '0x04' }
  for (const [who, names, perPage] of [
    ['of today', [V1, V0], PER_PAGE],
    ['with small pages', [V1, V0], 64],
    ['up to 9.4', [V0], PER_PAGE]
  ]) {
    const stock = { orders: [...orders, broken, unverifiable], names, perPage }
    const node = await Meshwork.start(binary, directory, `requester of one ${who}`)
    try {
      const session = await withProvider(stock, provider => syncFrom(provider, node))
      assert.equal(session.subprotocol, names[0])
      assert.deepEqual(await exported(node, directory), lines)
      console.log(`orders: ${lines.length} from a provider ${who}, 2 refused, ` +
        `turns: ${session.requests}`)
    } finally {
      await node.stop()
    }
  }
}

/** Has an empty node fetch from a provider all orders but the two; says how it went. */
async function syncFrom ({ peerId, address, count, sessions }, node) {
  const reports = await node.orders('sync', '--from', address, '--timeout', '15s')
  assert.deepEqual(reports.pop(), { synced: 1, wanted: 1 })
  const sums = reports.map(report => [report.peer_id, report.ended, report.new, report.refused])
  assert.deepEqual(sums, [[peerId, 'paged', count - 2, 2]], JSON.stringify(reports))

  const [session, ...others] = await sessions()
  assert.equal(others.length, 0, 'one session is enough')
  const known = session.offered.filter(name => [V1, V0].includes(name))
  assert.deepEqual(known, [V1, V0], `offered: ${session.offered}`)
  assert.equal(session.orders, count)
  assert.ok(session.complete, 'the node went on to the end')
  return session
}

/** A node fetches orders of both versions from a provider that has each in its own protocol. */
export async function checkVersions (binary, directory, { orders, ordersV4 }) {
  const stock = { orders, names: [V1, V0], perPage: PER_PAGE, ordersV4 }
  const node = await Meshwork.start(binary, directory, 'requester of both versions')
  try {
    await withProvider(stock, async ({ address }) => {
      const reports = await node.orders('sync', '--from', address, '--timeout', '15s')
      assert.deepEqual(reports.pop(), { synced: 1, wanted: 1 })
      const sums = reports.map(report => [report.protocol, report.ended, report.new])
      const expected = [[PROTOCOL, 'paged', orders.length], [PROTOCOL_V4, 'paged', MADE_V4]]
      assert.deepEqual(sums, expected, JSON.stringify(reports))
    })
    assert.deepEqual(await exported(node, directory), linesOfOrders([...orders, ...ordersV4]))
    console.log(`orders: ${orders.length} and ${MADE_V4} from a provider of both versions`)
  } finally {
    await node.stop()
  }
}

/** The orders of a node as lines; in its file they are by hash. */
async function exported (node, directory) {
  const file = join(directory, 'exported.jsonl')
  await node.orders('export', file)
  const lines = linesOf(await readFile(file, 'utf8'))
  const hashes = lines.map(line => orderHash(JSON.parse(line)))
  assert.deepEqual(hashes, hashes.toSorted())
  return lines.toSorted()
}

/** Has a host serve orders in pages while `use` runs, those of version 4 only if there are any. */
async function withProvider ({ orders, names, perPage, ordersV4 }, use) {
  const book = bookOf(orders)
  const sessions = []
  const host = await createClient(['/ip4/127.0.0.1/tcp/0'])
  try {
    await host.handle(PROTOCOL, stream => {
      const session = serveOrders(stream, book, names, perPage)
      session.catch(error => {
        console.error(`orders: a session broke: ${error.message}`)
        stream.abort(error)
      })
      sessions.push(session)
    })
    if (ordersV4 !== undefined) {
      const book = bookOf(ordersV4)
      await host.handle(PROTOCOL_V4, stream => {
        serveOrdersV4(stream, book, perPage).catch(error => stream.abort(error))
      })
    }
    return await use({
      peerId: host.peerId.toString(),
      address: host.getMultiaddrs()[0].toString(),
      count: orders.length,
      sessions: () => within(Promise.all(sessions), 'the sessions of the provider')
    })
  } finally {
    await host.stop()
  }
}

/** Asks the provider at an address. */
async function fetchFrom (address, filter, names) {
  return await withSession(address, PROTOCOL, stream => fetchOrders(stream, filter, names))
}

/** What `fetch` gets out of a session with the provider at an address. */
async function withSession (address, protocol, fetch) {
  const host = await createClient()
  try {
    const stream = await within(host.dialProtocol(multiaddr(address), protocol), 'open a session')
    return await within(fetch(stream), 'the orders')
  } finally {
    await host.stop()
  }
}

function linesOfOrders (orders) {
  return orders.map(order => JSON.stringify(order)).sort()
}
