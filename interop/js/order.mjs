// An order of version 3 or 4 of the 0x protocol and its hash, as EIP-712 defines it.
import { keccak_256 as keccak } from '@noble/hashes/sha3.js'
import { bytesToHex, concatBytes, hexToBytes, utf8ToBytes } from '@noble/hashes/utils.js'

const DOMAIN = 'EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)'
/** The members of an order in the order in which they are hashed. */
const MEMBERS_V3 = [
  ['address', 'makerAddress'], ['address', 'takerAddress'], ['address', 'feeRecipientAddress'],
  ['address', 'senderAddress'], ['uint256', 'makerAssetAmount'], ['uint256', 'takerAssetAmount'],
  ['uint256', 'makerFee'], ['uint256', 'takerFee'], ['uint256', 'expirationTimeSeconds'],
  ['uint256', 'salt'], ['bytes', 'makerAssetData'], ['bytes', 'takerAssetData'],
  ['bytes', 'makerFeeAssetData'], ['bytes', 'takerFeeAssetData']
]
const MEMBERS_V4 = [
  ['address', 'makerToken'], ['address', 'takerToken'], ['uint128', 'makerAmount'],
  ['uint128', 'takerAmount'], ['uint128', 'takerTokenFeeAmount'], ['address', 'maker'],
  ['address', 'taker'], ['address', 'sender'], ['address', 'feeRecipient'], ['bytes32', 'pool'],
  ['uint64', 'expiry'], ['uint256', 'salt']
]
/** What each version has of its own: the key says under which it has its contract. */
const VERSIONS = {
  exchangeAddress: { type: 'Order', members: MEMBERS_V3, name: '0x Protocol', version: '3.0.0' },
  verifyingContract: { type: 'LimitOrder', members: MEMBERS_V4, name: 'ZeroEx', version: '1.0.0' }
}

const hashOfText = text => keccak(utf8ToBytes(text))
const word = number => hexToBytes(BigInt(number).toString(16).padStart(64, '0'))
const ENCODERS = {
  // All these are numbers of 32 bytes.
  address: word,
  bytes32: word,
  uint64: word,
  uint128: word,
  uint256: word,
  bytes: hex => keccak(hexToBytes(hex.slice(2)))
}

/** Its hash: 0x and 64 lower-case digits, so that texts compare as the numbers do. */
export function orderHash (order) {
  const contract = Object.keys(VERSIONS).find(key => key in order)
  const { type, members, name, version } = VERSIONS[contract]
  const domain = keccak(concatBytes(
    hashOfText(DOMAIN), hashOfText(name), hashOfText(version),
    word(order.chainId), word(order[contract])
  ))
  const text = `${type}(${members.map(([type, name]) => `${type} ${name}`).join(',')})`
  const words = members.map(([type, name]) => ENCODERS[type](order[name]))
  const struct = keccak(concatBytes(hashOfText(text), ...words))
  return `0x${bytesToHex(keccak(concatBytes(Uint8Array.of(0x19, 0x01), domain, struct)))}`
}
