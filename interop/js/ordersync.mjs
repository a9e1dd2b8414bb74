// Order synchronisation as nodes of 0x-Mesh speak it, both sides.
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'

import { orderHash } from './order.mjs'
import { Turns } from './turns.mjs'

export const PROTOCOL = '/0x-mesh/order-sync/version/0'
export const PROTOCOL_V4 = '/0x-mesh/order-sync/version/4'
export const V1 = '/pagination-with-filter/version/1'
export const V0 = '/pagination-with-filter/version/0'

/** Orders in a page. */
export const PER_PAGE = 500

const LOWEST = `0x${'00'.repeat(32)}`
/** More requests than any session here needs. */
const TURNS_MAX = 100

/** A filter that wants every order of an exchange, or what a schema says of them. */
export function filterFor (chainID, exchangeAddress, schema = {}) {
  return { customOrderSchema: JSON.stringify(schema), chainID, exchangeAddress }
}

/** What a requester says in each subprotocol. */
const REQUESTERS = {
  [V1]: {
    first: orderfilter => ({ orderfilter, minOrderHash: LOWEST }),
    next: (orderfilter, _, last) => ({ orderfilter, minOrderHash: last })
  },
  [V0]: {
    first: orderfilter => ({ orderfilter, page: 0, snapshotID: '' }),
    next: (orderfilter, { page, snapshotID }) => ({ orderfilter, page: page + 1, snapshotID })
  }
}

/** What a requester says first; up to 9.4.0, which sent no filter, that is nothing but names. */
export function firstRequest (subprotocols, filter) {
  const metadata = filter === null
    ? null
    : { metadata: subprotocols.map(name => REQUESTERS[name].first(filter)) }
  return { type: 'Request', subprotocols, metadata }
}

/** Fetches all that a provider has for a filter (null: none); checks all that it says. */
export async function fetchOrders (stream, filter, subprotocols = [V1, V0]) {
  const turns = new Turns(stream)
  const orders = []
  let last = LOWEST
  let request = firstRequest(subprotocols, filter)
  for (let turn = 1; turn <= TURNS_MAX; turn++) {
    await turns.send(request)
    const response = await turns.receive()
    assert.ok(response, 'the provider ended before it was complete')
    last = checkPage(request, response, last)
    orders.push(...response.orders ?? [])
    const { subprotocol, complete, metadata } = response
    if (complete) {
      assert.equal(await turns.receive(), undefined, 'nothing follows what is complete')
      await turns.close()
      return { subprotocol, orders, turns: turn }
    }
    const next = REQUESTERS[subprotocol].next(filter, metadata, last)
    request = { type: 'Request', subprotocols: [subprotocol], metadata: next }
  }
  throw new Error(`not complete after ${TURNS_MAX} requests`)
}

/** Fetches all orders of version 4 that a provider has, in the protocol that has nothing else. */
export async function fetchOrdersV4 (stream) {
  const turns = new Turns(stream)
  const orders = []
  let minOrderHash = LOWEST
  for (let turn = 1; turn <= TURNS_MAX; turn++) {
    await turns.send({ minOrderHash })
    const response = await turns.receive()
    assert.ok(response, 'the provider ended before an empty page')
    assert.deepEqual(Object.keys(response), ['orders'])
    if (response.orders === null) {
      assert.equal(await turns.receive(), undefined, 'nothing follows an empty page')
      await turns.close()
      return { orders, turns: turn }
    }
    minOrderHash = ascending(response.orders, minOrderHash)
    orders.push(...response.orders)
  }
  throw new Error(`no empty page after ${TURNS_MAX} requests`)
}

/** Serves one session of the protocol of version 4 out of a book. */
export async function serveOrdersV4 (stream, book, perPage = PER_PAGE) {
  const turns = new Turns(stream)
  let given = 0
  for (;;) {
    const request = await turns.receive()
    if (request === undefined) break
    const page = book.filter(({ hash }) => hash > request.minOrderHash).slice(0, perPage)
    const orders = page.length > 0 ? page.map(({ order }) => order) : null
    given += page.length
    await turns.send({ orders })
    if (orders === null) break
  }
  await turns.close()
  return { orders: given }
}

