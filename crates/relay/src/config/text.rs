//! Amounts as the text that they are in files.

pub(super) mod amount {
    use serde::de::Error as _;
    use serde::{Deserialize as _, Deserializer, Serializer};
    use tickets::Amount;

    pub(in crate::config) fn serialize<S: Serializer>(
        amount: &Amount,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_str(amount)
    }

    pub(in crate::config) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Amount, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(D::Error::custom)
    }
}
