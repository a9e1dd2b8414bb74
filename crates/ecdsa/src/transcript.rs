//! Numbers that nobody can choose without having chosen all that they multiply before.

/// A hash of all that enters a sum, in records of one length: what is multiplied, and what by.
///
/// ```
/// use meshwork_ecdsa::Transcript;
///
/// let first = |claim: &[u8]| {
///     let mut transcript = Transcript::new("an example of 2026");
///     transcript.add(claim);
///     transcript.weights().next()
/// };
/// assert_eq!(first(b"one"), first(b"one"));
/// assert_ne!(first(b"one"), first(b"two"));
/// ```
#[derive(Clone, Debug)]
pub struct Transcript(blake3::Hasher);

impl Transcript {
    /// An empty one. No two purposes have the same numbers.
    pub fn new(purpose: &str) -> Self {
        Self(blake3::Hasher::new_derive_key(purpose))
    }

    /// Goes on with `bytes`, however many parts they come in.
    pub fn add(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// A hash of all of it.
    pub fn digest(&self) -> [u8; 32] {
        self.0.finalize().into()
    }

    /// As many numbers as are asked for, each of 128 bits.
    pub fn weights(&self) -> impl Iterator<Item = u128> + use<> {
        let mut numbers = self.0.finalize_xof();
        std::iter::repeat_with(move || {
            let mut number = [0; 16];
            numbers.fill(&mut number);
            u128::from_le_bytes(number)
        })
    }
}
