//! The numbers of a session's requests.

/// Counts the requests of a session, or their answers: 1, 2, 3 and so on.
///
/// A requester numbers its requests with one and checks the answers with another; a provider checks
/// the requests. Answers come in the order of the requests, so a number that is used twice, left out
/// or unasked for is told at once.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Serial(u32);

/// A frame whose number is not its turn.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("frame has number {id}, must be {due}")]
pub struct OutOfOrder {
    /// Its number.
    pub id: u32,
    /// Whose turn it was; 0 if nobody's any more.
    pub due: u32,
}

impl Serial {
    /// None was counted yet.
    pub const fn new() -> Self {
        Self(0)
    }

    /// The last number that was counted; 0 before the first.
    pub const fn last(self) -> u32 {
        self.0
    }

    /// The next number, which counts as used; `None` once there are no more.
    pub fn issue(&mut self) -> Option<u32> {
        self.0 = self.0.checked_add(1)?;
        Some(self.0)
    }

    /// Counts `id` if it is the next number.
    ///
    /// # Errors
    /// [`OutOfOrder`] if not, and nothing is counted.
    pub fn take(&mut self, id: u32) -> Result<(), OutOfOrder> {
        let due = self.0.checked_add(1).unwrap_or_default();
        if due == 0 || id != due {
            return Err(OutOfOrder { id, due });
        }
        self.0 = due;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_that_is_not_its_turn_is_refused() {
        let (mut asked, mut answered) = (Serial::new(), Serial::new());
        assert_eq!([asked.issue(), asked.issue()], [Some(1), Some(2)]);
        assert_eq!(answered.take(1), Ok(()));
        for id in [0, 1, 3, u32::MAX] {
            assert_eq!(answered.take(id), Err(OutOfOrder { id, due: 2 }));
        }
        assert_eq!(answered.take(2), Ok(()));
        assert_eq!(answered.last(), asked.last());
    }

    #[test]
    fn the_last_number_is_followed_by_none() {
        let mut asked = Serial(u32::MAX);
        assert_eq!(asked.issue(), None);
        for id in [0, 1, u32::MAX] {
            assert_eq!(asked.take(id), Err(OutOfOrder { id, due: 0 }));
        }
    }
}
