//! Numbers that wrap around: which of two is later is a question of which way is shorter
//! (AMQP 1.0 §2.8.10, RFC 1982).

/// A newtype of `u32` with the arithmetic of serial numbers. It has no order: RFC 1982 gives none
/// to two numbers that are half the circle apart.
macro_rules! serial_number {
    ($(#[$words:meta])* $name:ident) => {
        $(#[$words])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
        pub struct $name(pub u32);

        impl $name {
            /// The number after this.
            #[must_use]
            pub const fn next(self) -> Self {
                self.plus(1)
            }

            /// The number so many steps after this.
            #[must_use]
            pub const fn plus(self, steps: u32) -> Self {
                Self(self.0.wrapping_add(steps))
            }

            /// How many steps lead from `earlier` to this.
            pub const fn since(self, earlier: Self) -> u32 {
                self.0.wrapping_sub(earlier.0)
            }

            /// Whether this comes before `other`: by the shorter way, `other` is ahead.
            pub const fn precedes(self, other: Self) -> bool {
                let ahead = other.since(self);
                ahead != 0 && ahead < 1 << 31
            }
        }
    };
}

pub(crate) use serial_number;

#[cfg(test)]
mod tests {
    use crate::definition::DeliveryNumber;

    #[test]
    fn numbers_go_on_behind_the_highest() {
        let last = DeliveryNumber(u32::MAX);
        assert_eq!(last.next(), DeliveryNumber(0));
        assert_eq!(last.plus(3).since(last), 3);
        assert!(last.precedes(last.next()) && !last.next().precedes(last));
    }

    #[test]
    fn the_shorter_way_decides_what_is_before() {
        let zero = DeliveryNumber(0);
        assert!(zero.precedes(DeliveryNumber((1 << 31) - 1)));
        assert!(DeliveryNumber((1 << 31) + 1).precedes(zero));
        let opposite = DeliveryNumber(1 << 31);
        assert!(!zero.precedes(opposite) && !opposite.precedes(zero), "RFC 1982: undefined");
        assert!(!zero.precedes(zero));
    }
}
