//! SQL's three truth values (JMS 2.0 §3.8.1.2, tables 3-4 to 3-6).

use std::ops::Not;

/// What an evaluation comes to. Only what is [`True`](Self::True) is delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Truth {
    /// The message does not match.
    False,
    /// Something that was asked for is not there, or is of no use: the message does not match, and
    /// would not by the opposite either.
    Unknown,
    /// The message matches.
    True,
}

impl Truth {
    /// Both: the lesser one.
    #[must_use]
    pub fn and(self, other: Truth) -> Truth {
        self.min(other)
    }

    /// Either: the greater one.
    #[must_use]
    pub fn or(self, other: Truth) -> Truth {
        self.max(other)
    }
}

impl Not for Truth {
    type Output = Truth;

    fn not(self) -> Truth {
        match self {
            Truth::False => Truth::True,
            Truth::Unknown => Truth::Unknown,
            Truth::True => Truth::False,
        }
    }
}

impl From<bool> for Truth {
    fn from(known: bool) -> Truth {
        if known { Truth::True } else { Truth::False }
    }
}

#[cfg(test)]
mod tests {
    use super::Truth::{self, False, True, Unknown};

    #[test]
    fn the_tables_of_jms() {
        let and = [[False; 3], [False, Unknown, Unknown], [False, Unknown, True]];
        let or = [[False, Unknown, True], [Unknown, Unknown, True], [True; 3]];
        let all: [Truth; 3] = [False, Unknown, True];
        for (left, (and, or)) in all.into_iter().zip(and.into_iter().zip(or)) {
            assert_eq!(all.map(|right| left.and(right)), and, "{left:?} AND");
            assert_eq!(all.map(|right| left.or(right)), or, "{left:?} OR");
        }
        assert_eq!(all.map(|value| !value), [True, Unknown, False]);
    }
}