/** The hash of the last of these, which must all be above `last` and each above the one before. */
function ascending (orders, last) {
  for (const order of orders) {
    const hash = orderHash(order)
    assert.ok(hash > last, `${hash} comes after ${last}`)
    last = hash
  }
  return last
}

/** The hash of the last order so far, if the page is one that may follow `last`. */
function checkPage (request, response, last) {
  const { type, subprotocol, complete, metadata } = response
  const orders = response.orders ?? []
  assert.equal(type, 'Response')
  assert.ok(request.subprotocols.includes(subprotocol), `${subprotocol} was asked for`)
  assert.equal(typeof complete, 'boolean')
  assert.ok(orders.length <= PER_PAGE, `a page of ${orders.length} orders`)
  assert.ok(orders.length > 0 || complete, 'a page without orders is the last')
  last = ascending(orders, last)
  if (subprotocol === V1 && orders.length > 0) {
    // Orders that the filter does not want may lie between.
    assert.ok(metadata.nextMinOrderHash >= last, `${metadata.nextMinOrderHash}, sent up to ${last}`)
  }
  return last
}

/** Orders as a provider keeps them: by their hash. */
export function bookOf (orders) {
  const book = orders.map(order => ({ hash: orderHash(order), order }))
  return book.sort((a, b) => (a.hash < b.hash ? -1 : 1))
}

/** What a provider answers in each subprotocol, for one session. */
const PROVIDERS = {
  /** Above a hash; the last page is an empty one. */
  [V1]: (book, perPage) => ({ orderfilter = null, minOrderHash = LOWEST }) => {
    const above = book.filter(({ hash, order }) => hash > minOrderHash && wants(orderfilter, order))
    const page = above.slice(0, perPage)
    return answer(page, { nextMinOrderHash: page.at(-1)?.hash ?? LOWEST })
  },
  /** As up to 9.4: the page of a number, in a snapshot that the first answer names. */
  [V0]: (book, perPage) => {
    const snapshot = { id: randomUUID(), book: [...book] }
    return ({ orderfilter = null, page: number = 0, snapshotID = '' }) => {
      assert.ok(['', snapshot.id].includes(snapshotID), `the snapshot ${snapshotID} is known`)
      const wanted = snapshot.book.filter(({ order }) => wants(orderfilter, order))
      const page = wanted.slice(number * perPage, (number + 1) * perPage)
      return answer(page, { page: number, snapshotID: snapshot.id })
    }
  }
}

function answer (page, metadata) {
  return { orders: page.map(({ order }) => order), complete: page.length === 0, metadata }
}

/** Whether a filter wants an order. Of schemas this provider knows that of all orders. */
function wants (filter, { chainId, exchangeAddress }) {
  if (filter === null) return true
  assert.equal(filter.customOrderSchema, '{}', 'the schema is that of all orders')
  return filter.chainID === chainId && filter.exchangeAddress === exchangeAddress
}

/** Serves one session out of a book; says what was asked and how much was given. */
export async function serveOrders (stream, book, subprotocols = [V1, V0], perPage = PER_PAGE) {
  const turns = new Turns(stream)
  const session = { offered: null, subprotocol: null, requests: 0, orders: 0, complete: false }
  const providers = {}
  while (!session.complete) {
    const request = await turns.receive()
    if (request === undefined) break
    assert.equal(request.type, 'Request')
    assert.ok('metadata' in request, 'a request has metadata')
    session.offered ??= request.subprotocols
    session.requests++
    const index = request.subprotocols.findIndex(name => subprotocols.includes(name))
    if (index < 0) break
    const name = request.subprotocols[index]
    session.subprotocol = name
    providers[name] ??= PROVIDERS[name](book, perPage)
    const response = providers[name](metadataAt(request, index))
    session.orders += response.orders.length
    session.complete = response.complete
    await turns.send({ type: 'Response', subprotocol: name, ...response })
  }
  await turns.close()
  return session
}

/** What a request says for the subprotocol that was picked. */
function metadataAt ({ subprotocols, metadata }, index) {
  const listed = subprotocols.length > 1 ? metadata?.metadata?.[index] : undefined
  return listed ?? metadata ?? {}
}
