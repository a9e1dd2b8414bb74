//! Points of the curve, from the library that is fast at roots to the one that is open to sums.

use k256::{AffinePoint, Sec1Point};
use secp256k1::PublicKey;

/// The point that these 33 bytes stand for, if they do for one. Its ordinate is a root, which this
/// takes in half the time of [`k256`].
pub fn point(compressed: &[u8; 33]) -> Option<AffinePoint> {
    of_key(&PublicKey::from_slice(compressed).ok()?)
}

/// A key as the point that it is.
pub(crate) fn of_key(key: &PublicKey) -> Option<AffinePoint> {
    let point = Sec1Point::from_bytes(key.serialize_uncompressed()).ok()?;
    AffinePoint::try_from(point).ok()
}

#[cfg(test)]
mod tests {
    use k256::elliptic_curve::sec1::ToSec1Point as _;
    use k256::{ProjectivePoint, Scalar};

    use super::*;

    #[test]
    fn a_point_comes_back_from_its_bytes_and_nothing_else_does() {
        for factor in 1..20_u64 {
            let expected = (ProjectivePoint::GENERATOR * Scalar::from(factor)).to_affine();
            let bytes: [u8; 33] = expected.to_sec1_point(true).as_bytes().try_into().unwrap();
            assert_eq!(point(&bytes), Some(expected));
            for format in [0, 1, 4, 5, 6, 7, 0xff] {
                let mut bytes = bytes;
                bytes[0] = format;
                assert_eq!(point(&bytes), None, "{format}");
            }
        }
        // Neither 5 nor the order of the field is an abscissa.
        let mut no_root = [0; 33];
        (no_root[0], no_root[32]) = (2, 5);
        assert_eq!(point(&no_root), None);
        assert_eq!(point(&[0xff; 33]), None);
    }
}
