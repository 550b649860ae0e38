//! How far publishers may be ahead of what they are told.

/// How many messages publishers of a connection may send ahead: more of small ones, of which a
/// thousand are used up sooner than leave for more has come. What comes when publishers have to
/// stop is bounded elsewhere, by its octets.
#[derive(Debug, Clone, Copy)]
pub(super) struct Credit {
    /// As it was granted last.
    granted: u32,
    /// Octets of a message, those of the last ones more than those before.
    usual_bytes: usize,
}

impl Default for Credit {
    fn default() -> Credit {
        Credit { granted: CREDIT, usual_bytes: AHEAD_BYTES }
    }
}

impl Credit {
    pub(super) fn note(&mut self, bytes: usize) {
        self.usual_bytes = (self.usual_bytes.saturating_mul(15).saturating_add(bytes)) / 16;
    }

    /// Whether half of the credit is used up, with so much left.
    pub(super) fn is_low(&self, left: u32) -> bool {
        left <= self.granted / 2
    }

    /// What to grant now.
    pub(super) fn next(&mut self) -> u32 {
        let messages = AHEAD_BYTES / self.usual_bytes.max(1);
        self.granted = u32::try_from(messages).unwrap_or(CREDIT_MAX).clamp(CREDIT, CREDIT_MAX);
        self.granted
    }
}

/// The least, and the first.
pub(super) const CREDIT: u32 = 1000;

const CREDIT_MAX: u32 = 8000;

/// Of messages so small that there may be more.
const AHEAD_BYTES: usize = 8 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_small_messages_more_may_come_ahead_than_of_large_ones() {
        let mut credit = Credit::default();
        assert!(credit.is_low(CREDIT / 2) && !credit.is_low(CREDIT / 2 + 1));
        assert_eq!(credit.next(), CREDIT);
        let granted = |credit: &mut Credit, bytes: usize| {
            (0..1000).for_each(|_| credit.note(bytes));
            credit.next()
        };
        assert_eq!(granted(&mut credit, 0), CREDIT_MAX);
        assert!(credit.is_low(CREDIT_MAX / 2) && !credit.is_low(CREDIT_MAX / 2 + 1));
        assert_eq!(granted(&mut credit, 16), CREDIT_MAX);
        assert!((2000..2200).contains(&granted(&mut credit, 4096)));
        assert_eq!(granted(&mut credit, 1 << 20), CREDIT);
        assert_eq!(granted(&mut credit, usize::MAX), CREDIT);
    }
}
