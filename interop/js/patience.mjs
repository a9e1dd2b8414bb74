// How long anything may take.
const PATIENCE = 20_000

/** What `promise` comes to; fails instead of waiting for ever. */
export function within (promise, what, patience = PATIENCE) {
  let timer
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: nothing within ${patience} ms`)), patience)
  })
  return Promise.race([promise, late]).finally(() => clearTimeout(timer))
}
