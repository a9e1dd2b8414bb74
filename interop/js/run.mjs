// Runs a client of another implementation against nodes of ours.
// usage: node --import ./polyfill.mjs run.mjs PATH_OF_THE_MESHWORK_BINARY
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import {
  checkItself, checkProvider, checkRequester, checkVersions, readStock
} from './checks/ordersync.mjs'
import { visit } from './checks/stranger.mjs'
import { Meshwork } from './meshwork.mjs'

const binary = process.argv[2]
if (!binary) {
  console.error('usage: node --import ./polyfill.mjs run.mjs PATH_OF_THE_MESHWORK_BINARY')
  process.exit(2)
}
const directory = await mkdtemp(join(tmpdir(), 'meshwork-interop-'))

async function run () {
  const stock = await readStock()
  await checkItself(stock)
  const node = await Meshwork.start(binary, directory, 'provider')
  try {
    await visit(node)
    await checkProvider(node, directory, stock)
  } finally {
    await node.stop()
  }
  await checkRequester(binary, directory, stock)
  await checkVersions(binary, directory, stock)
}

try {
  await run()
  console.log('interop: js-libp2p connects, identifies, pings and exchanges orders: ok')
} catch (error) {
  console.error(`interop: ${error.stack}`)
  process.exitCode = 1
} finally {
  await rm(directory, { recursive: true, force: true })
}
