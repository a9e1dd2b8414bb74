// Turns on a stream, as Go programs take them with one JSON decoder for each value.
const MESSAGE_MAX = 4 * 1024 * 1024

/** One side of a stream on which JSON objects are sent in turns, never two without an answer. */
export class Turns {
  #stream
  #parts
  #coming
  #encoder = new TextEncoder()
  #decoder = new TextDecoder('utf-8', { fatal: true })

  constructor (stream) {
    this.#stream = stream
    this.#parts = stream[Symbol.asyncIterator]()
    // Listens from now on: what comes before the first `receive` must not be lost.
    this.#read()
  }

  /** Sends a value, with a line feed behind it. */
  async send (value) {
    if (!this.#stream.send(this.#encoder.encode(lineOf(value)))) {
      await this.#stream.onDrain()
    }
  }

  /**
   * The next value, or undefined if the remote ends before one. It is there with its last brace,
   * whether or not anything follows; but nothing may follow except white space, since a decoder
   * that is thrown away takes with it what it has read.
   */
  async receive () {
    let text = ''
    const scan = scanner()
    for (;;) {
      const { done, value } = await this.#coming
      if (done) {
        if (text.trim() !== '') throw new Error(`it ended inside of a value: ${text.slice(0, 80)}`)
        return undefined
      }
      this.#read()
      const part = this.#decoder.decode(value.subarray(), { stream: true })
      const end = scan(part)
      text += part
      if (text.length > MESSAGE_MAX) throw new Error(`a value of more than ${MESSAGE_MAX} bytes`)
      if (end !== undefined) {
        const rest = part.slice(end)
        if (rest.trim() !== '') throw new Error(`a value before its turn: ${rest.slice(0, 80)}`)
        return JSON.parse(text)
      }
    }
  }

  /** Sends nothing any more. */
  async close () {
    await this.#stream.close()
  }

  #read () {
    this.#coming = this.#parts.next()
    // It is `receive` that tells of a stream that breaks.
    this.#coming.catch(() => {})
  }
}

/** What goes over the wire for a value. */
export function lineOf (value) {
  return `${JSON.stringify(value)}\n`
}

/** Finds where the object that comes in parts ends: the index in the part behind its last brace. */
function scanner () {
  let depth = 0
  let quoted = false
  let escaped = false
  return part => {
    for (let at = 0; at < part.length; at++) {
      const character = part[at]
      if (quoted) {
        if (escaped) escaped = false
        else if (character === '\\') escaped = true
        else if (character === '"') quoted = false
      } else if (character === '"') {
        quoted = true
      } else if (character === '{' || character === '[') {
        depth++
      } else if (character === '}' || character === ']') {
        depth--
        if (depth === 0) return at + 1
      }
    }
    return undefined
  }
}
