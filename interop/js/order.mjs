// An order of version 3 of the 0x protocol and its hash, as EIP-712 defines it.
import { keccak_256 as keccak } from '@noble/hashes/sha3.js'
import { bytesToHex, concatBytes, hexToBytes, utf8ToBytes } from '@noble/hashes/utils.js'

const DOMAIN = 'EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)'
/** The members of an order in the order in which they are hashed. */
const MEMBERS = [
  ['address', 'makerAddress'], ['address', 'takerAddress'], ['address', 'feeRecipientAddress'],
  ['address', 'senderAddress'], ['uint256', 'makerAssetAmount'], ['uint256', 'takerAssetAmount'],
  ['uint256', 'makerFee'], ['uint256', 'takerFee'], ['uint256', 'expirationTimeSeconds'],
  ['uint256', 'salt'], ['bytes', 'makerAssetData'], ['bytes', 'takerAssetData'],
  ['bytes', 'makerFeeAssetData'], ['bytes', 'takerFeeAssetData']
]
const ORDER = `Order(${MEMBERS.map(([type, name]) => `${type} ${name}`).join(',')})`

const hashOfText = text => keccak(utf8ToBytes(text))
const word = number => hexToBytes(BigInt(number).toString(16).padStart(64, '0'))
const ENCODERS = {
  // Both are numbers of 32 bytes.
  address: word,
  uint256: word,
  bytes: hex => keccak(hexToBytes(hex.slice(2)))
}

/** Its hash: 0x and 64 lower-case digits, so that texts compare as the numbers do. */
export function orderHash (order) {
  const domain = keccak(concatBytes(
    hashOfText(DOMAIN), hashOfText('0x Protocol'), hashOfText('3.0.0'),
    word(order.chainId), word(order.exchangeAddress)
  ))
  const members = MEMBERS.map(([type, name]) => ENCODERS[type](order[name]))
  const struct = keccak(concatBytes(hashOfText(ORDER), ...members))
  return `0x${bytesToHex(keccak(concatBytes(Uint8Array.of(0x19, 0x01), domain, struct)))}`
}
