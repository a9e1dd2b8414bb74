// The node under test: its process, and its command line.
import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

import { within } from './patience.mjs'

const OUTPUT_MAX = 16 * 1024 * 1024

/** A node that runs. */
export class Meshwork {
  #binary
  #dataDir
  #process
  #ended

  constructor (binary, dataDir) {
    this.#binary = binary
    this.#dataDir = dataDir
    this.#process = spawn(binary, [
      'run', '--data-dir', dataDir, '--network', 'interop', '--listen', '/ip4/127.0.0.1/tcp/0'
    ], { stdio: ['ignore', 'pipe', 'inherit'] })
    this.#ended = new Promise((resolve, reject) => {
      this.#process.once('error', reject)
      this.#process.once('exit', (code, signal) => resolve(code ?? signal))
    })
    // Told by `stop`, or by whoever waits for the node before that.
    this.#ended.catch(() => {})
  }

  /** Starts a node in a new directory below `parent`, and waits until it is ready. */
  static async start (binary, parent, name) {
    const node = new Meshwork(binary, join(parent, name))
    try {
      Object.assign(node, await within(node.#ready(), `${name}: ready`))
    } catch (error) {
      await node.stop().catch(() => {})
      throw error
    }
    return node
  }

  /** The peer id and the TCP address of the node's `ready` line. */
  async #ready () {
    for await (const line of createInterface({ input: this.#process.stdout })) {
      const fields = /^ready peer_id=(\S+) listen=(\S+)/.exec(line)
      if (fields) {
        const [, peerId, listen] = fields
        const address = listen.split(',').find(address => address.includes('/tcp/'))
        return { peerId, address: address.includes('/p2p/') ? address : `${address}/p2p/${peerId}` }
      }
    }
    throw new Error(`the node ended before it was ready: ${await this.#ended}`)
  }

  /** Runs `meshwork orders`, and returns the reports that it prints as JSON. Fails if it does. */
  async orders (...asked) {
    const args = ['--json', '--data-dir', this.#dataDir, 'orders', ...asked]
    const { code, stdout, stderr } = await within(new Promise(resolve => {
      execFile(this.#binary, args, { maxBuffer: OUTPUT_MAX }, (error, stdout, stderr) => {
        resolve({ code: error ? error.code : 0, stdout, stderr })
      })
    }), `orders ${asked[0]}`)
    assert.equal(code, 0, `orders ${asked.join(' ')}: exit code ${code}\n${stdout}${stderr}`)
    return linesOf(stdout).map(line => JSON.parse(line))
  }

  /** Ends the node, and waits for it. */
  async stop () {
    this.#process.kill('SIGTERM')
    try {
      assert.equal(await within(this.#ended, 'the node\'s end'), 0, 'the node\'s exit code')
    } catch (error) {
      this.#process.kill('SIGKILL')
      throw error
    }
  }
}

/** The lines of a text, without an empty one at the end. */
export function linesOf (text) {
  return text.split('\n').filter(line => line !== '')
}
