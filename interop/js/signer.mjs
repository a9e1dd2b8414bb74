// Orders that JavaScript makes up and signs.
import { secp256k1 } from '@noble/curves/secp256k1.js'
import { keccak_256 as keccak } from '@noble/hashes/sha3.js'
import { bytesToHex, concatBytes, hexToBytes, utf8ToBytes } from '@noble/hashes/utils.js'

import { orderHash } from './order.mjs'

const EIP712 = 2
const ETH_SIGN = 3
const PREFIX = utf8ToBytes('\x19Ethereum Signed Message:\n32')

/** The address of a key. */
function addressOf (key) {
  const point = secp256k1.getPublicKey(key, false).slice(1)
  return `0x${bytesToHex(keccak(point).slice(-20))}`
}

/** The order with a signature of `key`, as a contract would check it or as a wallet makes it. */
export function sign (order, key, type = EIP712) {
  const hash = hexToBytes(orderHash(order).slice(2))
  const signed = type === ETH_SIGN ? keccak(concatBytes(PREFIX, hash)) : hash
  const [recovery, ...rs] = secp256k1.sign(signed, key, { prehash: false, format: 'recovered' })
  const signature = Uint8Array.of(27 + recovery, ...rs, type)
  return { ...order, signature: `0x${bytesToHex(signature)}` }
}

/** So many orders of a few makers, all traded as `model` is; the same each time. */
export function makeOrders (count, model) {
  const keys = ['one', 'two', 'three'].map(name => keccak(utf8ToBytes(`interop: maker ${name}`)))
  return Array.from({ length: count }, (_, index) => {
    const key = keys[index % keys.length]
    const order = { ...model, makerAddress: addressOf(key), salt: (index + 1).toString() }
    return sign(order, key, index % 2 === 0 ? EIP712 : ETH_SIGN)
  })
}
