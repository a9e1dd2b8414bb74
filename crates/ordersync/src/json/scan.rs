//! Where an object ends, found as its bytes arrive.

use super::{BadMessage, DEPTH_MAX};

/// Follows the bytes of one object up to its last brace.
///
/// It knows strings and nesting, no more: whether the object is JSON shows when it is read. An
/// object that is none may end too early for it, and is refused then.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Scanner {
    depth: u8,
    place: Place,
}

#[derive(Clone, Copy, Debug, Default)]
enum Place {
    #[default]
    Outside,
    String,
    Escape,
}

impl Scanner {
    /// Takes the next bytes of the object. Some number of them when the object ends with these.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> Result<Option<usize>, BadMessage> {
        for (at, byte) in bytes.iter().enumerate() {
            match (self.place, byte) {
                (Place::Outside, b'{' | b'[') => self.open()?,
                (Place::Outside, b'}' | b']') => {
                    self.depth = self.depth.saturating_sub(1);
                    if self.depth == 0 {
                        return Ok(Some(at.saturating_add(1)));
                    }
                }
                (Place::Outside, b'"') => self.place = Place::String,
                (Place::String, b'\\') => self.place = Place::Escape,
                (Place::String, b'"') => self.place = Place::Outside,
                (Place::Escape, _) => self.place = Place::String,
                (Place::Outside | Place::String, _) => {}
            }
        }
        Ok(None)
    }

    fn open(&mut self) -> Result<(), BadMessage> {
        if self.depth >= DEPTH_MAX {
            return Err(BadMessage::TooDeep { max: DEPTH_MAX });
        }
        self.depth = self.depth.saturating_add(1);
        Ok(())
    }
}
