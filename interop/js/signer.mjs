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

/** The parts of a signature of `key`, as a contract would check it or as a wallet makes it. */
function signatureOf (order, key, type) {
  const hash = hexToBytes(orderHash(order).slice(2))
  const signed = type === ETH_SIGN ? keccak(concatBytes(PREFIX, hash)) : hash
  const [recovery, ...rs] = secp256k1.sign(signed, key, { prehash: false, format: 'recovered' })
  return { v: 27 + recovery, rs }
}

/** The order of version 3 with a signature of `key`. */
export function sign (order, key, type = EIP712) {
  const { v, rs } = signatureOf(order, key, type)
  return { ...order, signature: `0x${bytesToHex(Uint8Array.of(v, ...rs, type))}` }
}

/** The order of version 4 with a signature of `key`. */
function signV4 (order, key, type) {
  const { v, rs } = signatureOf(order, key, type)
  const [r, s] = [rs.slice(0, 32), rs.slice(32)].map(half => `0x${bytesToHex(Uint8Array.from(half))}`)
  return { ...order, signatureType: `${type}`, signatureR: r, signatureV: `${v}`, signatureS: s }
}

/** So many orders of a few makers, made of each maker's address and a salt; the same each time. */
function make (count, order, sign) {
  const keys = ['one', 'two', 'three'].map(name => keccak(utf8ToBytes(`interop: maker ${name}`)))
  return Array.from({ length: count }, (_, index) => {
    const key = keys[index % keys.length]
    const type = index % 2 === 0 ? EIP712 : ETH_SIGN
    return sign(order(addressOf(key), (index + 1).toString()), key, type)
  })
}

/** Orders of version 3, all traded as `model` is. */
export function makeOrders (count, model) {
  return make(count, (makerAddress, salt) => ({ ...model, makerAddress, salt }), sign)
}

/** Orders of version 4 on the main chain. */
export function makeOrdersV4 (count) {
  const order = (maker, salt) => ({
    chainId: 1,
    verifyingContract: '0xdef1c0ded9bec7f1a1670819833240f027b25eff',
    makerToken: '0x871dd7c2b4b25e1aa18728e9d5f2af4c4e431f5c',
    takerToken: '0x0b1ba0af832d7c05fd64161e0db78e85978e8082',
    makerAmount: '100000000000000000000',
    takerAmount: '50000000000000000000',
    takerTokenFeeAmount: '0',
    maker,
    taker: `0x${'00'.repeat(20)}`,
    sender: `0x${'00'.repeat(20)}`,
    feeRecipient: `0x${'00'.repeat(20)}`,
    pool: `0x${'00'.repeat(32)}`,
    expiry: '4102444800',
    salt
  })
  return make(count, order, signV4)
}
