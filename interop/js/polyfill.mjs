// The libraries use a built-in of Node 22; on Node 20 this stands in for it.
if (!Promise.withResolvers) {
  Promise.withResolvers = function () {
    let resolve, reject
    const promise = new this((onResolve, onReject) => { resolve = onResolve; reject = onReject })
    return { promise, resolve, reject }
  }
}
